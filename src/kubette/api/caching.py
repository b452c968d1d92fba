"""Caches whose entries and bytes are both bounded: their keys come from requests, which may carry megabytes."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache, wraps
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")


def footprint(texts: Iterable[str]) -> int:
    """Bytes of memory that the strings take."""
    return sum(map(sys.getsizeof, texts))


class Cache(Generic[K, V]):
    """Keeps the entries that were used last: at most ``entries`` of them and ``total`` bytes, none above ``each``."""

    def __init__(self, entries: int, total: int, each: int) -> None:
        self._entries, self._total, self._each = entries, total, each
        self._items: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K) -> V | None:
        found = self._items.get(key)
        if found is None:
            return None
        self._items.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep ``value``, which takes ``size`` bytes with its key, unless that is more than an entry may take."""
        if size > self._each:
            return
        if old := self._items.pop(key, None):
            self.bytes -= old[1]
        self._items[key] = (value, size)
        self.bytes += size
        while len(self._items) > self._entries or self.bytes > self._total:
            self.bytes -= self._items.popitem(last=False)[1][1]

    def clear(self) -> None:
        self._items.clear()
        self.bytes = 0


def cached_short(entries: int, longest: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """``functools.lru_cache`` for a function of one text. The result for a text longer than ``longest`` is not kept."""

    def decorate(function: Callable[[str], T]) -> Callable[[str], T]:
        kept = lru_cache(entries)(function)

        @wraps(function)
        def call(text: str) -> T:
            return kept(text) if len(text) <= longest else function(text)

        return call

    return decorate
