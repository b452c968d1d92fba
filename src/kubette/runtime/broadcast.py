"""Publishes IDs to every listener: hints that a container has ended. A hint may be lost, and publishing never waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class Broadcast:
    """An ID that is published while no listener is there is lost."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str]] = set()

    def publish(self, identity: str) -> None:
        for queue in self._listeners:
            queue.put_nowait(identity)

    async def listen(self) -> AsyncIterator[str]:
        """Every ID that is published from the first step on."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)
