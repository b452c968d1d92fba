"""``healthCheckNodePort``: load balancers ask a node over HTTP whether it has endpoints of a Service.

200 and the number of ready endpoints on this node, or 503 with none, on any path: the answer of kube-proxy, header and
body, as load balancers read either. A few lines of HTTP/1.1, because most nodes never serve one of these.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Collection

from kubette.api.endpointslices import Name
from kubette.proxy.state import Service

log = logging.getLogger(__name__)
_PATIENCE = 5.0  # seconds for a request
_RETRY = 5.0  # seconds after a port could not be listened on
_MOST = 256  # connections at a time
_HEAD_BYTES = 1 << 14


def response(name: Name, endpoints: int) -> bytes:
    """The whole answer."""
    service = {"namespace": name[0], "name": name[1]}
    body = json.dumps({"service": service, "localEndpoints": endpoints, "serviceProxyHealthy": True}).encode()
    return (
        f"HTTP/1.1 {'200 OK' if endpoints else '503 Service Unavailable'}\r\nContent-Type: application/json\r\n"
        f"X-Content-Type-Options: nosniff\r\nX-Load-Balancing-Endpoint-Weight: {endpoints}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body


class HealthChecks:
    """The listeners of one node. ``endpoints``: how many ready ones a service has here."""

    def __init__(self, addresses: Collection[str], endpoints: Callable[[Name], int]) -> None:
        self._addresses = list(addresses)
        self._endpoints = endpoints
        self._wanted: dict[Name, int] = {}
        self._owner: dict[int, Name] = {}
        self._servers: dict[int, asyncio.Server] = {}
        self._open: set[asyncio.Transport] = set()
        self._changed = asyncio.Event()

    def set(self, name: Name, service: Service | None) -> None:
        """A service is so now, or is gone."""
        port = service.health_port if service is not None else 0
        if self._wanted.get(name, 0) != port:
            if port:
                self._wanted[name] = port
            else:
                del self._wanted[name]
            self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if not await self._listen():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_RETRY):
                            await self._changed.wait()
                    self._changed.set()
        finally:
            for server in self._servers.values():
                server.close()
            for transport in list(self._open):
                transport.abort()

    async def _listen(self) -> bool:
        """Listen on the wanted ports and no others; whether all of that worked."""
        self._owner = {port: name for name, port in self._wanted.items()}
        for port in self._servers.keys() - self._owner.keys():
            self._servers.pop(port).close()
        loop = asyncio.get_running_loop()
        whole = True
        for port, name in self._owner.items():
            if port in self._servers:
                continue
            try:
                self._servers[port] = await loop.create_server(lambda: _Check(self), self._addresses, port)
            except OSError as error:
                log.warning("healthCheckNodePort %d of %s: %s", port, "/".join(name), error)
                whole = False
        return whole

    def opened(self, transport: asyncio.Transport) -> bool:
        """Take note of a connection, unless there are too many."""
        if len(self._open) < _MOST:
            self._open.add(transport)
        return transport in self._open

    def closed(self, transport: asyncio.Transport) -> None:
        self._open.discard(transport)

    def answer(self, port: int) -> bytes:
        """The response on a port; empty where it is no service's any more."""
        name = self._owner.get(port)
        return response(name, self._endpoints(name)) if name is not None else b""


class _Check(asyncio.Protocol):
    """One connection: the answer after the first request's head, then the end. It needs no task."""

    def __init__(self, checks: HealthChecks) -> None:
        self._checks = checks
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(_PATIENCE, transport.abort)
        if not self._checks.opened(transport):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\r\n\r\n" in self._head:
            self._transport.write(self._checks.answer(self._transport.get_extra_info("sockname")[1]))
            self._transport.close()
        elif len(self._head) > _HEAD_BYTES:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        self._checks.closed(self._transport)
