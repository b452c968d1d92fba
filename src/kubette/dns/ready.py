"""Ready answers: the bytes of a query after its ID → the bytes of the answer after its ID. The hot path of the server.

Any pod may ask anything, so the store is bounded in bytes, drops the oldest answer first, and takes only queries in
their plain form (``is_plain``): a client that varies its EDNS options, flags or letter case gets its answers without a
place here. No I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeAlias

from kubette.dns import wire

Ready: TypeAlias = bytes | deque[bytes]  # a deque: answers that differ in the order of their records

MAX_BYTES = 16 << 20
_OPT_SIZE = 11  # of an OPT record without options
_ENTRY_OVERHEAD = 512  # of Python's own objects, measured: dict entries, key, tuple


class ReadyAnswers:
    """``get`` is the look-up of the hot path. ``size``: bytes that are held."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.size = 0
        self._max_bytes = max_bytes
        self._answers: dict[bytes, Ready] = {}  # oldest first
        self._owners: dict[bytes, tuple[bytes, int]] = {}  # key → its name in lower case, and its size
        self._keys: dict[bytes, set[bytes]] = {}  # name → its keys
        self.get = self._answers.get

    def __len__(self) -> int:
        return len(self._answers)

    def put(self, key: bytes, name: bytes, answer: Ready) -> None:
        """Keep an answer; drop the oldest while there are too many bytes."""
        self._drop(key)
        messages = (answer,) if isinstance(answer, bytes) else answer
        size = _ENTRY_OVERHEAD + len(key) + len(name) + sum(map(len, messages))
        self._answers[key] = answer
        self._owners[key] = name, size
        self._keys.setdefault(name, set()).add(key)
        self.size += size
        while self.size > self._max_bytes:
            self._drop(next(iter(self._answers)))

    def forget(self, names: Iterable[bytes]) -> None:
        """Drop the answers of these names."""
        for name in names:
            for key in list(self._keys.get(name, ())):
                self._drop(key)

    def clear(self) -> None:
        """Drop every answer."""
        self._answers.clear()
        self._owners.clear()
        self._keys.clear()
        self.size = 0

    def _drop(self, key: bytes) -> None:
        if self._answers.pop(key, None) is None:
            return
        name, size = self._owners.pop(key)
        self.size -= size
        keys = self._keys[name]
        keys.discard(key)
        if not keys:
            del self._keys[name]


def is_plain(data: bytes, query: wire.Query) -> bool:
    """Whether the message is its question, in lower case, and at most an OPT record without options."""
    if query.flags & ~(wire.RD | wire.AD) or query.question[: len(query.name)] != query.name:
        return False
    return len(data) == 12 + len(query.question) + (_OPT_SIZE if query.edns else 0)
