"""Probes against real sockets on the loopback, and what results add up to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

from kubette.agent import grpc_health, handlers, prober
from kubette.agent.prober import Health, Schedule, Tally
from kubette.runtime.interface import ExecResult
from kubette.testing.fakenode import FakeNodeRuntime

RUNTIME = FakeNodeRuntime()
CONTAINER = {"name": "c", "ports": [{"name": "web", "containerPort": 1}]}


async def probe(action: dict[str, object], timeout: float = 1) -> tuple[bool, str]:
    return await handlers.run_probe({**action, "timeoutSeconds": timeout}, CONTAINER, "127.0.0.1", "id", RUNTIME)


def test_thresholds() -> None:
    tally = Tally(successes_needed=2, failures_needed=3)
    results = [True, True, False, False, True, False, False, False]
    assert [tally.add(r) for r in results] == [False, True, False, False, False, False, False, True]
    assert tally.state is False


def runs(
    kind: str, until: float = 25, ready_at: float = 1000, began: float = 0, **probe: int
) -> list[tuple[float, bool]]:
    """When a probe of a container that started at 0 runs, and whether a failure counts then."""
    schedule, out = Schedule(kind, {"periodSeconds": 10, **probe}, 0, began), []
    while schedule.at < until:
        out.append((round(schedule.at, 2), schedule.regular))
        schedule.ran(schedule.at, waiting=schedule.at < ready_at)
    return out


def test_early_probes_shorten_the_wait_but_their_failures_do_not_count() -> None:
    for kind in ("startup", "readiness"):
        early = runs(kind, until=12)
        assert [at for at, regular in early if regular] == [1, 11]
        assert [at for at, _ in early][:5] == [0, 0.05, 0.15, 0.35, 0.75]
        assert runs(kind, until=12, ready_at=0.1) == [(0, False), (0.05, False), (0.15, False), (1, True), (11, True)]


def test_no_probe_is_early_where_one_success_is_not_enough() -> None:
    assert runs("readiness", successThreshold=3) == [(1, True), (11, True), (21, True)]


def test_a_liveness_probe_is_never_early() -> None:
    assert runs("liveness") == [(1, True), (11, True), (21, True)]
    assert runs("liveness", initialDelaySeconds=7) == [(7, True), (17, True)]
    assert runs("liveness", began=13) == [(13, True), (23, True)], "the startup probe succeeded at 13"


def test_no_probe_before_its_initial_delay() -> None:
    assert runs("readiness", until=15, ready_at=0, initialDelaySeconds=7)[0] == (7, True)


async def test_readiness_is_gated_by_the_startup_probe() -> None:
    health = Health("id", readiness=True)
    assert (health.started, health.ready) == (False, False)
    health.startup.set()
    assert (health.started, health.ready) == (True, True)


async def test_http() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/slow":
            await asyncio.sleep(5)
        if request.path == "/moved":
            raise web.HTTPFound("/ok")
        if request.path == "/nowhere":
            return web.Response(status=304)
        if request.path == "/away":
            raise web.HTTPFound("http://192.0.2.1/")
        return web.Response(status=200 if request.path == "/ok" and request.headers.get("X") != "no" else 500)

    app = web.Application()
    app.router.add_get("/{any:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        assert (await probe({"httpGet": {"port": port, "path": "/ok"}}))[0]
        assert (await probe({"httpGet": {"port": port, "path": "moved"}}))[0]
        away = await probe({"httpGet": {"port": port, "path": "/away"}})
        assert away[0] and away[1].startswith("Probe terminated redirects, Response body: ")
        nowhere = await probe({"httpGet": {"port": port, "path": "/nowhere"}})
        assert nowhere[0] and nowhere[1].startswith("Probe terminated redirects")
        headers = [{"name": "x", "value": "no"}]
        failed = await probe({"httpGet": {"port": port, "path": "/ok", "httpHeaders": headers}})
        assert failed == (False, "HTTP probe failed with statuscode: 500")
        slow = await probe({"httpGet": {"port": port, "path": "/slow"}}, timeout=0.05)
        assert not slow[0]
        assert "context deadline exceeded" in slow[1]
        assert await probe({"tcpSocket": {"port": port}}) == (True, "")
    finally:
        await runner.cleanup()
    assert await probe({"httpGet": {"port": port}}) == (
        False,
        f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused',
    )
    refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert await probe({"tcpSocket": {"port": port}}) == (False, refused)


async def test_exec_and_port_names() -> None:
    RUNTIME.execs = lambda command: ExecResult(2, b"bad")
    assert await probe({"exec": {"command": ["x"]}}) == (False, "bad")
    assert handlers.port_number(CONTAINER, "web") == 1
    with pytest.raises(handlers.HandlerError):
        handlers.port_number(CONTAINER, "other")


Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _asked(peer: Peer, service: str = "", timeout: float = 5) -> tuple[bool, str]:
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, family=socket.AF_INET)
    try:
        port = server.sockets[0].getsockname()[1]
        healthy, words = await grpc_health.check("127.0.0.1", port, service, timeout)
        await served.wait()
        return healthy, words.replace(str(port), "PORT")
    finally:
        server.close()
        await server.wait_closed()


def grpc_server(body: bytes, *, status: str = "0", message: str = "", requests: list[bytes] | None = None) -> Peer:
    """Answers one call, and pings its client first."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        connection.ping(b"12345678")
        writer.write(connection.data_to_send())
        while data := await reader.read(4096):
            for event in connection.receive_data(data):
                if isinstance(event, DataReceived) and requests is not None:
                    requests.append(event.data or b"")
                if isinstance(event, StreamEnded):
                    connection.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
                    connection.send_data(1, body)
                    trailers = [("grpc-status", status), ("grpc-message", message)]
                    connection.send_headers(1, trailers, end_stream=True)
            writer.write(connection.data_to_send())

    return peer


