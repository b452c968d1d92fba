"""exec and attach: a process' streams to a client, over WebSocket or SPDY.

Protocols (``k8s.io/apimachinery/pkg/util/remotecommand``): v5 and v4 end with a ``metav1.Status`` on the error
channel; older ones with plain text, and only where there is an error. Both carriers offer the same three
things (``_Client``), so that what happens is written once, in ``_serve``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from kubette.agent.streams import upgrade
from kubette.agent.streams.session import Session, Stream
from kubette.runtime.interface import RuntimeFailure, Streams

log = logging.getLogger(__name__)

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
SPDY_PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
WEBSOCKET_PROTOCOLS = (
    "v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io",
    "channel.k8s.io", "base64.channel.k8s.io",
)  # fmt: skip
_OPEN_SECONDS = 30.0  # for a SPDY client to open its streams
_GOODBYE_SECONDS = 10.0  # for a client to read to the end and to close
_MAX_MESSAGE = 16 << 20
_CHANNELS = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}

Open = Callable[[], Awaitable[Streams]]


class _Client(Protocol):
    """A client's end. ``inbound`` yields (STDIN, bytes), (STDIN, b"") at its end, and (RESIZE, JSON); it
    ends when the client has gone. Sending to a client that has gone does nothing."""

    def inbound(self) -> AsyncIterator[tuple[int, bytes]]: ...
    async def send(self, channel: int, data: bytes) -> None: ...
    async def finish(self, status: dict[str, Any]) -> None: ...


async def serve_exec(
    request: web.Request,
    open: Open,
    *,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
    attach: bool = False,
) -> web.StreamResponse:
    """Upgrade, then ``open`` the process and connect it to the client until either ends.

    Failures of ``open`` and exit codes travel on the error channel, as upstream's kubelet sends them.
    ``attach``: the client joins a container's own process, whose exit code is not its business.
    """
    wanted = {"stdin": stdin, "stdout": stdout, "stderr": stderr and not tty}
    if not any(wanted.values()):
        return upgrade.refuse("you must specify at least 1 of stdin, stdout, stderr")
    if upgrade.wants_websocket(request):
        return await _over_websocket(request, open, wanted, attach)
    if not upgrade.wants_spdy(request):
        return upgrade.refuse("Upgrade request required")
    protocol = upgrade.negotiate(request, SPDY_PROTOCOLS)
    if isinstance(protocol, web.Response):
        return protocol
    names = {"error", *(n for n, want in wanted.items() if want)}
    if tty and protocol in SPDY_PROTOCOLS[:2]:
        names.add("resize")
    async with upgrade.spdy_session(request, protocol) as session:
        with contextlib.suppress(TimeoutError):
            streams = await asyncio.wait_for(_collect(session, names), _OPEN_SECONDS)
            if streams is not None:
                await _serve(open, _SpdyClient(session, streams, protocol), wanted, attach)
    return upgrade.TakenOver()


async def _collect(session: Session, names: set[str]) -> dict[int, Stream] | None:
    """The streams a client opens, by channel; None when it goes before it has opened all."""
    found: dict[int, Stream] = {}
    while len(found) < len(names):
        stream = await session.accept()
        if stream is None:
            return None
        kind = stream.headers.get("streamtype", "")
        if kind in names:
            found[_CHANNELS[kind]] = stream
        else:
            stream.reset()
    return found


class _SpdyClient:
    def __init__(self, session: Session, streams: Mapping[int, Stream], protocol: str) -> None:
        self._session = session
        self._streams = streams
        self._status_as_json = protocol == SPDY_PROTOCOLS[0]

    async def inbound(self) -> AsyncIterator[tuple[int, bytes]]:
        queue: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(4)

        async def pump(channel: int, stream: Stream) -> None:
            while data := await stream.read():
                await queue.put((channel, data))
            if channel == STDIN and not stream.broken:
                await queue.put((STDIN, b""))

        async def watch() -> None:
            await self._session.closed.wait()
            await queue.put((CLOSE, b""))

        tasks = [
            asyncio.create_task(pump(c, s), name=f"spdy-inbound-{c}")
            for c, s in self._streams.items()
            if c in (STDIN, RESIZE)
        ]
        tasks.append(asyncio.create_task(watch(), name="spdy-inbound-closed"))
        try:
            while (item := await queue.get())[0] != CLOSE:
                yield item
        finally:
            await _cancel(*tasks)

    async def send(self, channel: int, data: bytes) -> None:
        if channel in self._streams:
            with contextlib.suppress(ConnectionError):
                await self._streams[channel].write(data)

    async def finish(self, status: dict[str, Any]) -> None:
        if self._status_as_json:
            await self.send(ERROR, json.dumps(status).encode())
        elif status["status"] != "Success":
            await self.send(ERROR, str(status["message"]).encode())
        for stream in self._streams.values():
            stream.close()
            stream.discard()


async def _over_websocket(
    request: web.Request, open: Open, wanted: Mapping[str, bool], attach: bool
) -> web.StreamResponse:
    socket = web.WebSocketResponse(
        protocols=WEBSOCKET_PROTOCOLS, max_msg_size=_MAX_MESSAGE, compress=False, timeout=_GOODBYE_SECONDS
    )
    await socket.prepare(request)
    client = _WebSocketClient(socket, socket.ws_protocol or "channel.k8s.io")
    first = STDOUT if wanted["stdout"] else STDERR if wanted["stderr"] else ERROR
    await client.send(first, b"")  # tells the client that the connection stands
    await _serve(open, client, wanted, attach)
    await socket.close()
    return socket


class _WebSocketClient:
    def __init__(self, socket: web.WebSocketResponse, protocol: str) -> None:
        self._socket = socket
        self._base64 = "base64" in protocol
        self._status_as_json = protocol.startswith(("v4.", "v5."))
        self._closes = protocol.startswith("v5.")

    async def inbound(self) -> AsyncIterator[tuple[int, bytes]]:
        while True:
            message = await self._socket.receive()
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return
            if not message.data:
                continue
            raw = message.data.encode() if message.type is WSMsgType.TEXT else message.data
            channel, data = raw[0], raw[1:]
            if self._base64:
                try:
                    channel, data = channel - ord("0"), base64.b64decode(data)
                except binascii.Error:
                    return
            if channel == CLOSE and self._closes and data[:1] == bytes([STDIN]):
                yield STDIN, b""
            elif channel in (STDIN, RESIZE) and data:
                yield channel, data

    async def send(self, channel: int, data: bytes) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            if self._base64:
                await self._socket.send_str(f"{channel}{base64.b64encode(data).decode()}")
            else:
                await self._socket.send_bytes(bytes([channel]) + data)

    async def finish(self, status: dict[str, Any]) -> None:
        if self._status_as_json:
            await self.send(ERROR, json.dumps(status).encode())
        elif status["status"] != "Success":
            await self.send(ERROR, str(status["message"]).encode())


async def _serve(open: Open, client: _Client, wanted: Mapping[str, bool], attach: bool) -> None:
    """Until the process has ended and all its output was sent, with a status; or until the client has gone."""
    verb = "attaching to container" if attach else "executing command in container"
    try:
        streams = await open()
    except (RuntimeFailure, OSError) as e:
        await client.finish(internal_error(f"error {verb}: {e}"))
        return
    inbound = asyncio.create_task(_inbound(client, streams, wanted["stdin"]), name="exec-inbound")
    outbound = asyncio.create_task(_outbound(client, streams, wanted), name="exec-outbound")
    try:
        await asyncio.wait({inbound, outbound}, return_when=asyncio.FIRST_COMPLETED)
        if not outbound.done() and inbound.exception() is None:
            return  # the client has gone
        try:
            code = await outbound
        except Exception as e:
            if not isinstance(e, RuntimeFailure | OSError):
                log.exception("error %s", verb)
            await client.finish(internal_error(f"error {verb}: {e}"))
        else:
            await client.finish(exit_status(0 if attach else code))
    finally:
        await _cancel(inbound, outbound)
        await streams.close()


async def _inbound(client: _Client, streams: Streams, stdin: bool) -> None:
    """From the client to the process; returns when the client has gone. What a process cannot take, because it has
    ended or has closed its end, is discarded: its output and exit code are still to come."""
    async for channel, data in client.inbound():
        with contextlib.suppress(RuntimeFailure, OSError):
            if channel == RESIZE:
                size = _terminal_size(data)
                if size:
                    await streams.resize(*size)
            elif stdin and data:
                await streams.write(data)
            elif stdin:
                await streams.close_stdin()


async def _outbound(client: _Client, streams: Streams, wanted: Mapping[str, bool]) -> int:
    async for number, data in streams.output():
        if wanted["stdout" if number == 1 else "stderr"]:
            await client.send(number, data)
    return await streams.wait()


def _terminal_size(data: bytes) -> tuple[int, int] | None:
    """``{"Width": w, "Height": h}``; a message that is not that is ignored."""
    try:
        size = json.loads(data)
        width, height = int(size["Width"]), int(size["Height"])
    except (ValueError, KeyError, TypeError):
        return None
    return (width, height) if 0 < width < 65536 and 0 < height < 65536 else None


def exit_status(code: int) -> dict[str, Any]:
    """The Status that ends a v4 or v5 stream."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def internal_error(text: str) -> dict[str, Any]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {text}",
        "reason": "InternalError",
        "details": {"causes": [{"message": text}]},
        "code": 500,
    }


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
