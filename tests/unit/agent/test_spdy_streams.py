"""exec and port-forward as clients speak them: a real HTTP server, a fake runtime, our own SPDY client."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from kubette.agent.streams.portforward import TUNNEL, serve_portforward
from kubette.agent.streams.remotecommand import exit_status, serve_exec
from kubette.agent.streams.session import Session
from kubette.runtime.interface import ContainerSpec, SandboxSpec, Streams
from kubette.testing.runtime import FakeRuntime, Process


async def _deaf(process: Process) -> int:
    """Never reads, and ends when the first input has been refused."""
    await process.stdin.get()
    process.out.put_nowait((1, b"the end"))
    return 5


class Refusing:
    """A process' streams whose input cannot be written: the process has closed its end. ``fault``: what waiting for
    its exit code raises."""

    def __init__(self, streams: Streams, fault: Exception | None = None) -> None:
        self._streams, self._fault = streams, fault

    async def write(self, data: bytes) -> None:
        await self._streams.write(data)
        raise BrokenPipeError

    async def close_stdin(self) -> None:
        raise OSError("Bad file descriptor")

    async def wait(self) -> int:
        if self._fault:
            raise self._fault
        return await self._streams.wait()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._streams, name)


async def _terminal(process: Process) -> int:
    """Says its size once something is typed."""
    await process.stdin.get()
    process.out.put_nowait((1, f"{process.size}".encode()))
    return 0


class Node:
    """A server of /exec?command=…&stdin=1… and /portforward; ports 7 (echo) and 9 (refused)."""

    def __init__(self, runtime: FakeRuntime, container: str) -> None:
        self.runtime, self.container = runtime, container
        self.url = ""
        self.started, self.ended = asyncio.Event(), asyncio.Event()
        runtime.programs["hang"] = self._hang

    async def _hang(self, process: Process) -> int:
        self.started.set()
        try:
            await asyncio.sleep(1000)
        finally:
            self.ended.set()
        return 0

    async def exec(self, request: web.Request) -> web.StreamResponse:
        q = request.query
        flags = {n: n in q for n in ("stdin", "stdout", "stderr", "tty")}

        async def open_() -> Streams:
            streams = await self.runtime.exec_stream(
                self.container, q.getall("command"), tty=flags["tty"], stdin=flags["stdin"]
            )
            fault = ValueError("a fault of the runtime") if "fault" in q else None
            return Refusing(streams, fault) if fault or q["command"] == "deaf" else streams  # type: ignore[return-value]

        return await serve_exec(request, open_, **flags)

    async def forward(self, request: web.Request) -> web.StreamResponse:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

        async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            if port != 7:
                raise ConnectionRefusedError("refused")
            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            try:
                return await asyncio.open_connection(*server.sockets[0].getsockname())
            finally:
                server.close()

        return await serve_portforward(request, dial)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    runtime = FakeRuntime(programs={"terminal": _terminal, "deaf": _deaf})
    sandbox = await runtime.create_sandbox(SandboxSpec("u", "p", "d", "h"))
    identity = await runtime.create(ContainerSpec("u", "c", 0, "i", sandbox, command=["sleep", "1000"]))
    await runtime.start(identity)
    n = Node(runtime, identity)
    app = web.Application()
    app.router.add_route("*", "/exec", n.exec)
    app.router.add_route("*", "/portforward", n.forward)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    n.url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield n
    await runner.cleanup()
    await runtime.remove_sandbox("u")


class Client:
    """The other end of an upgraded connection."""

    def __init__(self, session: Session, close: Callable[[], None]) -> None:
        self.session, self.close = session, close

    @classmethod
    async def connect(cls, node: Node, target: str, protocol: str) -> Client:
        host, port = node.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            f"X-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        assert f"X-Stream-Protocol-Version: {protocol}\r\n".encode() in head
        session = Session(writer.write, writer.drain, client=True)

        async def pump() -> None:
            while data := await reader.read(65536):
                session.feed(data)
            session.lost()

        task = asyncio.create_task(pump(), name="client")

        def close() -> None:
            writer.close()
            task.cancel()

        return cls(session, close)

    async def all(self, stream: Any) -> bytes:
        out = b""
        while data := await asyncio.wait_for(stream.read(), 5):
            out += data
        return out


async def test_exec_over_spdy(node: Node) -> None:
    script = "echo+o;+echo+e+>%262;+exit+7"
    c = await Client.connect(node, f"/exec?command=sh&command=-c&command={script}&stdout&stderr", "v4.channel.k8s.io")
    error, out, err = (c.session.open({"streamType": t}) for t in ("error", "stdout", "stderr"))
    assert (await c.all(out), await c.all(err)) == (b"o\n", b"e\n")
    assert json.loads(await c.all(error)) == exit_status(7)
    c.close()


async def test_stdin_over_spdy_larger_than_any_window(node: Node) -> None:
    c = await Client.connect(node, "/exec?command=cat&stdin&stdout", "v4.channel.k8s.io")
    error, stdin, out = (c.session.open({"streamType": t}) for t in ("error", "stdin", "stdout"))
    blob = bytes(range(256)) * 8192
    reading = asyncio.create_task(c.all(out), name="reading")
    await asyncio.wait_for(stdin.write(blob), 10)
    stdin.close()
    assert await reading == blob
    assert json.loads(await c.all(error))["status"] == "Success"
    c.close()


async def test_a_process_that_reads_no_more_ends_with_its_status_over_spdy(node: Node) -> None:
    """Although the client goes on sending: what nobody reads is taken and discarded."""
    c = await Client.connect(node, "/exec?command=deaf&stdin&stdout", "v4.channel.k8s.io")
    error, stdin, out = (c.session.open({"streamType": t}) for t in ("error", "stdin", "stdout"))

    async def send() -> None:
        for _ in range(100):
            await stdin.write(bytes(65536))
        stdin.close()

    sending = asyncio.create_task(send(), name="sending")
    assert await c.all(out) == b"the end"
    assert json.loads(await c.all(error)) == exit_status(5)
    await asyncio.wait_for(sending, 10)
    c.close()


async def test_a_process_that_reads_no_more_ends_with_its_status_over_websocket(node: Node) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{node.url}/exec?command=deaf&stdin&stdout", protocols=["v5.channel.k8s.io"]) as ws:
            for _ in range(100):
                await ws.send_bytes(bytes(65536))
            await ws.send_bytes(b"\xff\x00")
            got = [m.data async for m in ws]
    assert got == [b"\x01", b"\x01the end", b"\x03" + json.dumps(exit_status(5)).encode()]


async def test_no_session_ends_without_a_status(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{node.url}/exec?command=echo&stdout&fault", protocols=["v5.channel.k8s.io"]) as ws:
            got = [m.data async for m in ws]
    assert json.loads(got[-1][1:])["message"].endswith("a fault of the runtime")


async def test_empty_messages_mean_nothing(node: Node) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{node.url}/exec?command=cat&stdin&stdout", protocols=["v5.channel.k8s.io"]) as ws:
            await ws.send_bytes(b"")
            await ws.send_bytes(b"\x00typed")
            await ws.send_bytes(b"\xff\x00")
            got = [m.data async for m in ws]
    assert got[1] == b"\x01typed"


async def test_a_client_that_goes_ends_the_process(node: Node) -> None:
    c = await Client.connect(node, "/exec?command=hang&stdout", "v4.channel.k8s.io")
    c.session.open({"streamType": "error"})
    c.session.open({"streamType": "stdout"})
    await asyncio.wait_for(node.started.wait(), 5)
    c.close()
    await asyncio.wait_for(node.ended.wait(), 5)


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"])
async def test_exec_over_websocket(node: Node, protocol: str) -> None:
    def unpack(message: aiohttp.WSMessage) -> tuple[int, bytes]:
        if "base64" in protocol:
            return int(message.data[0]), base64.b64decode(message.data[1:])
        return message.data[0], message.data[1:]

    async with aiohttp.ClientSession() as http:
        url = f"{node.url}/exec?command=terminal&stdin&stdout&tty"
        async with http.ws_connect(url, protocols=[protocol]) as ws:
            assert ws.protocol == protocol

            async def send(channel: int, data: bytes) -> None:
                if "base64" in protocol:
                    await ws.send_str(f"{channel}{base64.b64encode(data).decode()}")
                else:
                    await ws.send_bytes(bytes([channel]) + data)

            await send(4, b'{"Width":99,"Height":33}')
            await send(4, b"nonsense")  # ignored
            await send(0, b"x")
            got = [unpack(m) async for m in ws]
    assert got == [(1, b""), (1, b"(99, 33)"), (3, json.dumps(exit_status(0)).encode())]


async def test_v5_closes_stdin(node: Node) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{node.url}/exec?command=cat&stdin&stdout", protocols=["v5.channel.k8s.io"]) as ws:
            await ws.send_bytes(b"\x00typed")
            await ws.send_bytes(b"\xff\x00")
            got = [m.data async for m in ws]
    assert got[:2] == [b"\x01", b"\x01typed"] and got[2][:1] == b"\x03"


async def test_what_cannot_run_is_told_on_the_error_channel(node: Node) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"{node.url}/exec?command=nonesuch&stdout"
        async with http.ws_connect(url, protocols=["v4.channel.k8s.io"]) as ws:
            got = [m.data async for m in ws]
    status = json.loads(got[-1][1:])
    assert status["reason"] == "InternalError" and "executable file not found" in status["message"]


async def test_requests_that_are_no_upgrade(node: Node) -> None:
    spdy = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v9.channel.k8s.io"}
    async with aiohttp.ClientSession() as http:
        for target, headers, code in (
            ("/exec?command=cat&stdout", {}, 400),
            ("/exec?command=cat", spdy, 400),
            ("/exec?command=cat&stdout", spdy, 403),
            ("/portforward", {}, 400),
        ):
            async with http.post(node.url + target, headers=headers) as response:
                assert response.status == code


async def echo_and_refusal(session: Session, read_all: Callable[[Any], Any]) -> None:
    def connect(port: str, request: str) -> list[Any]:
        headers = {"port": port, "requestID": request}
        return [session.open({"streamType": t, **headers}) for t in ("error", "data")]

    error, data = connect("7", "0")
    other_error, _ = connect("9", "1")
    error.close()
    await data.write(b"ping" * 50_000)
    data.close()
    assert await read_all(data) == b"ping" * 50_000
    assert await read_all(error) == b""
    assert await read_all(other_error) == b"error forwarding port 9: refused"


async def test_port_forward_over_spdy(node: Node) -> None:
    c = await Client.connect(node, "/portforward", "portforward.k8s.io")
    await echo_and_refusal(c.session, c.all)
    c.close()


async def test_port_forward_tunnelled_in_websocket(node: Node) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{node.url}/portforward", protocols=[TUNNEL]) as ws:
        outgoing: asyncio.Queue[bytes] = asyncio.Queue()

        async def no_wait() -> None:
            return None

        session = Session(outgoing.put_nowait, no_wait, client=True)

        async def send() -> None:
            while True:
                await ws.send_bytes(await outgoing.get())

        async def receive() -> None:
            async for message in ws:
                session.feed(message.data)

        tasks = [asyncio.create_task(send(), name="send"), asyncio.create_task(receive(), name="receive")]

        async def read_all(stream: Any) -> bytes:
            out = b""
            while data := await asyncio.wait_for(stream.read(), 5):
                out += data
            return out

        await echo_and_refusal(session, read_all)
        for task in tasks:
            task.cancel()


async def test_port_forward_over_old_websocket(node: Node) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"{node.url}/portforward?port=7&port=9"
        async with http.ws_connect(url, protocols=["v4.channel.k8s.io"]) as ws:
            first = [(await ws.receive()).data for _ in range(4)]
            assert first == [b"\0\x07\0", b"\x01\x07\0", b"\x02\x09\0", b"\x03\x09\0"]
            assert (await ws.receive()).data == b"\x03error forwarding port 9: refused"
            await ws.send_bytes(b"\0ping")
            assert (await ws.receive()).data == b"\0ping"
