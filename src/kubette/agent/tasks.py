"""Background tasks with one owner: every task has a name and an owner, and none outlives it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

_PAUSE = 0.5  # seconds after a task that failed unexpectedly, before ``ended`` is called


class Tasks:
    """``owner``: for task names and the log; ``ended``: called whenever a task has ended, however it did."""

    def __init__(self, owner: str, ended: Callable[[], None] = lambda: None) -> None:
        self._owner = owner
        self._ended = ended
        self._newest: dict[str, asyncio.Task[None]] = {}
        self._all: set[asyncio.Task[None]] = set()  # also those that are being cancelled

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work``, and cancel a running task of the same name."""
        self.cancel(name)
        task = asyncio.create_task(self._run(name, work), name=f"{name} {self._owner}")
        task.add_done_callback(lambda _: work.close())  # a task may be cancelled before its first step
        task.add_done_callback(self._all.discard)
        self._newest[name] = task
        self._all.add(task)

    async def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("%s: %s", self._owner, name)
            await asyncio.sleep(_PAUSE)
        finally:
            self._ended()

    def running(self, name: str) -> bool:
        return name in self._newest and not self._newest[name].done()

    def cancel(self, *names: str) -> list[asyncio.Task[None]]:
        """Cancel these tasks without waiting for their end."""
        found = [task for name in names if (task := self._newest.pop(name, None)) is not None]
        for task in found:
            task.cancel()
        return found

    async def stop(self, *names: str) -> None:
        """Cancel these tasks and wait for their end."""
        await _ended(self.cancel(*names))

    async def close(self) -> None:
        """Cancel every task and wait for the end of all."""
        self.cancel(*self._newest)
        await _ended(list(self._all))


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks)


async def uninterrupted(work: Coroutine[Any, Any, T], name: str) -> T:
    """Await ``work`` to its end even if the caller is cancelled meanwhile; the cancellation is raised afterwards."""
    task = asyncio.create_task(work, name=name)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # the cancellation takes precedence over a failure
        raise cancelled
    return task.result()
