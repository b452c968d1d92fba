"""Recent events of one resource, and the feeds that wait for the next: every feed reads the same ring.

A feed is a cursor, or the revisions of the events of its topic: it holds no event. The ring keeps a bounded past; a
feed that falls behind it, or begins before it, gets ``Compacted`` and its client must list again.

A topic is a field and the value that it must have, as in an exact field selector. Feeds are indexed by topic: an event
costs nothing to a feed of which neither the object before nor the object after has the value.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

import orjson

from kubette.store.log import Key

_MAX_EVENTS = 8192
_MAX_BYTES = 6 << 20
_MIN_EVENTS = 256
_rev = attrgetter("rev")

#: (path of the field, value): ("spec.nodeName", "node-1").
Topic = tuple[str, str]


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
    _objects: list[Any] | None = None

    def objects(self) -> Iterator[Any]:
        """The object after the event, and the one before it if there was one. Raises ValueError."""
        if self._objects is None:
            self._objects = [orjson.loads(value) for value in (self.value, self.prev) if value is not None]
        return iter(self._objects)

    def forget_objects(self) -> None:
        """The ring keeps bytes alone."""
        self._objects = None

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
        self._topics: dict[str, dict[str, set[_TopicFeed]]] = {}

    def push(self, event: Event) -> None:
        self._events.append(event)
        self._bytes += len(event.value)
        for field, feeds in self._topics.items():
            for value in _values(event, field, feeds):
                for feed in feeds.get(value, ()):
                    feed.note(event.rev)
        event.forget_objects()
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

    def at(self, rev: int) -> Event | None:
        """The event of that very revision, if it is kept."""
        place = bisect_left(self._events, rev, key=_rev)
        found = self._events[place] if place < len(self._events) else None
        return found if found is not None and found.rev == rev else None

    def feed(self, rev: int, topic: Topic | None = None) -> Feed:
        """The events after ``rev``; of those that come from now on, the ones of ``topic``. Raises Compacted."""
        if topic is None:
            return _WholeFeed(self, rev)
        return _TopicFeed(self, topic, [event.rev for event in self.since(rev)])

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


class Feed(Protocol):
    """The events that one reader has not taken yet."""

    def take(self, most: int, committed: int) -> list[Event]:
        """Up to ``most`` events, oldest first. ``committed``: the revision up to which the ring is complete.
        Raises Compacted."""

    async def wait(self, timeout: float) -> None:
        """Until there may be events to take, or ``timeout`` seconds have passed. Call ``take`` first."""

    def close(self) -> None:
        """The reader has gone."""


class _WholeFeed:
    """Every event of the resource."""

    def __init__(self, ring: Ring, rev: int) -> None:
        self._ring, self._cursor = ring, rev

    def take(self, most: int, committed: int) -> list[Event]:
        events = self._ring.since(self._cursor, most)
        self._cursor = events[-1].rev if events else max(self._cursor, committed)
        return events

    async def wait(self, timeout: float) -> None:
        await self._ring.wait(timeout)

    def close(self) -> None:
        pass


class _TopicFeed:
    """The events of one topic: their revisions, of which each is looked up in the ring when it is taken."""

    def __init__(self, ring: Ring, topic: Topic, revs: list[int]) -> None:
        self._ring, self._topic = ring, topic
        self._revs = deque(revs)
        self._woken = asyncio.Event()
        field, value = topic
        ring._topics.setdefault(field, {}).setdefault(value, set()).add(self)

    def note(self, rev: int) -> None:
        if not self._behind():  # a feed that is behind ends: it grows no further
            self._revs.append(rev)
        self._woken.set()

    def _behind(self) -> bool:
        return bool(self._revs) and self._revs[0] <= self._ring.floor

    def take(self, most: int, committed: int) -> list[Event]:
        self._woken.clear()
        if self._behind():
            raise Compacted(self._revs[0] - 1, self._ring.floor)
        revs = [self._revs.popleft() for _ in range(min(most, len(self._revs)))]
        return [event for event in map(self._ring.at, revs) if event is not None]

    async def wait(self, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._woken.wait()

    def close(self) -> None:
        field, value = self._topic
        feeds = self._ring._topics[field]
        feeds[value].discard(self)
        if not feeds[value]:
            del feeds[value]
        if not feeds:
            del self._ring._topics[field]


def _values(event: Event, field: str, feeds: dict[str, set[_TopicFeed]]) -> set[str]:
    """The values of a field before and after the event. All that are asked for where an object cannot be read."""
    if field == "metadata.namespace":
        return {event.key[1]}
    if field == "metadata.name":
        return {event.key[2]}
    try:
        return {_lookup(obj, field) for obj in event.objects()}
    except (ValueError, AttributeError):
        return set(feeds)


def _lookup(obj: Any, field: str) -> str:
    for key in field.split("."):
        obj = (obj or {}).get(key)
    return str(obj or "")
