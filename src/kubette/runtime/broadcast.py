"""IDs told to whoever listens: hints that something has ended, of which some may be missed and none is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class Broadcast:
    """What is told while nobody listens is lost."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str]] = set()

    def tell(self, identity: str) -> None:
        for queue in self._listeners:
            queue.put_nowait(identity)

    async def listen(self) -> AsyncIterator[str]:
        """Everything that is told from the first step on."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)
