"""Recent events of one resource, and who waits for the next: every watcher reads the same ring.

A watcher is only a revision (its cursor). The ring keeps a bounded past; who falls behind it, or asks
for a revision before it, gets ``Compacted`` and must list again.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter

from kubette.store.log import Key

_MAX_EVENTS = 8192
_MAX_BYTES = 6 << 20
_MIN_EVENTS = 256
_rev = attrgetter("rev")


class Compacted(Exception):
    """The revision asked for is older than what is kept (HTTP: 410 Expired)."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {asked} ({oldest})")
        self.asked, self.oldest = asked, oldest


@dataclass(slots=True)
class Event:
    """One committed write. ``prev`` is the object before it (None: created); shared by all watchers."""

    rev: int
    key: Key
    value: bytes
    deleted: bool
    prev: bytes | None
    prev_rev: int
    _line: bytes | None = None

    @property
    def type(self) -> str:
        return "DELETED" if self.deleted else "MODIFIED" if self.prev is not None else "ADDED"

    @property
    def line(self) -> bytes:
        """The watch event as it travels."""
        if self._line is None:
            self._line = encode(self.type, self.value)
        return self._line


def encode(type_: str, value: bytes) -> bytes:
    """A watch event's JSON line around an object's bytes."""
    return b'{"type":"%s","object":%s}\n' % (type_.encode(), value)


class Ring:
    """``floor``: the newest revision that is no longer kept; a watch may begin at it or after."""

    def __init__(self, floor: int = 0) -> None:
        self.floor = floor
        self._events: list[Event] = []
        self._bytes = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def push(self, event: Event) -> None:
        self._events.append(event)
        self._bytes += len(event.value)
        if len(self._events) > _MAX_EVENTS or (self._bytes > _MAX_BYTES and len(self._events) > _MIN_EVENTS):
            self._trim(len(self._events) // 2)

    def compact(self, rev: int) -> None:
        """Forget events up to and including ``rev``."""
        self._trim(bisect_right(self._events, rev, key=_rev))
        self.floor = max(self.floor, rev)

    def _trim(self, count: int) -> None:
        if count:
            gone = self._events[:count]
            self.floor = max(self.floor, gone[-1].rev)
            self._bytes -= sum(len(e.value) for e in gone)
            del self._events[:count]

    def since(self, rev: int, most: int | None = None) -> list[Event]:
        """Events after ``rev``, oldest first, no more than ``most``. Raises Compacted."""
        if rev < self.floor:
            raise Compacted(rev, self.floor)
        if not self._events or self._events[-1].rev <= rev:
            return []
        start = bisect_right(self._events, rev, key=_rev)
        return self._events[start : None if most is None else start + most]

    def wake(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, timeout: float) -> bool:
        """Until something is pushed (True) or ``timeout`` seconds have passed (False).

        Call ``since`` first: what was pushed before the wait does not end it."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                await waiter
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(waiter)
        return True
