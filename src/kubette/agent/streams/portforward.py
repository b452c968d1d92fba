"""port-forward: a client's connections to ports of a pod.

Over SPDY each connection is a pair of streams (data, error) with the port in their headers; the SPDY may
itself travel in WebSocket messages. The old WebSocket form has two channels a port, one connection each
(``k8s.io/kubernetes/pkg/kubelet/server/portforward``).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import struct
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

from kubette.agent.streams import upgrade
from kubette.agent.streams.session import Session, Stream

PROTOCOL = "portforward.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"
_OLD = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io")
_CHUNK = 32 * 1024
_PAIR_SECONDS = 30.0  # for the second stream of a pair to come

Dial = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def serve_portforward(request: web.Request, dial: Dial) -> web.StreamResponse:
    """Upgrade, then connect each of the client's connections by ``dial(port)`` until the client goes.

    An OSError of ``dial`` becomes the text on that connection's error stream; the others live on.
    """
    if upgrade.wants_websocket(request):
        socket = web.WebSocketResponse(protocols=(TUNNEL, *_OLD), max_msg_size=16 << 20, compress=False)
        if socket.can_prepare(request).protocol == TUNNEL:
            await socket.prepare(request)
            async with upgrade.tunnelled_session(socket) as session:
                await _forward(session, dial)
            return socket
        return await _old_websocket(request, socket, dial)
    if not upgrade.wants_spdy(request):
        return upgrade.refuse("Upgrade request required")
    protocol = upgrade.negotiate(request, (PROTOCOL,))
    if isinstance(protocol, web.Response):
        return protocol
    async with upgrade.spdy_session(request, protocol) as session:
        await _forward(session, dial)
    return upgrade.TakenOver()


async def _forward(session: Session, dial: Dial) -> None:
    """Pair the streams that the client opens by their request ID and serve each pair."""
    halves: dict[str, tuple[Stream, asyncio.TimerHandle]] = {}
    tasks: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()

    def expire(key: str) -> None:
        halves.pop(key)[0].reset()

    try:
        while (stream := await session.accept()) is not None:
            kind, port = stream.headers.get("streamtype", ""), stream.headers.get("port", "")
            number = int(port) if port.isdecimal() and len(port) < 6 else 0
            if kind not in ("data", "error") or not 0 < number < 65536:
                stream.reset()
                continue
            # clients of old send no request ID: they number a pair n, n + 2
            key = stream.headers.get("requestid") or str(stream.id if kind == "error" else stream.id - 2)
            if key not in halves:
                halves[key] = stream, loop.call_later(_PAIR_SECONDS, expire, key)
                continue
            other, timer = halves.pop(key)
            timer.cancel()
            data, error = (stream, other) if kind == "data" else (other, stream)
            task = asyncio.create_task(_connection(data, error, number, dial), name=f"port-forward-{number}")
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for _, timer in halves.values():
            timer.cancel()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _connection(data: Stream, error: Stream, port: int, dial: Dial) -> None:
    try:
        try:
            reader, writer = await dial(port)
        except OSError as e:
            await error.write(f"error forwarding port {port}: {e}".encode())
            return
        try:
            await _copy(data, reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    except ConnectionError:
        pass  # one end went in the middle: that is how connections end
    finally:
        for stream in (data, error):
            stream.close()
    while await data.read():
        continue  # what the client still sends goes nowhere, and must not fill the connection


async def _copy(data: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Both ways; each direction's end is passed on. Over when the pod's side has ended, or both have."""

    async def to_pod() -> None:
        while chunk := await data.read():
            writer.write(chunk)
            await writer.drain()
        if data.broken:
            raise ConnectionResetError
        if writer.can_write_eof():
            writer.write_eof()

    async def to_client() -> None:
        while chunk := await reader.read(_CHUNK):
            await data.write(chunk)

    up = asyncio.create_task(to_pod(), name="port-forward-up")
    down = asyncio.create_task(to_client(), name="port-forward-down")
    try:
        done, _ = await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        if down not in done and up.exception() is None:
            await asyncio.wait({down})
    finally:
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)


async def _old_websocket(request: web.Request, socket: web.WebSocketResponse, dial: Dial) -> web.StreamResponse:
    """``?port=8080&port=…``: channel 2i carries data and 2i+1 errors; each first says its port."""
    texts = [p for value in request.query.getall("port", []) for p in value.split(",") if p]
    if not texts:
        return upgrade.refuse('query parameter "port" is required')
    if not all(p.isdecimal() and 0 < int(p) < 65536 for p in texts):
        return upgrade.refuse(f'unable to parse "port" query parameter: {",".join(texts)}')
    ports = [int(p) for p in texts]
    await socket.prepare(request)
    in_base64 = "base64" in (socket.ws_protocol or "")
    inputs: list[asyncio.Queue[bytes]] = [asyncio.Queue(16) for _ in ports]

    async def send(channel: int, data: bytes) -> None:
        if in_base64:
            await socket.send_str(f"{channel}{base64.b64encode(data).decode()}")
        else:
            await socket.send_bytes(bytes([channel]) + data)

    async def one(number: int, port: int) -> None:
        try:
            reader, writer = await dial(port)
        except OSError as e:
            await send(2 * number + 1, f"error forwarding port {port}: {e}".encode())
            return

        async def to_pod() -> None:
            while True:
                writer.write(await inputs[number].get())
                await writer.drain()

        up = asyncio.create_task(to_pod(), name="port-forward-up")
        try:
            while chunk := await reader.read(_CHUNK):
                await send(2 * number, chunk)
        except ConnectionError:
            pass
        finally:
            up.cancel()
            await asyncio.gather(up, return_exceptions=True)
            writer.close()

    async def receive() -> None:
        while (message := await socket.receive()).type in (WSMsgType.BINARY, WSMsgType.TEXT):
            raw = message.data.encode() if message.type is WSMsgType.TEXT else message.data
            if len(raw) < 2:
                continue
            channel = raw[0] - ord("0") if in_base64 else raw[0]
            try:
                data = base64.b64decode(raw[1:]) if in_base64 else raw[1:]
            except binascii.Error:
                return
            if channel % 2 == 0 and 0 <= channel // 2 < len(ports):
                await inputs[channel // 2].put(data)

    for number, port in enumerate(ports):
        for channel in (2 * number, 2 * number + 1):
            await send(channel, struct.pack("<H", port))
    receiver = asyncio.create_task(receive(), name="port-forward-receive")
    carriers = asyncio.create_task(_all(*(one(n, p) for n, p in enumerate(ports))), name="port-forward")
    try:
        await asyncio.wait({receiver, carriers}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        receiver.cancel()
        carriers.cancel()
        await _all(receiver, carriers)
    await socket.close()
    return socket


async def _all(*work: Awaitable[None]) -> None:
    await asyncio.gather(*work, return_exceptions=True)
