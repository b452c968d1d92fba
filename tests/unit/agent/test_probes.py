"""Probes against real sockets on the loopback, and what results add up to."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

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
        headers = [{"name": "X", "value": "no"}]
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


async def _served(peer: Peer, service: str = "") -> tuple[bool, str]:
    server = await asyncio.start_server(peer, "127.0.0.1", 0, family=socket.AF_INET)
    try:
        port = server.sockets[0].getsockname()[1]
        return await grpc_health.check("127.0.0.1", port, service, 1)
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(("state", "healthy"), [(1, True), (2, False), (0, False)])
async def test_grpc(state: int, healthy: bool) -> None:
    asked = bytearray()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.extend(await reader.read(4096))
        message = bytes([8, state]) if state else b""
        body = b"\0" + struct.pack(">I", len(message)) + message
        writer.write(grpc_health.frame(4, 0, 0) + grpc_health.frame(6, 0, 0, b"12345678"))
        writer.write(grpc_health.frame(1, 4, 1, b"\x88") + grpc_health.frame(0, 0, 1, body))
        writer.write(grpc_health.frame(1, 5, 1, b"\x88"))
        await writer.drain()
        writer.close()

    result = await _served(peer, "my.service")
    assert result[0] is healthy
    assert asked.startswith(b"PRI * HTTP/2.0") and b"my.service" in asked


def test_who_listens_is_read_from_the_kernels_table() -> None:
    table = (
        "  sl  local_address rem_address   st tx_queue\n"
        "   0: 00000000:1F90 00000000:0000 0A 00000000\n"
        "   1: 0100007F:0CEA 00000000:0000 01 00000000\n"
        "   2: 00000000000000000000000000000000:20FB 00000000000000000000000000000000:0000 0A 0\n"
    )
    assert prober.listened(table) == {8080, 8443}
    assert prober.declared_ports({"ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]}) == {80}
