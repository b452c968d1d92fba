"""The store: what was acknowledged stays, what a watcher missed is told apart from what is too old."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from kubette.store import Compacted, Record, SqliteLog, Store, StoreError

POD = ("pods", "default", "a")


def text(s: str) -> Callable[[int], bytes]:
    return lambda rev: f"{s}@{rev}".encode()


async def opened(path: Path) -> Store:
    store = Store(SqliteLog(path / "state.db"))
    await store.start()
    return store


async def test_read_your_write_and_reload(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    first = await store.put(POD, text("one"))
    await store.put(("pods", "other", "b"), text("two"))
    await store.delete(("pods", "other", "b"), text("gone"))
    entry = store.get(*POD)
    assert entry is not None and entry.value == b"one@1" and entry.rev == first == 1
    store.close()
    again = await opened(tmp_path)
    assert again.rev == 3
    assert [e.value for e in again.list("pods")] == [b"one@1"]
    assert await again.put(POD, text("three")) == 4
    with pytest.raises(Compacted):
        again.ring("pods").since(1)
    again.close()


async def test_head_is_ahead_of_committed_until_the_ack(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    ack = store.put(POD, text("one"))
    assert store.get(*POD) is None
    head = store.head(*POD)
    assert head is not None and head.value == b"one@1"
    assert [e.value for e in store.head_list("pods")] == [b"one@1"]
    await ack
    assert store.get(*POD) == store.head(*POD)
    store.close()


async def test_watch_from_a_revision_and_list_at_one(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.put(POD, text("one"))
    ring = store.ring("pods")
    waiting = asyncio.create_task(ring.wait(5), name="watch")
    await asyncio.sleep(0)
    await store.put(POD, text("two"))
    await store.put(("pods", "default", "b"), text("other"))
    await store.delete(POD, text("gone"))
    assert await waiting
    assert [(e.type, e.value) for e in ring.since(0)] == [
        ("ADDED", b"one@1"), ("MODIFIED", b"two@2"), ("ADDED", b"other@3"), ("DELETED", b"gone@4"),
    ]  # fmt: skip
    assert [e.value for _, e in store.items_at("pods", None, 2)] == [b"two@2"]
    assert [e.value for _, e in store.items_at("pods", "default", 3)] == [b"two@2", b"other@3"]
    store.compact(3)
    with pytest.raises(Compacted):
        store.items_at("pods", None, 2)
    assert [e.rev for e in ring.since(3)] == [4]
    store.close()


async def test_compaction_keeps_current_objects_and_the_counter(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    for n in range(20):
        await store.put(("pods", "default", f"p{n % 3}"), text(str(n)))
    rev = await store.delete(("pods", "default", "p0"), text("gone"))
    store.compact(rev)
    await store.put(("pods", "default", "p9"), text("later"))
    store.compact(store.rev)
    store.close()
    log = SqliteLog(tmp_path / "state.db")
    assert len(list(log.load())) <= 4
    log.close()
    again = await opened(tmp_path)
    assert [n for (_, n), _ in again.items("pods")] == ["p1", "p2", "p9"]
    assert again.rev == rev + 1
    again.close()


class FailingLog:
    """A log whose next batch is refused."""

    def __init__(self) -> None:
        self.queued: list[Record] = []

    def load(self) -> Iterator[Record]:
        return iter(())

    def start(self, done: Callable[[Sequence[Record], Exception | None], None]) -> None:
        self.done = done

    def append(self, record: Record) -> None:
        self.queued.append(record)

    def discard(self, revisions: Sequence[int]) -> None: ...

    def close(self) -> None: ...

    def finish(self, error: Exception | None) -> None:
        batch, self.queued = self.queued, []
        self.done(batch, error)


async def test_a_refused_batch_leaves_no_trace() -> None:
    log = FailingLog()
    store = Store(log)
    await store.start()
    ack = store.put(POD, text("one"))
    log.finish(StoreError("disk full"))
    with pytest.raises(StoreError):
        await ack
    assert store.head(*POD) is None
    ack = store.put(POD, text("two"))
    log.finish(None)
    assert await ack == 2 and store.get(*POD) == store.head(*POD)


_WRITER = """
import asyncio, os, sys
from pathlib import Path
from kubette.store import SqliteLog, Store
async def main():
    store = Store(SqliteLog(Path(sys.argv[1])))
    await store.start()
    async def write(n):
        while True:
            key = ("pods", "default", f"w{n}")
            old = store.head(*key)
            count = int(old.value.split()[0]) + 1 if old else 1
            await store.put(key, lambda rev: b"%d " % count + b"x" * 3000)
            os.write(1, b"%d %d\\n" % (n, count))
    await asyncio.gather(*(write(n) for n in range(16)))
asyncio.run(main())
"""


def _spawn(path: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, env=env)


async def test_no_acknowledged_write_is_lost_to_kill_9(tmp_path: Path) -> None:
    """A writer is killed at odd moments, again and again; each time all that it had reported is there."""
    path = tmp_path / "state.db"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    acked: dict[str, int] = {}
    for round_ in range(8):
        child = _spawn(path, env)
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(16 + 37 * round_)]
        child.send_signal(signal.SIGKILL)
        for line in [*lines, *child.stdout.read().splitlines()]:
            if len(parts := line.split()) == 2:
                acked[parts[0].decode()] = int(parts[1])
        child.stdout.close()
        child.wait()
        store = Store(SqliteLog(path))
        await store.start()
        for n, count in acked.items():
            entry = store.get("pods", "default", f"w{n}")
            assert entry is not None and len(entry.value.split()[1]) == 3000
            assert int(entry.value.split()[0]) >= count
        store.close()
    assert len(acked) == 16
