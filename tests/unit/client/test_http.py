"""What the client sends and raises, against a real HTTP server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from kubette.api.errors import Conflict, Expired, NotFound, ServiceUnavailable, conflict, not_found
from kubette.api.kinds import resource
from kubette.client.config import ClientConfig
from kubette.client.http import Client

PODS = resource("pods")
_LINES = [
    b'{"type":"ADDED","object":{"n":1}}\n{"type":"MODI',
    b'FIED","object":{"n":2}}\n',
    b'{"type":"ERROR","object":{"kind":"Status","reason":"Expired","code":410,"message":"too old"}}\n',
]


class _Server:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], Any, str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        auth = request.headers.get("Authorization", "")
        self.seen.append((request.method, request.path, dict(request.query), body, auth))
        if "watch" in request.query:
            stream = web.StreamResponse()
            await stream.prepare(request)
            for line in _LINES:
                await stream.write(line)
            return stream
        if request.path.endswith("/missing"):
            return web.json_response(not_found("pods", "missing").status(), status=404)
        if request.method == "PUT":
            return web.json_response(conflict("pods", "p").status(), status=409)
        if request.path.endswith("/broken"):
            return web.Response(status=502, text="<html>")
        return web.json_response({"ok": True})


@pytest.fixture
async def served() -> AsyncIterator[tuple[_Server, Client]]:
    server = _Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with Client(ClientConfig(f"http://127.0.0.1:{port}", token="T")) as client:
        yield server, client
    await runner.cleanup()


async def test_verbs_become_the_requests_that_the_api_documents(served: tuple[_Server, Client]) -> None:
    server, client = served
    await client.list(PODS, label_selector="app=kubia")
    await client.create(PODS, {"metadata": {"namespace": "x"}}, name="p", subresource="binding")
    await client.delete(PODS, "p", "x", uid="u", grace_seconds=0)
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u"},
        "gracePeriodSeconds": 0,
    }
    assert server.seen == [
        ("GET", "/api/v1/pods", {"labelSelector": "app=kubia"}, None, "Bearer T"),
        ("POST", "/api/v1/namespaces/x/pods/p/binding", {}, {"metadata": {"namespace": "x"}}, "Bearer T"),
        ("DELETE", "/api/v1/namespaces/x/pods/p", {}, options, "Bearer T"),
    ]


async def test_a_status_is_raised_as_its_error(served: tuple[_Server, Client]) -> None:
    _, client = served
    with pytest.raises(NotFound, match='pods "missing" not found'):
        await client.get(PODS, "missing", "x")
    with pytest.raises(Conflict):
        await client.update(PODS, {"metadata": {"name": "p", "namespace": "x"}})
    with pytest.raises(Exception, match="HTTP 502"):
        await client.get(PODS, "broken", "x")


async def test_a_watch_joins_what_the_network_cut_and_ends_with_its_error(served: tuple[_Server, Client]) -> None:
    _, client = served
    events = []
    with pytest.raises(Expired, match="too old"):
        async for kind, obj in client.watch(PODS, resource_version="1"):
            events.append((kind, obj["n"]))
    assert events == [("ADDED", 1), ("MODIFIED", 2)]


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with Client(ClientConfig("http://127.0.0.1:1")) as client:
        with pytest.raises(ServiceUnavailable, match=r"http://127\.0\.0\.1:1"):
            await client.get(PODS, "p")
