"""Taking a connection over: from aiohttp's HTTP to SPDY, or SPDY inside WebSocket messages.

After a 101 the transport gets a protocol of ours (also under TLS); aiohttp is handed back a response that
writes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import cast

from aiohttp import WSMsgType, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import LooseHeaders

from kubette.agent.streams.session import Session

PROTOCOL_HEADER = "X-Stream-Protocol-Version"
_GOODBYE_SECONDS = 10.0


class TakenOver(web.StreamResponse):
    """What a handler returns when the connection is no longer HTTP."""

    def __init__(self) -> None:
        super().__init__(status=101)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class _Carrier(asyncio.Protocol):
    """The transport's new protocol: bytes to the session, flow control both ways."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._room = asyncio.Event()
        self._room.set()
        self.lost = asyncio.Event()
        self.session = Session(transport.write, self._drain, pause=self._pause)

    async def _drain(self) -> None:
        await self._room.wait()

    def _pause(self, stop: bool) -> None:
        with contextlib.suppress(RuntimeError):
            if stop:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self.session.feed(data)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._room.set()
        self.lost.set()
        self.session.lost()


def wants_spdy(request: web.Request) -> bool:
    tokens = {t.strip().lower() for t in request.headers.get("Connection", "").split(",")}
    return "upgrade" in tokens and request.headers.get("Upgrade", "").lower() == "spdy/3.1"


def wants_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def refuse(text: str, headers: LooseHeaders | None = None, status: int = 400) -> web.Response:
    return web.Response(status=status, text=text, headers=headers)


def negotiate(request: web.Request, supported: Sequence[str]) -> str | web.Response:
    """The first of the client's stream protocols that is supported, or the refusal upstream sends."""
    offered = [p.strip() for line in request.headers.getall(PROTOCOL_HEADER, []) for p in line.split(",") if p.strip()]
    if not offered:
        return supported[-1]
    for protocol in offered:
        if protocol in supported:
            return protocol
    return refuse(
        f"unable to upgrade: unable to negotiate protocol: client supports {offered}, server accepts {list(supported)}",
        {"X-Accepted-Stream-Protocol-Versions": ", ".join(supported)},
        403,
    )


@contextlib.asynccontextmanager
async def spdy_session(request: web.Request, protocol: str) -> AsyncIterator[Session]:
    """Answer 101 and speak SPDY. Leaving says goodbye, lets the peer read to the end, and closes."""
    transport = cast(asyncio.Transport, request.transport)
    http = transport.get_protocol()
    carrier = _Carrier(transport)
    transport.write(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        + f"{PROTOCOL_HEADER}: {protocol}\r\n\r\n".encode()
    )
    transport.set_protocol(carrier)
    try:
        yield carrier.session
        carrier.session.goaway()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(carrier.lost.wait(), _GOODBYE_SECONDS)
    finally:
        carrier.session.lost()
        transport.close()
        if isinstance(http, asyncio.Protocol):
            http.connection_lost(None)


@contextlib.asynccontextmanager
async def tunnelled_session(socket: web.WebSocketResponse) -> AsyncIterator[Session]:
    """SPDY whose bytes travel in binary WebSocket messages (kubectl 1.30 and later)."""
    outgoing: asyncio.Queue[bytes] = asyncio.Queue()
    room, readable = asyncio.Event(), asyncio.Event()
    room.set()
    readable.set()

    def write(data: bytes) -> None:
        outgoing.put_nowait(data)
        if outgoing.qsize() > 32:
            room.clear()

    async def drain() -> None:
        await room.wait()

    def pause(stop: bool) -> None:
        if stop:
            readable.clear()
        else:
            readable.set()

    session = Session(write, drain, pause=pause)

    async def send() -> None:
        while True:
            data = await outgoing.get()
            try:
                await socket.send_bytes(data)
            except (ConnectionError, RuntimeError):
                session.lost()
                room.set()
                return
            finally:
                outgoing.task_done()
            if outgoing.qsize() <= 16:
                room.set()

    async def receive() -> None:
        try:
            while True:
                await readable.wait()
                message = await socket.receive()
                if message.type is not WSMsgType.BINARY:
                    return
                session.feed(message.data)
        finally:
            session.lost()
            room.set()

    sender = asyncio.create_task(send(), name="spdy-tunnel-send")
    receiver = asyncio.create_task(receive(), name="spdy-tunnel-receive")
    try:
        yield session
        if not session.closed.is_set():
            session.goaway()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(outgoing.join(), _GOODBYE_SECONDS)
    finally:
        session.lost()
        for task in (sender, receiver):
            task.cancel()
        await asyncio.gather(sender, receiver, return_exceptions=True)
        await socket.close()
