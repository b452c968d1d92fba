"""The node API as the API server uses it: who may, and what logs it tells."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest

from kubette.agent import nodeapi
from kubette.apiserver.pki import Pair

from .agent_world import World

PATHS = [
    "/healthz", "/healthz/ping", "/pods", "/%70ods", "/runningpods/", "/stats/summary", "/metrics", "/configz",
    "/logs/", "/nothing", "/containerLogs/default/web/web", "/exec/default/web/web?command=x&output=1",
    "/attach/default/web/web?output=1", "/portForward/default/web", "/run/default/web/web",
    "/checkpoint/default/web/web",
]  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _session(world: World, pair: Pair | None) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cafile=str(world.pki.ca.cert))
    if pair is not None:
        context.load_cert_chain(pair.cert, pair.key)
    base = f"https://127.0.0.1:{world.config.port}"
    return aiohttp.ClientSession(base, connector=aiohttp.TCPConnector(ssl=context))


async def _get(world: World, path: str, pair: Pair | None) -> tuple[int, str]:
    async with _session(world, pair) as session, session.get(path) as answer:
        return answer.status, await answer.text()


async def test_who_may(world: World) -> None:
    async with world.agent():
        for path in PATHS:
            assert (await _get(world, path, None))[0] == 401, path
            assert (await _get(world, path, world.stranger))[0] == 403, path
        assert await _get(world, "/healthz", world.client) == (200, "ok")
        assert (await _get(world, "/pods", world.client))[0] == 200
        assert (await _get(world, "/nothing", world.client))[0] == 404


@pytest.mark.parametrize(
    "sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"]
)
async def test_a_stranger_keeps_no_connection(world: World, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """Idle, within a head, and after the refusal."""
    monkeypatch.setattr(nodeapi, "_AUTHORIZED_SECONDS", 1.0)
    tls = ssl.create_default_context(cafile=str(world.pki.ca.cert))
    async with world.agent():
        reader, writer = await asyncio.open_connection("127.0.0.1", world.config.port, ssl=tls)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), 30)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 401 ")
        writer.close()


async def test_the_api_server_keeps_its_connection(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodeapi, "_AUTHORIZED_SECONDS", 0.2)
    async with world.agent():
        await world.create()
        await world.ready()
        log = world.runtime.spec("web").log_path
        query = "follow=true&" + "x" * 100_000  # an exec's command may be as long
        async with (
            _session(world, world.client) as session,
            session.get(f"/containerLogs/default/web/web?{query}") as answer,
        ):
            await world.create("later")  # by the time that this pod is ready the timer has fired
            await world.ready("later")
            with log.open("a") as f:
                f.write("2026-01-01T00:00:00.000000001Z stdout F one\n")
            assert await answer.content.readline() == b"one\n"


async def test_logs(world: World) -> None:
    async with world.agent():
        await world.create()
        await world.create("stuck", containers=[{"name": "web", "image": "absent:1"}])
        await world.ready()
        log = world.runtime.spec("web").log_path
        log.write_text(
            "2026-01-01T00:00:00.000000001Z stdout F one\n"
            "2026-01-01T00:00:01.000000001Z stderr F two\n"
            "2026-01-01T00:00:02.000000001Z stdout P thr\n"
            "2026-01-01T00:00:02.000000002Z stdout F ee\n"
        )
        get = lambda query, pod="web": _get(world, f"/containerLogs/default/{pod}/web?{query}", world.client)  # noqa: E731
        assert await get("") == (200, "one\ntwo\nthree\n")
        assert await get("tailLines=1") == (200, "three\n")
        assert await get("timestamps=true&tailLines=2&limitBytes=34") == (200, "2026-01-01T00:00:01.000000001Z two")
        assert await get("sinceTime=2026-01-01T00:00:01Z&stream=Stderr") == (200, "two\n")
        assert await get("previous=true") == (
            400,
            'previous terminated container "web" in pod "web" not found',
        )
        assert (await get("tailLines=x"))[0] == 400
        status, words = await get("", "stuck")
        assert status == 400
        assert words == 'container "web" in pod "stuck" is waiting to start: trying and failing to pull image'
        assert (await get("", "absent"))[0] == 404
        (log.parent / "0.log.20260101-000000").write_text("2025-01-01T00:00:00.000000001Z stdout F zero\n")
        assert await get("") == (200, "zero\none\ntwo\nthree\n")


async def test_following_ends_with_the_container(world: World) -> None:
    async with world.agent():
        await world.create(restartPolicy="Never")
        await world.ready()
        log = world.runtime.spec("web").log_path
        async with _session(world, world.client) as session:
            async with session.get("/containerLogs/default/web/web?follow=true") as answer:
                with log.open("a") as f:
                    f.write("2026-01-01T00:00:00.000000001Z stdout F one\n")
                assert await answer.content.readline() == b"one\n"
                with log.open("a") as f:
                    f.write("2026-01-01T00:00:00.000000001Z stdout F two\n")
                world.runtime.exit("web", 0)
                assert await answer.content.read() == b"two\n"
