"""The datastore: two views, one order of events, and nothing acknowledged that a kill -9 can take away."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from kubette.store.log import Record, StoreError
from kubette.store.ring import Compacted
from kubette.store.sqlite import SqliteLog
from kubette.store.state import Store

POD = ("pods", "default", "a")


def _encode(text: str):  # type: ignore[no-untyped-def]
    return lambda rev: f'{{"rev":{rev},"text":"{text}"}}'.encode()


async def _open(path: Path) -> Store:
    store = Store(SqliteLog(path))
    await store.start()
    return store


async def test_head_sees_a_write_at_once_and_readers_only_when_it_is_on_disk(tmp_path: Path) -> None:
    store = await _open(tmp_path / "state.db")
    first = store.put(POD, _encode("one"))
    assert store.get(*POD) is None
    head = store.head(*POD)
    assert head is not None and head.value == b'{"rev":1,"text":"one"}'
    second = store.put(POD, _encode("two"))
    assert await asyncio.gather(first, second) == [1, 2]
    entry = store.get(*POD)
    assert entry is not None and entry.rev == 2
    store.close()


async def test_a_watch_reads_every_event_in_order_and_is_told_when_it_is_too_late(tmp_path: Path) -> None:
    store = await _open(tmp_path / "state.db")
    await store.put(POD, _encode("one"))
    await store.put(POD, _encode("two"))
    await store.delete(POD, _encode("last"))
    ring = store.ring("pods")
    assert [(e.rev, e.type) for e in ring.since(0)] == [(1, "ADDED"), (2, "MODIFIED"), (3, "DELETED")]
    assert ring.since(2)[0].line == b'{"type":"DELETED","object":{"rev":3,"text":"last"}}\n'
    assert [e.value for _, e in store.items_at("pods", None, 2)] == [b'{"rev":2,"text":"two"}']
    store.compact(2)
    assert [e.rev for e in ring.since(2)] == [3]
    with pytest.raises(Compacted, match=r"too old resource version: 1 \(2\)"):
        ring.since(1)
    store.close()


async def test_a_restart_keeps_objects_and_the_revision(tmp_path: Path) -> None:
    store = await _open(tmp_path / "state.db")
    await store.put(POD, _encode("one"))
    await store.put(("pods", "x", "b"), _encode("other"))
    await store.delete(("pods", "x", "b"), _encode("other"))
    store.compact(3)
    store.close()
    again = await _open(tmp_path / "state.db")
    assert again.rev == 3
    assert [e.value for e in again.list("pods")] == [b'{"rev":1,"text":"one"}']
    assert await again.put(POD, _encode("two")) == 4
    again.close()


class _FullDisk:
    """A log that refuses its first batch: the shape of a full disk."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def load(self):  # type: ignore[no-untyped-def]
        return iter(())

    def start(self, done) -> None:  # type: ignore[no-untyped-def]
        self.done = done

    def append(self, record: Record) -> None:
        self.records.append(record)

    def discard(self, revisions: Sequence[int]) -> None: ...
    def close(self) -> None: ...


async def test_a_refused_batch_fails_every_write_that_built_on_it_and_changes_nothing() -> None:
    log = _FullDisk()
    store = Store(log)
    await store.start()
    writes = [store.put(POD, _encode("one")), store.put(POD, _encode("two"))]
    log.done(log.records, StoreError("disk full"))
    for write in writes:
        with pytest.raises(StoreError, match="disk full"):
            await write
    assert store.head(*POD) is None and store.get(*POD) is None


_WRITER = """
import asyncio, sys
from pathlib import Path
from kubette.store.sqlite import SqliteLog
from kubette.store.state import Store

async def one(store, i, n):
    rev = await store.put(("pods", "ns", f"w{i}"), lambda rev: b"%d %d" % (rev, n))
    sys.stdout.write(f"{i} {n} {rev}\\n")
    sys.stdout.flush()

async def main():
    store = Store(SqliteLog(Path(sys.argv[1])))
    await store.start()
    n = 0
    while True:
        n += 1
        await asyncio.gather(*(one(store, i, n) for i in range(8)))

asyncio.run(main())
"""


def test_kill_9_in_a_loop_loses_no_acknowledged_write(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    newest = 0
    for round_ in range(5):
        child = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        acknowledged: dict[str, tuple[int, int]] = {}
        for line in child.stdout:
            name, n, rev = line.split()
            acknowledged["w" + name] = (int(rev), int(n))
            if len(acknowledged) == 8 and int(n) > 10 + 7 * round_:
                os.kill(child.pid, signal.SIGKILL)
                break
        for line in child.stdout:
            if line.endswith("\n") and len(line.split()) == 3:
                name, n, rev = line.split()
                acknowledged["w" + name] = (int(rev), int(n))
        child.wait()
        child.stdout.close()
        newest = asyncio.run(_survived(path, acknowledged, newest))


async def _survived(path: Path, acknowledged: dict[str, tuple[int, int]], newest: int) -> int:
    store = await _open(path)
    for name, (rev, n) in acknowledged.items():
        entry = store.get("pods", "ns", name)
        assert entry is not None and entry.rev >= rev, f"{name}: {rev} was acknowledged and is lost"
        if entry.rev == rev:
            assert entry.value == b"%d %d" % (rev, n), "half applied"
    assert store.rev > newest
    store.close()
    return store.rev
