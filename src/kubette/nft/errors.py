"""What the kernel may answer, classified by errno.

    NftError
    ├── Exists         EEXIST: the object or element is there already (with other contents)
    ├── Missing        ENOENT: the table, chain, set or element does not exist
    ├── Busy           EBUSY: the chain or set is still referred to
    ├── NotPermitted   EPERM, EACCES: CAP_NET_ADMIN is missing in this network namespace
    ├── Unsupported    EOPNOTSUPP, EPROTONOSUPPORT: the kernel lacks the feature
    ├── Exhausted      ENOMEM, ENFILE, ENOSPC, EMSGSIZE, ENOBUFS: too much for the kernel
    ├── Interrupted    EINTR, ERESTART, EAGAIN: somebody else changed the ruleset meanwhile; try again
    └── Rejected       anything else (EINVAL …): our message is wrong
"""

from __future__ import annotations

import errno
import os


class NftError(Exception):
    """The kernel refused a transaction; nothing of it was applied. ``number`` is the errno, ``at`` the operation."""

    def __init__(self, number: int, at: object = None) -> None:
        self.number = number
        self.at = at
        where = f" at {at}" if at is not None else ""
        super().__init__(f"nftables: {os.strerror(number)}{where}")


class Exists(NftError):
    """EEXIST."""


class Missing(NftError):
    """ENOENT."""


class Busy(NftError):
    """EBUSY."""


class NotPermitted(NftError):
    """EPERM or EACCES."""


class Unsupported(NftError):
    """The kernel does not know the feature."""


class Exhausted(NftError):
    """Out of memory, buffer or set size."""


class Interrupted(NftError):
    """The ruleset changed under us."""


class Rejected(NftError):
    """The message was not understood: a defect of ours."""


ERESTART = 85

_BY_ERRNO: dict[int, type[NftError]] = {
    errno.EEXIST: Exists,
    errno.ENOENT: Missing,
    errno.EBUSY: Busy,
    errno.EPERM: NotPermitted,
    errno.EACCES: NotPermitted,
    errno.EOPNOTSUPP: Unsupported,
    errno.EPROTONOSUPPORT: Unsupported,
    errno.EAFNOSUPPORT: Unsupported,
    errno.ENOMEM: Exhausted,
    errno.ENFILE: Exhausted,
    errno.ENOSPC: Exhausted,
    errno.EMSGSIZE: Exhausted,
    errno.ENOBUFS: Exhausted,
    errno.EINTR: Interrupted,
    ERESTART: Interrupted,
    errno.EAGAIN: Interrupted,
}


def classify(number: int, at: object = None) -> NftError:
    """The error of the tree for an errno (positive)."""
    return _BY_ERRNO.get(number, Rejected)(number, at)
