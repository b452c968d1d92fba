"""Joining two connections: after an upgrade (SPDY, WebSocket) bytes are carried both ways, unread.

The client's side is taken over from the HTTP server by ``transport.set_protocol``, and given back before it
closes, so that the server's book-keeping stays right. Flow control is passed through: who writes slowly is
read slowly.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import cast

from aiohttp import web

_HEAD_MAX = 64 * 1024
_HEAD_SECONDS = 30.0


class UpstreamError(Exception):
    """The other end could not be reached, or does not speak HTTP."""


class _Side(asyncio.Protocol):
    """One end. Until ``peer`` is set what arrives is kept."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: _Side | None = None
        self.early = bytearray()
        self.arrived = asyncio.Event()
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's, but do what they do.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self.early += data
            self.arrived.set()
        elif self.peer.transport is not None:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self.arrived.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.arrived.set()
        if not self.closed.done():
            self.closed.set_result(exc)

    def pause_writing(self) -> None:
        if self.peer and self.peer.transport and not self.peer.transport.is_closing():
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer and self.peer.transport and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()

    async def head(self) -> tuple[bytes, bytes]:
        """The HTTP response head, and what has come after it."""
        async with asyncio.timeout(_HEAD_SECONDS):
            while (end := self.early.find(b"\r\n\r\n")) < 0:
                if self.closed.done() or len(self.early) > _HEAD_MAX:
                    raise UpstreamError("connection closed before a response")
                self.arrived.clear()
                await self.arrived.wait()
        return bytes(self.early[: end + 4]), bytes(self.early[end + 4 :])


class Spliced(web.StreamResponse):
    """What a handler returns when the connection has been used up: writes nothing."""

    def __init__(self) -> None:
        super().__init__(status=101)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


async def splice(
    request: web.BaseRequest,
    host: str,
    port: int,
    target: str,
    headers: Sequence[tuple[str, str]],
    tls: ssl.SSLContext | None,
) -> web.StreamResponse:
    """Send the upgrade request on to ``host``, then carry bytes until one end closes.

    Raises UpstreamError before anything has been answered."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_HEAD_SECONDS):
            _, server = await loop.create_connection(_Side, host, port, ssl=tls, server_hostname="" if tls else None)
    except (OSError, TimeoutError) as e:
        raise UpstreamError(f"error dialing backend: {e}") from e
    assert server.transport is not None
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers), "", ""]
    server.transport.write("\r\n".join(lines).encode("latin-1"))
    try:
        head, rest = await server.head()
    except (TimeoutError, UpstreamError) as e:
        server.transport.abort()
        raise UpstreamError(str(e) or "no response in time") from e
    await _join(request, server, head + rest)
    return Spliced()


async def _join(request: web.BaseRequest, server: _Side, first: bytes) -> None:
    transport = request.transport
    assert transport is not None and server.transport is not None
    http = transport.get_protocol()
    client = _Side()
    client.transport = transport
    client.peer, server.peer = server, client
    transport.set_protocol(client)
    try:
        transport.write(first)
        if server.closed.done():
            transport.close()
        await asyncio.wait({client.closed, server.closed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.transport.close()
        if client.closed.done():
            asyncio.get_running_loop().call_soon(http.connection_lost, client.closed.result())
        else:
            transport.set_protocol(http)
            transport.close()
