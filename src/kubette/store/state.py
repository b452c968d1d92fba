"""All current objects in memory, over a durable log: the one write path and the one watch path.

There are two views. *Committed* is what is on disk: GET, LIST and watches read it. *Head* is committed
plus what has been appended and not yet acknowledged: writers read it, so that the next write of a key
builds on the last. Everything runs on one event loop; a read of head followed by ``put`` with no await
between is atomic, which is all the concurrency control there is.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kubette.store.log import Key, Log, Record
from kubette.store.ring import Event, Ring

#: Seconds for which history stays, at least; upstream's etcd compaction interval.
HISTORY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An object's JSON bytes and the revision that wrote them (its resourceVersion)."""

    rev: int
    value: bytes


class _Table:
    """The committed objects of one resource by namespace and name, with its ring of events."""

    __slots__ = ("_order", "ring", "spaces", "version")

    def __init__(self, floor: int) -> None:
        self.spaces: dict[str, dict[str, Entry]] = {}
        self.ring = Ring(floor)
        self.version = 0
        self._order: dict[str | None, list[tuple[str, str]]] = {}

    def apply(self, record: Record) -> Entry | None:
        _, namespace, name = record.key
        space = self.spaces.setdefault(namespace, {})
        old = space.get(name)
        self.version = record.rev
        if record.deleted:
            space.pop(name, None)
            if not space:
                del self.spaces[namespace]
        else:
            space[name] = Entry(record.rev, record.value)
        if record.deleted or old is None:
            self._order.pop(None, None)
            self._order.pop(namespace, None)
        return old

    def order(self, namespace: str | None) -> list[tuple[str, str]]:
        """(namespace, name) pairs in upstream's key order; the list is shared: do not change it."""
        keys = self._order.get(namespace)
        if keys is None:
            if namespace is None:
                keys = sorted((ns, name) for ns, space in self.spaces.items() for name in space)
            else:
                keys = [(namespace, name) for name in sorted(self.spaces.get(namespace, ()))]
            self._order[namespace] = keys
        return keys


