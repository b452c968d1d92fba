"""``/healthz``, ``/readyz`` and ``/metrics`` on a port of their own, for probes and Prometheus.

A few lines of HTTP/1.1 instead of a web framework: those cost 10 MB and half of the start-up time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from kubette.dns.connections import Connection, Connections

_DEADLINE = 5.0  # seconds for a request
_CONNECTIONS, _CONNECTIONS_PER_CLIENT = 64, 16
_PHRASES = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


def metrics(rows: Sequence[tuple[str, str, str, dict[str, int]]]) -> str:
    """Prometheus text: (name, type, help, labels → value); the labels as text, ``proto="udp"`` or ""."""
    out = []
    for name, type_, help_, values in rows:
        out += [f"# HELP {name} {help_}", f"# TYPE {name} {type_}"]
        out += [f"{name}{{{labels}}} {value}" if labels else f"{name} {value}" for labels, value in values.items()]
    return "\n".join(out) + "\n"


class StatusServer:
    """``ready`` decides /readyz, ``text`` writes /metrics. ``port`` is known after ``start``."""

    def __init__(self, ready: Callable[[], bool], text: Callable[[], str]) -> None:
        self.port = 0
        self._ready = ready
        self._text = text
        self._server: asyncio.Server | None = None
        self._connections = Connections(
            self._serve, "dns-status", limit=_CONNECTIONS, per_client=_CONNECTIONS_PER_CLIENT
        )

    async def start(self, addresses: Sequence[str], port: int) -> None:
        """Listen on the addresses. OSError."""
        self._server = await asyncio.start_server(self._connections.accept, list(addresses), port, limit=1 << 14)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._connections.close()

    def _answer(self, method: str, path: str) -> tuple[int, str]:
        if method not in ("GET", "HEAD"):
            return 405, "only GET\n"
        match path.partition("?")[0]:
            case "/healthz" | "/livez":
                return 200, "ok"
            case "/readyz":
                return (200, "ok") if self._ready() else (503, "the API's objects have not been read yet\n")
            case "/metrics":
                return 200, self._text()
        return 404, "not found\n"

    async def _serve(self, connection: Connection) -> None:
        reader, writer = connection.reader, connection.writer
        try:
            async with asyncio.timeout(_DEADLINE):
                head = await reader.readuntil(b"\r\n\r\n")
                words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
                method, path = (words[0], words[1]) if len(words) == 3 else ("", "")
                code, text = self._answer(method, path)
                body = text.encode()
                writer.write(
                    f"HTTP/1.1 {code} {_PHRASES[code]}\r\nContent-Type: text/plain; version=0.0.4\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                    + (body if method != "HEAD" else b"")
                )
                await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            return
