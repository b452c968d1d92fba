"""A real API server on loopback, in the test's own loop, and a small client for it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from kubette.apiserver.config import EdgeLimits, ServerConfig
from kubette.apiserver.dialing import Rule, is_global_unicast
from kubette.apiserver.pki import Pki, ensure_pki
from kubette.apiserver.server import run

Object = dict[str, Any]
_LARGE = 1 << 20  # a larger body is sent in parts


class Api:
    """JSON requests as one identity."""

    def __init__(self, port: int, session: aiohttp.ClientSession, pki: Pki) -> None:
        self.port, self.session, self.pki = port, session, pki
        self.url = f"https://127.0.0.1:{port}"

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """(status, decoded answer); ``body`` may be bytes, then say ``content_type``."""
        sent = {k.replace("_", "-"): v for k, v in headers.items()}
        data: Any = body if isinstance(body, bytes) else None if body is None else orjson.dumps(body)
        if data is not None:
            data = data if len(data) < _LARGE else io.BytesIO(data)
            sent.setdefault("content-type", "application/json")
        async with self.session.request(method, self.url + path, data=data, headers=sent) as answer:
            raw = await answer.read()
            is_json = answer.content_type == "application/json"
            return answer.status, orjson.loads(raw) if is_json and raw else raw

    async def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        status, answer = await self.call(method, path, body, **headers)
        assert status < 300, (status, answer)
        return answer

    @contextlib.asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[asyncio.Queue[Object]]:
        """The watch's events, as they come."""
        queue: asyncio.Queue[Object] = asyncio.Queue()

        async def read() -> None:
            async with self.session.get(self.url + path) as answer:
                assert answer.status == 200, await answer.text()
                async for line in answer.content:
                    queue.put_nowait(orjson.loads(line))

        task = asyncio.create_task(read(), name="watch")
        try:
            yield queue
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def client_tls(pki: Pki, name: str | None = "admin") -> ssl.SSLContext:
    tls = ssl.create_default_context(cafile=str(pki.ca.cert))
    if name:
        tls.load_cert_chain(pki.client(name).cert, pki.client(name).key)
    return tls


@contextlib.asynccontextmanager
async def serving(
    directory: Path, kubelet_port: int = 10250, dialable: Rule = is_global_unicast, edge: EdgeLimits | None = None
) -> AsyncIterator[Api]:
    """A server with its data and keys in ``directory``; the client is an administrator. ``dialable``: of the addresses
    of nodes, pods and endpoints."""
    pki = ensure_pki(directory / "pki", ["10.43.0.1"], {"node-1": ["127.0.0.1"]})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    node = pki.client("kubelet-client")
    config = ServerConfig(
        directory / "server", pki.ca.cert, pki.server.cert, pki.server.key, pki.sa_signing_key, node.cert, node.key,
        port=port, advertise_address="172.29.0.2", kubelet_port=kubelet_port, dialable=dialable,
        edge=edge or EdgeLimits(),
    )  # fmt: skip
    ready = asyncio.Event()
    server = asyncio.create_task(run(config, ready), name="apiserver")
    waiting = asyncio.create_task(ready.wait(), name="ready")
    try:
        await asyncio.wait({server, waiting}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        if server.done():
            server.result()
        connector = aiohttp.TCPConnector(ssl=client_tls(pki))
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(20)) as session:
            yield Api(port, session, pki)
    finally:
        waiting.cancel()
        server.cancel()
        await asyncio.gather(server, waiting, return_exceptions=True)
