"""The datastore: a revisioned log, the objects in memory, and the broadcast of changes.

Only the API server imports it. ``Store(SqliteLog(path))`` is the embedded default.
"""

from __future__ import annotations

from kubette.store.log import Key, Log, Record, StoreError
from kubette.store.ring import Compacted, Event, Feed, Ring, Topic, encode
from kubette.store.sqlite import SqliteLog
from kubette.store.state import Entry, Store

__all__ = [
    "Compacted", "Entry", "Event", "Feed", "Key", "Log", "Record", "Ring", "SqliteLog", "Store", "StoreError", "Topic",
    "encode",
]  # fmt: skip
