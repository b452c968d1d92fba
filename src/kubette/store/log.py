"""The datastore's interface: one revisioned log, append-only, acknowledged when it is on disk.

Only what every backend must do lives here (SQLite embedded, etcd for many machines). The objects in
memory, the pending head and the watches are ``state.Store``'s, the same over every backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

#: (group resource, namespace or "", name): ("deployments.apps", "default", "web").
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """One write: the object's JSON at that revision. Of a deletion, ``value`` is its last state."""

    rev: int
    key: Key
    value: bytes
    deleted: bool
    prev: int  # the revision that this one replaces; 0: none


class StoreError(Exception):
    """The log could not be read or written (disk full, I/O error, file in use)."""


class Log(Protocol):
    """Where records are kept. ``append`` and ``discard`` may be called from the event loop only."""

    def load(self) -> Iterator[Record]:
        """Every kept record, in order of revision."""

    def start(self, done: Callable[[Sequence[Record], Exception | None], None]) -> None:
        """Begin to write. ``done`` is called, on the loop, once for each batch in order: the records are
        on disk, or all of them (and all appended before the call returns) were refused."""

    def append(self, record: Record) -> None:
        """Queue a record; ``done`` tells its fate."""

    def discard(self, revisions: Sequence[int]) -> None:
        """Forget records that nothing can ask for any more."""

    def close(self) -> None:
        """Write what is queued, then stop."""
