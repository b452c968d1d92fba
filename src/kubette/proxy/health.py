"""``healthCheckNodePort``: load balancers ask a node over HTTP whether it has endpoints of a Service of its own.

200 and the number of ready endpoints on this node, or 503 with none, on any path: the answer of kube-proxy, header and
body, as load balancers outside read either. A few lines of HTTP/1.1, for most nodes never serve one of these.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection

from kubette.proxy.state import Name, Service

log = logging.getLogger(__name__)
_PATIENCE = 5.0  # seconds for a request
_RETRY = 5.0  # seconds after a port could not be listened on


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
                await self._listen()
        finally:
            for server in self._servers.values():
                server.close()

    async def _listen(self) -> None:
        self._owner = {port: name for name, port in self._wanted.items()}
        for port in self._servers.keys() - self._owner.keys():
            self._servers.pop(port).close()
        for port in self._owner.keys() - self._servers.keys():
            try:
                self._servers[port] = await asyncio.start_server(self._serve, self._addresses, port, limit=1 << 14)
            except OSError as error:
                log.warning("healthCheckNodePort %d of %s: %s", port, "/".join(self._owner[port]), error)
                asyncio.get_running_loop().call_later(_RETRY, self._changed.set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await reader.readuntil(b"\r\n\r\n")
                name = self._owner.get(writer.get_extra_info("sockname")[1])
                if name is not None:
                    writer.write(response(name, self._endpoints(name)))
                    await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
