"""Joining two connections: after an upgrade (SPDY, WebSocket) bytes are carried both ways, unread.

Only a backend that answers 101 is joined. Any other answer is relayed like that of an ordinary request and the
backend's connection is closed: it carries the API server's own identity, and a client that held on to it could send
further requests under that identity (CVE-2018-1002105).

The client's side is taken over from the HTTP server by ``transport.set_protocol``, and given back before it
closes, so that the server's book-keeping stays right. Flow control is passed through: a slow writer makes the other
end be read slowly.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

_HEAD_SECONDS = 30.0
_NOT_SENT = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # headers that aiohttp would add

Relay = Callable[[aiohttp.ClientResponse], Awaitable[web.StreamResponse]]


class UpstreamError(Exception):
    """The backend could not be reached, or does not speak HTTP."""


class _Side(asyncio.Protocol):
    """One end. What arrives before ``peer`` is set is kept."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.peer: _Side | None = None
        self.early = bytearray()
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self.early += data
        else:
            self.peer.transport.write(data)

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """As a payload parser of aiohttp's: takes the bytes that came in one piece with the 101."""
        self.data_received(data)
        return False, b""

    def feed_eof(self) -> None:
        """As a payload parser of aiohttp's."""

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(exc)

    def pause_writing(self) -> None:
        if self.peer and not self.peer.transport.is_closing():
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()


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
    session: aiohttp.ClientSession,
    url: str,
    headers: Sequence[tuple[str, str]],
    tls: ssl.SSLContext | None,
    relay: Relay,
) -> web.StreamResponse:
    """Send the upgrade request on to ``url``, then carry bytes until one end closes; or ``relay`` the refusal.

    Raises UpstreamError before anything has been answered."""
    try:
        async with asyncio.timeout(_HEAD_SECONDS):
            answer = await session.request(
                request.method, URL(url, encoded=True), headers=CIMultiDict(headers), skip_auto_headers=_NOT_SENT,
                ssl=tls if tls is not None else True, allow_redirects=False,
            )  # fmt: skip
    except (aiohttp.ClientError, OSError) as e:
        raise UpstreamError(f"error dialing backend: {e or 'no response in time'}") from e
    try:
        connection = answer.connection
        if answer.status != 101 or connection is None or connection.protocol is None:
            refusal = await relay(answer)
            refusal.force_close()  # the HTTP server reads no further requests after one that asked for an upgrade
            return refusal
        transport = connection.transport
        if transport is None:
            raise UpstreamError("connection closed after the upgrade")
        backend = _Side(transport)
        connection.protocol.set_parser(backend, backend)
        transport.set_protocol(backend)
        await _join(request, backend, _head(answer))
        return Spliced()
    finally:
        answer.close()


def _head(answer: aiohttp.ClientResponse) -> bytes:
    """The 101 with its headers as the backend sent them."""
    lines = [b"HTTP/1.1 101 Switching Protocols", *(b"%b: %b" % header for header in answer.raw_headers), b"", b""]
    return b"\r\n".join(lines)


async def _join(request: web.BaseRequest, backend: _Side, head: bytes) -> None:
    transport = request.transport
    if transport is None:
        return  # the client has gone
    http = transport.get_protocol()
    client = _Side(transport)
    client.peer, backend.peer = backend, client
    transport.set_protocol(client)
    try:
        transport.write(head + backend.early)
        if backend.transport.is_closing():
            transport.close()
        await asyncio.wait({client.closed, backend.closed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        backend.transport.close()
        if client.closed.done():
            asyncio.get_running_loop().call_soon(http.connection_lost, client.closed.result())
        else:
            transport.set_protocol(http)
            transport.close()
