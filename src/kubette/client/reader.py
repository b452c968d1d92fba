"""List and watch, and nothing else, over plain asyncio: the client of small components that run as pods.

``http.Client`` does everything, on aiohttp, which costs a process 9 MB and 100 ms. This one fills the same
``informer.Source`` seam for those that only read. Errors and their meaning are the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from kubette.api.errors import ServiceUnavailable, from_status
from kubette.api.kinds import Kind
from kubette.client import tls
from kubette.client.config import ClientConfig

Obj = dict[str, Any]

_CONNECT = 5.0  # seconds
_LIST = 30.0
_LINE = 16 << 20  # bytes of one watch event


class Reader:
    """One identity at one server; a connection for each request."""

    def __init__(self, config: ClientConfig) -> None:
        url = urlsplit(config.server)
        self.config = config
        self._host, self._port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        self._authority = url.netloc
        self._prefix = url.path.rstrip("/")
        self._tls = tls.context(config) if url.scheme == "https" else None

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Obj:
        """The list object. Raises ApiError."""
        query = _query({"labelSelector": label_selector, "fieldSelector": field_selector})
        with self._errors():
            async with asyncio.timeout(_LIST), self._get(kind.path(namespace) + query) as body:
                out: Obj = orjson.loads(b"".join([chunk async for chunk in body]))
        return out

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> AsyncIterator[tuple[str, Obj]]:
        """(type, object), BOOKMARKs too, until the server ends it. An ERROR event is raised as its ApiError."""
        query = _query(
            {
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": resource_version,
                "labelSelector": label_selector,
                "fieldSelector": field_selector,
            }
        )
        with self._errors():
            async with self._get(kind.path(namespace) + query) as body:
                pending = b""
                async for chunk in body:
                    *lines, pending = (pending + chunk).split(b"\n")
                    for line in lines:
                        event = orjson.loads(line)
                        if event["type"] == "ERROR":
                            raise from_status(event["object"])
                        yield event["type"], event["object"]
                    if len(pending) > _LINE:
                        raise ServiceUnavailable(f"{self.config.server}: a watch event exceeds {_LINE} bytes")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """What breaks below is a server that cannot be reached."""
        try:
            yield
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, LookupError, TypeError) as error:
            raise ServiceUnavailable(f"{self.config.server}: {error or type(error).__name__}") from error

    @contextlib.asynccontextmanager
    async def _get(self, target: str) -> AsyncIterator[AsyncIterator[bytes]]:
        async with asyncio.timeout(_CONNECT):
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=1 << 18)
        try:
            _keep_alive(writer.get_extra_info("socket"))
            token = self.config.token
            if self.config.token_file is not None:
                token = self.config.token_file.read_text().strip()
            bearer = f"Authorization: Bearer {token}\r\n" if token else ""
            writer.write(
                f"GET {self._prefix}{target} HTTP/1.1\r\nHost: {self._authority}\r\nAccept: application/json\r\n"
                f"User-Agent: kubette\r\n{bearer}Connection: close\r\n\r\n".encode()
            )
            async with asyncio.timeout(_LIST):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ")[1])
            headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
            body = _body(reader, headers)
            if status >= 400:
                async with asyncio.timeout(_LIST):
                    raise from_status(_status(b"".join([chunk async for chunk in body]), head[0]), status)
            yield body
        finally:
            writer.close()


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The body's bytes as they come, by whichever framing the server chose (RFC 9112, section 6)."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            while size:
                chunk = await reader.read(min(size, 1 << 18))
                if not chunk:
                    raise EOFError("the answer was cut off")
                size -= len(chunk)
                yield chunk
            await reader.readexactly(2)
    elif (length := headers.get("content-length")) is not None:
        yield await reader.readexactly(int(length))
    else:
        while chunk := await reader.read(1 << 18):
            yield chunk


def _status(body: bytes, first_line: str) -> Obj:
    try:
        out = orjson.loads(body)
    except orjson.JSONDecodeError:
        out = None
    return out if isinstance(out, dict) else {"message": first_line}


def _query(given: Mapping[str, str | None]) -> str:
    text = "&".join(f"{k}={quote(v, safe='')}" for k, v in given.items() if v)
    return f"?{text}" if text else ""


def _keep_alive(sock: Any) -> None:
    """A watch may be silent for long; let the kernel find out within 20 s that the other end has gone."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 3), (socket.TCP_KEEPCNT, 3)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
