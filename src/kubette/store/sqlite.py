"""The log in one SQLite file: a writer thread that commits whatever has queued up, then acknowledges.

WAL with ``synchronous=FULL``: a commit returns after fsync, so an acknowledged record survives kill -9
and power loss. Many concurrent writes share one fsync (group commit). Nothing here knows Kubernetes.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kubette.store.log import Record, StoreError

_BATCH = 2000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
  rev INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  value BLOB NOT NULL, deleted INTEGER NOT NULL, prev INTEGER NOT NULL)
"""
_INSERT = "INSERT INTO log VALUES (?,?,?,?,?,?,?)"
_Done = Callable[[Sequence[Record], Exception | None], None]


class SqliteLog:
    """A ``Log`` in the file at ``path`` (made with its directory when missing)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA cache_size=-1024")
            self._db.execute(_SCHEMA)
        except sqlite3.Error as e:
            raise StoreError(f"{path}: {e}") from e
        self._queue: queue.SimpleQueue[Record | Sequence[int] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._failed = 0  # batches refused since start; the loop has seen `_seen` of them
        self._seen = 0

    def load(self) -> Iterator[Record]:
        rows = self._db.execute("SELECT rev,resource,namespace,name,value,deleted,prev FROM log ORDER BY rev")
        for rev, resource, namespace, name, value, deleted, prev in rows:
            yield Record(rev, (resource, namespace, name), value, bool(deleted), prev)

    def start(self, done: _Done) -> None:
        loop = asyncio.get_running_loop()

        def report(batch: Sequence[Record], error: Exception | None) -> None:
            if error is not None:
                with self._lock:
                    self._seen += 1
            done(batch, error)

        def deliver(batch: Sequence[Record], error: Exception | None) -> None:
            try:
                loop.call_soon_threadsafe(report, batch, error)
            except RuntimeError:  # the loop is closed: nobody waits for the answer
                pass

        self._thread = threading.Thread(target=self._write, args=(deliver,), name="store-writer", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> None:
        self._queue.put(record)

    def discard(self, revisions: Sequence[int]) -> None:
        self._queue.put(revisions)

    def close(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._db.close()

    def _write(self, done: _Done) -> None:
        running = True
        while running:
            batch: list[Record] = []
            garbage: list[int] = []
            item = self._queue.get()
            while True:
                if item is None:
                    running = False
                elif isinstance(item, Record):
                    batch.append(item)
                else:
                    garbage.extend(item)
                if len(batch) >= _BATCH or not running:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            error = self._commit(batch, garbage)
            if batch:
                done(batch, error)

    def _commit(self, batch: list[Record], garbage: list[int]) -> Exception | None:
        with self._lock:
            if self._failed != self._seen:
                # Records appended before the loop learned of a refused batch may build on it.
                self._failed += bool(batch)
                return StoreError("an earlier write failed")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                if batch:
                    self._db.executemany(
                        _INSERT, [(r.rev, *r.key, r.value, int(r.deleted), r.prev) for r in batch]
                    )
                if garbage:
                    self._db.executemany("DELETE FROM log WHERE rev=?", [(rev,) for rev in garbage])
                self._db.execute("COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as e:
            with self._lock:
                self._failed += bool(batch)
            error = StoreError(f"{self._path}: {e}")
            error.__cause__ = e
            return error
        return None
