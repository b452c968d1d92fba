"""The tasks beside one worker: none without an owner, at most one of a name, and each wakes the worker when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)

_PAUSE = 0.5  # seconds after one that failed, before the worker looks again


class Jobs:
    """``pod_words``: whose they are, for the log; ``poke``: called as each ends."""

    def __init__(self, pod_words: str, poke: Callable[[], None]) -> None:
        self._words = pod_words
        self._poke = poke
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """In the place of one of that name, which is cancelled."""
        if name in self._tasks:
            self._tasks[name].cancel()
        task = asyncio.create_task(self._run(name, work), name=f"{name}-{self._words}")
        task.add_done_callback(lambda _: work.close())  # one that was cancelled before it began
        self._tasks[name] = task

    async def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("pod %s: %s", self._words, name)
            await asyncio.sleep(_PAUSE)
        finally:
            self._poke()

    def busy(self, name: str) -> bool:
        return name in self._tasks and not self._tasks[name].done()

    async def cancel(self, *names: str) -> None:
        """Returns when they have ended."""
        found = [task for name in names if (task := self._tasks.pop(name, None)) is not None]
        for task in found:
            task.cancel()
        await asyncio.gather(*found, return_exceptions=True)

    async def close(self) -> None:
        await self.cancel(*self._tasks)
