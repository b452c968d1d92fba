"""What a disk and other people do to the datastore: a clear error, and nothing acknowledged that is not there."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kubette.api.errors import InternalError
from kubette.api.kinds import resource
from kubette.apiserver import bootstrap, writes
from kubette.apiserver.objects import Objects
from kubette.store import SqliteLog, Store, StoreError

KEY = ("pods", "default", "a")


async def filled(path: Path) -> int:
    store = Store(SqliteLog(path))
    await store.start()
    for n in range(200):
        await store.put(("pods", "default", f"p{n}"), lambda rev: b"x" * 2000)
    store.close()
    return store.rev


def child(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run([sys.executable, "-c", code, str(path)], env=env, capture_output=True, text=True)


async def test_one_process_has_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(SqliteLog(path))
    await store.start()
    await store.put(KEY, lambda rev: b"1")
    other = "import sys; from pathlib import Path; from kubette.store import SqliteLog; SqliteLog(Path(sys.argv[1]))"
    second = await asyncio.to_thread(child, other, path)
    assert second.returncode and f"StoreError: {path}: another process has it open" in second.stderr
    assert await store.put(KEY, lambda rev: b"2") == 2
    store.close()
    SqliteLog(path).close()


@pytest.mark.parametrize("damage", ["overwritten", "cut short", "something else"])
async def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state.db"
    await filled(path)
    data = path.read_bytes()
    path.write_bytes({
        "overwritten": data[:20_000] + b"\xa5" * 20_000 + data[40_000:], "cut short": data[: len(data) // 2],
        "something else": b"garbage " * 10_000,
    }[damage])  # fmt: skip
    with pytest.raises(StoreError, match=f"{path}: .*(malformed|not a database)"):
        await Store(SqliteLog(path)).start()


_ON_A_SMALL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from kubette.store import SqliteLog, Store, StoreError
async def main():
    store = Store(SqliteLog(Path(sys.argv[1])))
    await store.start()
    async def write(n):
        try:
            await store.put(("pods", "default", f"p{n}"), lambda rev: b"x" * 5000)
        except StoreError:
            return 1
        print(n, flush=True)
        return 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    refused = sum([sum(await asyncio.gather(*(write(10 * i + j) for j in range(10)))) for i in range(30)])
    assert refused > 100, refused
    failure = store.failure
    assert failure and sys.argv[1] in failure, failure
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert await write(1000) == 0, "there is room again"
    assert store.failure is None
    assert all(store.get("pods", "default", f"p{n}") == store.head("pods", "default", f"p{n}") for n in range(300))
    store.close()
asyncio.run(main())
"""


async def test_a_full_disk_refuses_and_acknowledges_nothing_that_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    ran = await asyncio.to_thread(child, _ON_A_SMALL_DISK, path)
    assert ran.returncode == 0, ran.stderr
    store = Store(SqliteLog(path))
    await store.start()
    acknowledged = {f"p{n}" for n in ran.stdout.split()}
    assert {name for (_, name), _ in store.items("pods")} == acknowledged
    assert 10 < len(acknowledged) < 200
    store.close()


@pytest.mark.parametrize("loss", ["missing", "empty", "without records"])
async def test_a_database_that_was_there_is_not_begun_anew(tmp_path: Path, loss: str) -> None:
    path = tmp_path / "state.db"
    await filled(path)
    if loss == "without records":
        db = sqlite3.connect(path)
        db.execute("DELETE FROM log")
        db.commit()
        db.close()
    else:
        for file in tmp_path.glob("state.db*"):
            if file.name != "state.db.filled":
                file.unlink()
        if loss == "empty":
            path.touch()
    for _ in range(2):  # the first refusal changes nothing
        with pytest.raises(StoreError, match=f"was here and is missing or empty.*delete {path}.filled"):
            SqliteLog(path)
    assert path.exists() == (loss != "missing")
    (tmp_path / "state.db.filled").unlink()
    assert await filled(path) == 200


async def test_a_database_that_never_held_a_record_may_go(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    SqliteLog(path).close()
    path.unlink()
    assert await filled(path) == 200


async def test_reads_go_on_while_the_disk_is_full_and_writes_when_there_is_room(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "state.db")
    store = Store(log)
    await store.start()
    await store.put(KEY, lambda rev: b"1")
    log._db.execute("PRAGMA max_page_count=3")
    with pytest.raises(StoreError, match="database or disk is full"):
        await store.put(KEY, lambda rev: b"x" * 50_000)
    entry = store.get(*KEY)
    assert entry is not None and entry.value == b"1" and store.head(*KEY) == entry
    log._db.execute("PRAGMA max_page_count=100000")
    await store.put(KEY, lambda rev: b"x" * 50_000)
    assert store.failure is None
    store.close()


async def test_a_full_disk_is_an_answer_of_the_api(tmp_path: Path) -> None:
    """As of etcd without space: an InternalError that says why; nothing ends."""
    log = SqliteLog(tmp_path / "state.db")
    objects = Objects(Store(log))
    await objects.store.start()
    kind = resource("configmaps")

    def write(name: str, size: int) -> writes.Written:
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "x" * size}}
        return writes.create(objects, kind, "default", obj, bootstrap.context(objects))

    await write("a", 1).finish()
    log._db.execute("PRAGMA max_page_count=3")
    with pytest.raises(InternalError, match=r"datastore: .*database or disk is full"):
        await write("b", 50_000).finish()
    assert objects.get(kind, "default", "b") is None and objects.get(kind, "default", "a") is not None
    log._db.execute("PRAGMA max_page_count=100000")
    await write("b", 50_000).finish()
    objects.store.close()


async def test_a_write_that_changes_nothing_waits_for_the_one_that_it_shows(tmp_path: Path) -> None:
    objects = Objects(Store(SqliteLog(tmp_path / "state.db")))
    await objects.store.start()
    kind = resource("configmaps")
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    ctx = bootstrap.context(objects)
    first = writes.create(objects, kind, "default", obj, ctx)
    same = writes.update(objects, kind, "default", "a", lambda old: old, ctx)
    answer = asyncio.create_task(same.finish(), name="no-op")
    await asyncio.sleep(0)
    assert not answer.done() and objects.store.get("configmaps", "default", "a") is None
    shown = await answer
    entry = objects.store.get("configmaps", "default", "a")
    assert entry is not None and entry.value == shown == await first.finish()
    objects.store.close()
