"""A work queue: one sequential worker a key, several keys at once, failures retried with growing delay.

A key added while it is being worked on runs once more afterwards; added twice before, it runs once. It
holds no task and no timer for idle keys.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from kubette.api import errors

K = TypeVar("K", bound=Hashable)

log = logging.getLogger(__name__)

_FIRST_RETRY, _LAST_RETRY = 0.01, 30.0  # seconds
_DOUBLINGS = 12  # after these the last delay holds; a larger power would overflow some day


def retry_delay(failed: int) -> float:
    """Seconds before the next try of a key that has failed so often before this failure."""
    return min(_FIRST_RETRY * float(2 ** min(failed, _DOUBLINGS)), _LAST_RETRY)


class WorkQueue(Generic[K]):
    """``work(key)`` does the work; a returned number asks to run again after that many seconds."""

    def __init__(self, name: str, work: Callable[[K], Awaitable[float | None]], *, concurrency: int = 8) -> None:
        self.name = name
        self._work = work
        self._free = concurrency
        self._waiting: deque[K] = deque()
        self._queued: set[K] = set()
        self._active: set[K] = set()
        self._again: set[K] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._started = False

    def add(self, key: K) -> None:
        """Run for this key soon."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._waiting.append(key)
            self._pump()

    def add_after(self, key: K, seconds: float) -> None:
        """Run for this key after so long, or earlier if somebody asks; the earliest of several counts."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(max(seconds, 0), self._due, key)

    def start(self) -> None:
        """Begin to work; what was added before has waited."""
        self._started = True
        self._pump()

    async def stop(self) -> None:
        self._started = False
        for timer in self._timers.values():
            timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def idle(self) -> bool:
        return not (self._queued or self._active)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _pump(self) -> None:
        while self._started and self._free and self._waiting:
            key = self._waiting.popleft()
            self._queued.discard(key)
            self._active.add(key)
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._run(key), name=f"{self.name} {key}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, key: K) -> None:
        try:
            after = await self._work(key)
            self._failures.pop(key, None)
            if after is not None:
                self.add_after(key, after)
        except errors.ApiError as error:
            self._retry(key, error)
        except Exception as error:
            log.exception("%s: %s", self.name, key)
            self._retry(key, error)
        finally:
            self._active.discard(key)
            self._free += 1
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            self._pump()

    def _retry(self, key: K, error: Exception) -> None:
        failed = self._failures.get(key, 0)
        self._failures[key] = failed + 1
        delay = retry_delay(failed)
        log.log(
            logging.WARNING if failed > 8 else logging.DEBUG,
            "%s: %s: %s; again in %.2f s",
            self.name,
            key,
            error,
            delay,
        )
        self.add_after(key, delay)
