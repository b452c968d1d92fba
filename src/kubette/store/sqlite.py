"""The log in one SQLite file: a writer thread that commits whatever has queued up, then acknowledges.

WAL with ``synchronous=FULL``: a commit returns after fsync, so an acknowledged record survives kill -9
and power loss. Many concurrent writes share one fsync (group commit). Nothing here knows Kubernetes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kubette.store.log import Record, StoreError

_BATCH = 2000
_LOCK_SECONDS = 2.0  # a server that is just ending lets go of the file within this
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
  rev INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  value BLOB NOT NULL, deleted INTEGER NOT NULL, prev INTEGER NOT NULL)
"""
_INSERT = "INSERT INTO log VALUES (?,?,?,?,?,?,?)"
_Done = Callable[[Sequence[Record], Exception | None], None]


class SqliteLog:
    """A ``Log`` in the file at ``path`` (made with its directory when missing).

    A file beside it remembers that the database has held records: a missing or empty one is then an error. Otherwise
    the API server would serve an empty cluster, and every node would end its pods."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._mark = path.with_name(f"{path.name}.filled")
        self._marked = self._mark.exists()
        if self._marked and not (path.exists() and path.stat().st_size):
            raise self._lost()
        try:
            # For its owner alone: there are Secrets in it. What SQLite writes beside it is like it.
            # (Only ever made here, not opened: to close a file gives up SQLite's locks on it.)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False)
            # Two servers on one file would each write over what the other has in memory.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA cache_size=-1024")
            self._db.execute(_SCHEMA)
            if self._marked and self._db.execute("SELECT 1 FROM log LIMIT 1").fetchone() is None:
                self._db.close()
                raise self._lost()
        except (OSError, sqlite3.Error) as e:
            raise self._error(e) from e
        # A refused batch ends an epoch: what was appended in it may build on what was refused.
        self._epoch = 0
        self._queue: queue.SimpleQueue[tuple[int, Record] | list[int] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def load(self) -> Iterator[Record]:
        try:
            rows = self._db.execute("SELECT rev,resource,namespace,name,value,deleted,prev FROM log ORDER BY rev")
            for rev, resource, namespace, name, value, deleted, prev in rows:
                yield Record(rev, (resource, namespace, name), value, bool(deleted), prev)
        except sqlite3.Error as e:
            raise self._error(e) from e

    def start(self, done: _Done) -> None:
        loop = asyncio.get_running_loop()

        def report(batch: Sequence[Record], epoch: int, error: Exception | None) -> None:
            if error is not None:
                self._epoch = epoch + 1
            done(batch, error)

        def deliver(batch: Sequence[Record], epoch: int, error: Exception | None) -> None:
            try:
                loop.call_soon_threadsafe(report, batch, epoch, error)
            except RuntimeError:  # the loop is closed: nobody waits for the answer
                pass

        self._thread = threading.Thread(target=self._write, args=(deliver,), name="store-writer", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> None:
        self._queue.put((self._epoch, record))

    def discard(self, revisions: Sequence[int]) -> None:
        self._queue.put(list(revisions))

    def close(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._db.close()

    def _write(self, done: Callable[[Sequence[Record], int, Exception | None], None]) -> None:
        running = True
        refused = -1
        while running:
            batch: list[Record] = []
            garbage: list[int] = []
            epoch = 0
            item = self._queue.get()
            while True:
                if item is None:
                    running = False
                elif isinstance(item, tuple):
                    epoch, record = item
                    if epoch > refused:
                        batch.append(record)
                else:
                    garbage.extend(item)
                if len(batch) >= _BATCH or not running:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            error = self._commit(batch, garbage)
            if batch and error is None and not self._marked:
                self._write_mark()
            if batch:
                if error is not None:
                    refused = epoch
                done(batch, epoch, error)

    def _commit(self, batch: list[Record], garbage: list[int]) -> Exception | None:
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
            error = self._error(e)
            error.__cause__ = e
            return error
        return None

    def _write_mark(self) -> None:
        """Tried again after the next commit where there is no room."""
        with contextlib.suppress(OSError):
            with self._mark.open("w") as file:
                file.write("The database beside this file has held records.\n")
                file.flush()
                os.fsync(file.fileno())
            self._marked = True

    def _lost(self) -> StoreError:
        return StoreError(
            f"{self._path}: the database was here and is missing or empty. Put back a copy of it, or delete "
            f"{self._mark} to begin with an empty cluster"
        )

    def _error(self, cause: Exception) -> StoreError:
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        return StoreError(f"{self._path}: {'another process has it open' if code == sqlite3.SQLITE_BUSY else cause}")