class Store:
    """The datastore as the API server sees it. ``await start()`` before use, ``close()`` after."""

    def __init__(
        self, log: Log, clock: Callable[[], float] = time.monotonic, sound: Callable[[Key, bytes], bool] | None = None
    ) -> None:
        """``sound``: whether a loaded value can be read. One that cannot is set aside in ``damaged``, with its
        revision; writing or deleting its key removes it."""
        self._log = log
        self._sound = sound
        self.damaged: dict[Key, int] = {}
        self._clock = clock
        self._tables: dict[str, _Table] = {}
        self._pending: dict[Key, Entry | None] = {}
        self._pending_rev: dict[Key, int] = {}
        self._waiters: dict[int, asyncio.Future[int]] = {}
        self._garbage: deque[tuple[int, int]] = deque()  # (from this compaction on, this revision)
        self._marks: deque[tuple[float, int]] = deque()  # (time, committed revision then)
        self._head_rev = 0
        self.rev = 0  # committed
        self.floor = 0  # compacted up to here
        self.failure: str | None = None  # why the last write was refused

    async def start(self) -> None:
        """Load the log and begin to write. History before the start is not kept for watches."""
        for record in self._log.load():
            self._table(record.key[0]).apply(record)
            self._note_garbage(record)
            self.rev = record.rev
        self._set_damaged_aside()
        self._head_rev = self.floor = self.rev
        for table in self._tables.values():
            table.ring.compact(self.rev)
        self._log.start(self._committed)

    def close(self) -> None:
        self._log.close()

    def _set_damaged_aside(self) -> None:
        if self._sound is None:
            return
        for resource, table in self._tables.items():
            for (namespace, name), entry in list(self.items(resource)):
                key = (resource, namespace, name)
                if not self._sound(key, entry.value):
                    self.damaged[key] = entry.rev
                    version = table.version
                    table.apply(Record(version, key, b"", True, entry.rev))

    # ---- reading: committed

    def get(self, resource: str, namespace: str, name: str) -> Entry | None:
        table = self._tables.get(resource)
        space = table.spaces.get(namespace) if table else None
        return space.get(name) if space else None

    def list(self, resource: str, namespace: str | None = None) -> Sequence[Entry]:
        """Entries in order of namespace and name."""
        table = self._tables.get(resource)
        if table is None:
            return []
        spaces = table.spaces
        return [spaces[ns][name] for ns, name in table.order(namespace)]

    def items(self, resource: str, namespace: str | None = None) -> Sequence[tuple[tuple[str, str], Entry]]:
        """As ``list``, with (namespace, name)."""
        table = self._tables.get(resource)
        if table is None:
            return []
        spaces = table.spaces
        return [(key, spaces[key[0]][key[1]]) for key in table.order(namespace)]

    def items_at(
        self, resource: str, namespace: str | None, rev: int
    ) -> Sequence[tuple[tuple[str, str], Entry]]:
        """``items`` as they were at revision ``rev``. Raises Compacted."""
        table = self._table(resource)
        events = table.ring.since(rev)
        if not events:
            return self.items(resource, namespace)
        then = dict(self.items(resource, namespace))
        for event in reversed(events):
            _, ns, name = event.key
            if namespace is not None and ns != namespace:
                continue
            if event.prev is None:
                then.pop((ns, name), None)
            else:
                then[ns, name] = Entry(event.prev_rev, event.prev)
        return sorted(then.items(), key=lambda item: item[0])

    def count(self, resource: str) -> int:
        table = self._tables.get(resource)
        return sum(map(len, table.spaces.values())) if table else 0

    def version(self, resource: str) -> int:
        """The revision of the newest committed write to the resource: equal means unchanged."""
        table = self._tables.get(resource)
        return table.version if table else 0

    def resources(self) -> Iterator[str]:
        return iter(list(self._tables))

    def ring(self, resource: str) -> Ring:
        """The recent events of a resource: ``ring.since(rev)``, ``await ring.wait(seconds)``."""
        return self._table(resource).ring

    # ---- reading: head

    def head(self, resource: str, namespace: str, name: str) -> Entry | None:
        key = (resource, namespace, name)
        if key in self._pending:
            return self._pending[key]
        return self.get(resource, namespace, name)

    def head_list(self, resource: str, namespace: str | None = None) -> Sequence[Entry]:
        """As ``list``, of head, in no order."""
        pending = {k: v for k, v in self._pending.items() if k[0] == resource and namespace in (None, k[1])}
        if not pending:
            return self.list(resource, namespace)
        committed = self.items(resource, namespace)
        out = [entry for (ns, name), entry in committed if (resource, ns, name) not in pending]
        out.extend(entry for entry in pending.values() if entry is not None)
        return out

    # ---- writing

    def put(self, key: Key, encode: Callable[[int], bytes]) -> asyncio.Future[int]:
        """Append the object that ``encode`` gives for its revision; the future is the revision, on disk."""
        return self._append(key, encode, deleted=False)

    def delete(self, key: Key, encode: Callable[[int], bytes]) -> asyncio.Future[int]:
        """Append a deletion; ``encode`` gives the last state of the object, for watches."""
        return self._append(key, encode, deleted=True)

    def pending(self, rev: int) -> asyncio.Future[int] | None:
        """The future of a write that is not on disk yet; None for one that is."""
        return self._waiters.get(rev)

    def _append(self, key: Key, encode: Callable[[int], bytes], *, deleted: bool) -> asyncio.Future[int]:
        rev = self._head_rev + 1
        value = encode(rev)
        old = self.head(*key)
        self._head_rev = rev
        self._pending[key] = None if deleted else Entry(rev, value)
        self._pending_rev[key] = rev
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiters[rev] = waiter
        self._log.append(Record(rev, key, value, deleted, old.rev if old else self.damaged.get(key, 0)))
        return waiter

    def _committed(self, batch: Sequence[Record], error: Exception | None) -> None:
        self.failure = str(error) if error is not None else None
        if error is not None:
            self._refused(error)
            return
        touched: set[str] = set()
        for record in batch:
            resource = record.key[0]
            touched.add(resource)
            table = self._table(resource)
            self.damaged.pop(record.key, None)
            old = table.apply(record)
            table.ring.push(
                Event(
                    record.rev, record.key, record.value, record.deleted,
                    old.value if old else None, old.rev if old else 0,
                )
            )
            self._note_garbage(record)
            if self._pending_rev.get(record.key) == record.rev:
                del self._pending[record.key], self._pending_rev[record.key]
            self.rev = record.rev
        for record in batch:
            waiter = self._waiters.pop(record.rev, None)
            if waiter is not None and not waiter.done():
                waiter.set_result(record.rev)
        for resource in touched:
            self._tables[resource].ring.wake()

    def _refused(self, error: Exception) -> None:
        """A batch failed: everything pending may build on it, so all of it fails with it."""
        self._pending.clear()
        self._pending_rev.clear()
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters.values():
            if not waiter.done():
                waiter.set_exception(error)
                waiter.exception()  # the client may have left: nobody else reads it

    # ---- history

    def _note_garbage(self, record: Record) -> None:
        if record.prev:
            self._garbage.append((record.rev, record.prev))
        if record.deleted:
            self._garbage.append((record.rev, record.rev))

    def compact(self, rev: int) -> None:
        """Forget history up to ``rev``: watches and lists from before it answer Compacted."""
        rev = min(rev, self.rev)
        victims = []
        while self._garbage and self._garbage[0][0] <= rev:
            victim = self._garbage.popleft()[1]
            # The newest record stays, whatever it is: it holds the revision counter.
            if victim == self.rev:
                self._garbage.appendleft((self.rev + 1, victim))
                break
            victims.append(victim)
        if victims:
            self._log.discard(victims)
        self.floor = max(self.floor, rev)
        for table in self._tables.values():
            table.ring.compact(rev)

    def tick(self) -> None:
        """Call now and then: compacts what is older than HISTORY_SECONDS."""
        now = self._clock()
        self._marks.append((now, self.rev))
        due = 0
        while self._marks and now - self._marks[0][0] >= HISTORY_SECONDS:
            due = self._marks.popleft()[1]
        if due > self.floor:
            self.compact(due)

    def _table(self, resource: str) -> _Table:
        table = self._tables.get(resource)
        if table is None:
            table = self._tables[resource] = _Table(self.floor)
        return table
