"""Pods that wait for a node: those to look at now, by priority, and those that found none.

A pod that found no node is looked at again when something changed that might help the rules that refused it,
no sooner than its back-off allows, and in any case after a while.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from kubette.scheduler.rule import Change

Key = tuple[str, str]

_FIRST_WAIT, _LAST_WAIT = 0.1, 10.0  # seconds between tries of one pod
_LONGEST = 60.0  # a pod is looked at again, come what may


@dataclass(slots=True)
class _Tried:
    count: int = 0
    at: float = 0.0


class PodQueue:
    """``next`` waits for a pod. Adding one that waits already only brings it forward."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str, int, Key]] = []
        self._active: dict[Key, int] = {}  # key → number of its valid heap entry
        self._parked: dict[Key, tuple[int, str]] = {}  # priority, created
        self._helped: dict[Change, set[Key]] = {}  # parked pods by the changes that may help them
        self._tried: dict[Key, _Tried] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._numbers = itertools.count()
        self._ready = asyncio.Event()

    def add(self, key: Key, priority: int, created: str) -> None:
        self._unpark(key)
        number = self._active[key] = next(self._numbers)
        heapq.heappush(self._heap, (-priority, created, number, key))
        self._ready.set()

    def park(
        self, key: Key, priority: int, created: str, helped_by: Iterable[Change] = (), *, retry: bool = False
    ) -> None:
        """The pod found no node. ``helped_by``: the changes after which to try again; ``retry``: try again anyway."""
        tried = self._tried.setdefault(key, _Tried())
        tried.count += 1
        tried.at = asyncio.get_running_loop().time()
        self._parked[key] = priority, created
        for change in helped_by:
            self._helped.setdefault(change, set()).add(key)
        self._wake_at(key, self._earliest(tried) if retry else tried.at + _LONGEST)

    def remove(self, key: Key) -> None:
        """It has a node, or is gone."""
        self._active.pop(key, None)
        self._tried.pop(key, None)
        self._unpark(key)

    def wake(self, change: Change) -> None:
        """Something changed in the cluster: try the pods again that it may help to a node."""
        now = asyncio.get_running_loop().time()
        for key in self._helped.pop(change, ()):
            earliest = self._earliest(self._tried[key])
            if earliest <= now:
                self.add(key, *self._parked[key])
            else:
                self._wake_at(key, earliest)

    async def next(self) -> Key:
        while True:
            while self._heap:
                _, _, number, key = heapq.heappop(self._heap)
                if self._active.get(key) == number:
                    del self._active[key]
                    return key
            self._ready.clear()
            await self._ready.wait()

    def _unpark(self, key: Key) -> None:
        if self._parked.pop(key, None) is not None:
            for keys in self._helped.values():
                keys.discard(key)
        if timer := self._timers.pop(key, None):
            timer.cancel()

    def _earliest(self, tried: _Tried) -> float:
        return tried.at + float(min(_LAST_WAIT, _FIRST_WAIT * 2 ** min(tried.count - 1, 10)))

    def _wake_at(self, key: Key, when: float) -> None:
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= when:
                return
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_at(when, self._due, key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        if key in self._parked:
            self.add(key, *self._parked[key])
