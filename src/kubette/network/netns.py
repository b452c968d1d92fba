"""Network namespaces: make, enter and remove them, without running ``ip``.

A namespace is pinned by a bind mount on a file, as ``ip netns`` does (ip-netns(8)), so that ``ip netns exec``
reads what is made here. setns(2) is per thread: ``inside`` uses one that ends with the work.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

NETNS_DIR = Path("/run/netns")
CLONE_NEWNET = 0x40000000
MS_BIND = 4096
MS_REC = 16384
MS_SHARED = 1 << 20
MNT_DETACH = 2

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")


def _in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread of its own, which ends with it, and hand on what it returns or raises."""
    done: list[T] = []
    failed: list[BaseException] = []

    def body() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=body, name="netns")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def enter(path: Path) -> None:
    """Move the calling thread, in a process without others the process, into the namespace at ``path``."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(fd, CLONE_NEWNET), f"enter network namespace {path}")
    finally:
        os.close(fd)


def inside(path: Path, work: Callable[[], T]) -> T:
    """Run ``work`` inside the namespace at ``path``: sockets it opens stay there. OSError when it is gone."""

    def body() -> T:
        enter(path)
        return work()

    return _in_thread(body)


def pinned(path: Path) -> bool:
    """Whether a namespace is pinned there: the file is one of the kernel's, not an empty one on a disk."""
    return path.exists() and path.stat().st_dev == Path("/proc/self/ns/net").stat().st_dev


def create(path: Path) -> None:
    """A new namespace pinned at ``path``, with nothing but its own ``lo``, down. FileExistsError if taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent == NETNS_DIR:
        _share()
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))

    def body() -> None:
        _check(_libc.unshare(CLONE_NEWNET), "unshare the network")
        source = f"/proc/self/task/{threading.get_native_id()}/ns/net"
        _check(_libc.mount(source.encode(), str(path).encode(), b"none", MS_BIND, None), f"pin {path}")

    try:
        _in_thread(body)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def remove(path: Path) -> None:
    """Unpin the namespace; it goes when its last process has gone. Removing what is not there succeeds."""
    _libc.umount2(str(path).encode(), MNT_DETACH)
    path.unlink(missing_ok=True)
    if path.parent == NETNS_DIR:
        _libc.umount2(str(NETNS_DIR).encode(), 0)  # refused while another is pinned there


def _share() -> None:
    """Make the directory a shared mount, as ``ip netns add`` does where it is none: by a copy of it and of all that
    is mounted there on top, below which our pins would lie out of reach, and could not be removed."""
    where = str(NETNS_DIR).encode()
    if _libc.mount(b"", where, b"none", MS_SHARED | MS_REC, None) == 0:
        return
    _check(_libc.mount(where, where, b"none", MS_BIND | MS_REC, None), f"bind {NETNS_DIR}")
    _check(_libc.mount(b"", where, b"none", MS_SHARED | MS_REC, None), f"share {NETNS_DIR}")