@pytest.mark.parametrize(
    ("state", "healthy", "words"),
    [
        (1, True, "service healthy"),
        (2, False, 'service unhealthy (responded with "NOT_SERVING")'),
        (0, False, 'service unhealthy (responded with "UNKNOWN")'),
    ],
)
async def test_grpc_states(state: int, healthy: bool, words: str) -> None:
    requests: list[bytes] = []
    message = bytes([8, state]) if state else b""
    body = b"\0" + struct.pack(">I", len(message)) + message
    assert await _asked(grpc_server(body, requests=requests), "my.service") == (healthy, words)
    assert requests == [b"\0\0\0\0\x0c\x0a\x0amy.service"]


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        ("12", "no%20such", "error: this server does not implement the grpc health protocol "
                            "(grpc.health.v1.Health): no such"),
        ("5", "unknown service", "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"),
        ("0", "", "error: health rpc probe failed: rpc error: code = Internal desc = no message in the answer"),
    ],
)  # fmt: skip
async def test_grpc_failures(status: str, message: str, words: str) -> None:
    assert await _asked(grpc_server(b"", status=status, message=message)) == (False, words)


async def test_grpc_peers_that_are_no_grpc_servers() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        await reader.read()

    failed = 'timeout: failed to connect service "127.0.0.1:PORT" within {}s: context deadline exceeded'
    assert await _asked(silent, timeout=0.2) == (False, failed.format("0.2"))
    assert await _asked(http1) == (False, failed.format("5"))
    assert await _asked(hangs, timeout=0.2) == (False, "timeout: health rpc did not complete within 0.2s")


async def test_a_hook_is_content_with_any_answer_also_over_http_where_https_was_asked_for() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.headers["User-Agent"])
        return web.Response(status=500)

    app = web.Application()
    app.router.add_get("/bye", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    get = {"port": runner.addresses[0][1], "path": "bye"}
    try:
        for scheme in ("HTTP", "HTTPS"):
            hook = {"httpGet": {**get, "scheme": scheme}}
            await handlers.run_hook(hook, CONTAINER, "127.0.0.1", "id", RUNTIME, 5)
    finally:
        await runner.cleanup()
    assert asked == ["kube-lifecycle/1.36"] * 2
    with pytest.raises(handlers.HookFailure, match="connection refused"):
        await handlers.run_hook({"httpGet": get}, CONTAINER, "127.0.0.1", "id", RUNTIME, 5)


async def test_an_exec_probe_knows_literal_variables() -> None:
    RUNTIME.log.clear()
    container = {**CONTAINER, "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {}}]}
    action = {"exec": {"command": ["x", "$(A)-$(B)-$(C)"]}}
    await handlers.run_probe(action, container, "127.0.0.1", "id", RUNTIME)
    assert RUNTIME.log == [("exec", "x 1--$(C)")]


def test_who_listens_is_read_from_the_kernels_table() -> None:
    table = (
        "  sl  local_address rem_address   st tx_queue\n"
        "   0: 00000000:1F90 00000000:0000 0A 00000000\n"
        "   1: 0100007F:0CEA 00000000:0000 01 00000000\n"
        "   2: 00000000000000000000000000000000:20FB 00000000000000000000000000000000:0000 0A 0\n"
    )
    assert prober.listened(table) == {8080, 8443}
    assert prober.declared_ports({"ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]}) == {80}
