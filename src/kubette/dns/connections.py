"""Accepted TCP connections: each is a task that this owns, and no client can use up the places of the others.

A client has at most ``per_client`` connections. When its places or all places are taken, the connection that has been
idle longest is closed for the new one; where none is idle, the new one is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Connection:
    """``client`` is the peer's address. ``idle_since`` is None while the server works on a request."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    client: str
    idle_since: float | None

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """While the server works on a request, the connection is not closed for another one."""
        self.idle_since = None
        try:
            yield
        finally:
            self.idle_since = asyncio.get_running_loop().time()


class Connections:
    """``accept`` is the callback of ``asyncio.start_server``; ``serve`` handles one connection until it ends."""

    def __init__(
        self, serve: Callable[[Connection], Awaitable[None]], name: str, *, limit: int, per_client: int
    ) -> None:
        self._serve = serve
        self._name = name
        self._limit = limit
        self._per_client = per_client
        self._tasks: dict[Connection, asyncio.Task[None]] = {}  # oldest first

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection in a task of its own."""
        loop = asyncio.get_running_loop()
        peer = writer.get_extra_info("peername")
        new = Connection(reader, writer, peer[0] if peer else "", loop.time())
        own = [c for c in self._tasks if c.client == new.client]
        if not self._make_room(own, self._per_client) or not self._make_room(self._tasks, self._limit):
            writer.transport.abort()
            return
        self._tasks[new] = loop.create_task(self._run(new), name=self._name)

    async def close(self) -> None:
        """Cancel every connection, and wait until all have ended."""
        tasks = dict(self._tasks)
        for connection, task in tasks.items():
            task.cancel()
            connection.writer.close()  # a task that has not started yet does not do it
        await asyncio.gather(*tasks.values(), return_exceptions=True)

    def _make_room(self, connections: Iterable[Connection], limit: int) -> bool:
        present = list(connections)
        if len(present) < limit:
            return True
        idle = [(c.idle_since, i, c) for i, c in enumerate(present) if c.idle_since is not None]
        if not idle:
            return False
        oldest = min(idle)[2]
        self._tasks.pop(oldest).cancel()
        oldest.writer.transport.abort()
        return True

    async def _run(self, connection: Connection) -> None:
        try:
            await self._serve(connection)
        except Exception:  # a fault in one connection must not stop the others
            log.exception("a connection of %s", connection.client)
        finally:
            self._tasks.pop(connection, None)
            connection.writer.close()
