"""The HTTP edge: how long a connection may wait, and how many one client address may hold.

aiohttp bounds only how long a connection is idle. Upstream's server also bounds the time of a request's head (32 s), of
a TLS handshake (10 s here) and idleness (90 s); a bound of connections per address stands in for its HTTP/2 streams.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from kubette.apiserver.config import EdgeLimits

_log = logging.getLogger(__name__)
_LINE_MAX = 256 * 1024  # an exec's command travels in the URL
_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Edge(web.Server):
    """The factory of connections for ``loop.create_server``."""

    def __init__(self, handler: _Handler, limits: EdgeLimits) -> None:
        super().__init__(handler, handler_cancellation=True)
        self.limits = limits
        self._held: Counter[str] = Counter()
        self._refused: set[str] = set()  # addresses that are at the bound: each is logged once

    def __call__(self) -> RequestHandler:
        return Connection(
            self, loop=self._loop, access_log=None, keepalive_timeout=self.limits.idle_seconds,
            max_line_size=_LINE_MAX, max_field_size=_LINE_MAX, auto_decompress=False,
        )  # fmt: skip

    def admit(self, address: str) -> bool:
        """Count a connection; False where the address holds as many as it may."""
        if self._held[address] >= self.limits.connections_per_address:
            if address not in self._refused:
                self._refused.add(address)
                _log.warning("%s holds %d connections: further ones are closed", address, self._held[address])
            return False
        self._held[address] += 1
        return True

    def leave(self, address: str) -> None:
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]
            self._refused.discard(address)


class Connection(RequestHandler):
    """One client's. A head that is not whole within its time closes the connection, as upstream does."""

    def __init__(self, edge: Edge, **kwargs: Any) -> None:
        super().__init__(edge, **kwargs)
        self._edge = edge
        self._address: str | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if self._edge.admit(address):
            self._address = address
            self._await_head()
            super().connection_made(transport)
        else:
            super().connection_made(transport)
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_is_here()
        if self._address is not None:
            self._edge.leave(self._address)
            self._address = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._head_is_here()
        elif self._deadline is None and self._waits():
            self._await_head()

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """What is malformed gets its 400; its bytes and a stack are no concern of the log."""
        error = kw.get("exc_info")
        name = type(error).__name__ if isinstance(error, BaseException) else "error"
        _log.debug("%s from %s", name, self._address)

    def _waits(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _await_head(self) -> None:
        self._deadline = self._loop.call_later(self._edge.limits.head_seconds, self._late, self._request_count)

    def _head_is_here(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self, count: int) -> None:
        self._deadline = None
        if self._request_count == count and self._waits():
            self.force_close()
