"""What a controller has written but not yet seen: until it has, it must not count again.

An informer lags behind its own process' writes. Creations are counted before they are sent and ticked off
as pods appear; deletions are remembered by uid. What does not show up within a minute is forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

_PATIENCE = 60.0  # seconds


@dataclass(slots=True)
class _Open:
    creations: int = 0
    deletions: set[str] = field(default_factory=set)
    since: float = 0.0


class Expectations:
    """By controller key. ``satisfied`` says whether the informer has caught up."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[Hashable, _Open] = {}

    def satisfied(self, key: Hashable) -> bool:
        row = self._open.get(key)
        if row is None:
            return True
        if (row.creations > 0 or row.deletions) and self._clock() - row.since < _PATIENCE:
            return False
        del self._open[key]
        return True

    def expect_creations(self, key: Hashable, count: int) -> None:
        self._row(key).creations += count

    def expect_deletion(self, key: Hashable, uid: str) -> None:
        self._row(key).deletions.add(uid)

    def created(self, key: Hashable, count: int = 1) -> None:
        """One was seen, or will never be: its creation failed."""
        if (row := self._open.get(key)) is not None:
            row.creations -= count

    def deleted(self, key: Hashable, uid: str) -> None:
        if (row := self._open.get(key)) is not None:
            row.deletions.discard(uid)

    def forget(self, key: Hashable) -> None:
        self._open.pop(key, None)

    def _row(self, key: Hashable) -> _Open:
        row = self._open.setdefault(key, _Open())
        row.since = self._clock()
        return row
