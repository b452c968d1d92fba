"""The one way a component talks to the API server: typed verbs over HTTP, JSON dicts in and out.

Nothing here retries or caches; ``informer`` does. Failures are ``kubette.api.errors``; a server that cannot be
reached is ``ServiceUnavailable``. Source: https://kubernetes.io/docs/reference/using-api/api-concepts/.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
import orjson

from kubette.api.errors import ApiError, ServiceUnavailable, from_status
from kubette.api.kinds import Kind
from kubette.client import tls
from kubette.client.config import ClientConfig

Obj = dict[str, Any]
PatchType = Literal["merge", "strategic", "json"]

_PATCH_MEDIA = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
_MAX_EVENT = 16 << 20  # bytes of one watch event
#: What a server that cannot be reached, or that misbehaves, makes aiohttp, TLS, the resolver and the decoder raise.
_BROKEN = (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError, EOFError, ValueError)


class Client:
    """One identity at one server. Use as an async context manager; one per component."""

    def __init__(self, config: ClientConfig) -> None:
        self.config = config
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        secure = urlsplit(self.config.server).scheme == "https"
        # No limit: every watch holds a connection, and a client may watch every kind there is.
        connector = aiohttp.TCPConnector(limit=0, ssl=tls.context(self.config) if secure else True)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None, sock_connect=5), read_bufsize=1 << 18
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _headers(self, media_type: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "Content-Type": media_type}
        token = self.config.token
        if self.config.token_file is not None:
            try:
                token = self.config.token_file.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ServiceUnavailable(f"token file {self.config.token_file}: {error}") from error
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return headers

    async def _send(
        self, method: str, path: str, query: Mapping[str, str], body: Any, media_type: str, timeout: float | None
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the client is not open: use it as an async context manager")
        try:
            response = await self._session.request(
                method,
                self.config.server + path,
                params=query,
                data=None if body is None else orjson.dumps(body),
                headers=self._headers(media_type),
                timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=5),
            )
        except _BROKEN as error:
            raise self._unavailable(error) from error
        if response.status < 400:
            return response
        raise await self._failure(response)

    def _unavailable(self, error: Exception, what: str = "") -> ServiceUnavailable:
        return ServiceUnavailable(f"{self.config.server}: {what}{str(error) or type(error).__name__}")

    async def _failure(self, response: aiohttp.ClientResponse) -> ApiError:
        """The error that a server answered with; its body may be broken."""
        cause: Exception | None = None
        status: Any = None
        try:
            status = orjson.loads(await response.read())
        except _BROKEN as error:
            cause = error
        if not isinstance(status, dict):
            status = {"message": f"HTTP {response.status} {response.reason}"}
        try:
            failure = from_status(status, response.status)
        except (ValueError, TypeError) as error:  # a code that is no number
            failure, cause = (
                from_status({"message": f"HTTP {response.status} {response.reason}"}, response.status),
                error,
            )
        failure.__cause__ = cause
        return failure

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        media_type: str = "application/json",
        timeout: float | None = 30,
    ) -> Obj:
        """Any request with a JSON answer. Raises ApiError."""
        response = await self._send(method, path, query or {}, body, media_type, timeout)
        try:
            out = orjson.loads(await response.read() or b"{}")
        except _BROKEN as error:
            raise self._unavailable(error, "broken answer: ") from error
        if not isinstance(out, dict):
            raise ServiceUnavailable(f"{self.config.server}: broken answer: not an object")
        return out

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Obj:
        return await self.request("GET", kind.path(namespace, name))

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Obj:
        """The list object; its ``metadata.resourceVersion`` is where a watch goes on."""
        return await self.request("GET", kind.path(namespace), query=_selectors(label_selector, field_selector))

    async def create(
        self,
        kind: Kind,
        obj: Obj,
        namespace: str | None = None,
        *,
        name: str | None = None,
        subresource: str | None = None,
    ) -> Obj:
        """POST; with ``name`` and ``subresource``, to a subresource such as ``binding`` or ``token``."""
        namespace = namespace or (obj.get("metadata") or {}).get("namespace")
        return await self.request("POST", kind.path(namespace, name, subresource), body=obj)

    async def update(self, kind: Kind, obj: Obj, *, subresource: str | None = None) -> Obj:
        meta = obj["metadata"]
        return await self.request("PUT", kind.path(meta.get("namespace"), meta["name"], subresource), body=obj)

    async def patch(
        self,
        kind: Kind,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        type: PatchType = "merge",
    ) -> Obj:
        path = kind.path(namespace, name, subresource)
        return await self.request("PATCH", path, body=patch, media_type=_PATCH_MEDIA[type])

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] | None = None,
    ) -> Obj:
        """With ``uid`` or ``resource_version``: Conflict when the object is another or has changed."""
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        options: Obj = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if any(preconditions.values()):
            options["preconditions"] = {k: v for k, v in preconditions.items() if v}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if propagation is not None:
            options["propagationPolicy"] = propagation
        return await self.request("DELETE", kind.path(namespace, name), body=options)

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> AsyncIterator[tuple[str, Obj]]:
        """(type, object) from ``resource_version`` on, BOOKMARKs too, until the server ends it.

        An ERROR event is raised as its ApiError: Expired when the revision is too old."""
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": resource_version}
        query |= _selectors(label_selector, field_selector)
        response = await self._send("GET", kind.path(namespace), query, None, "application/json", None)
        _keep_alive(response)
        pending = bytearray()
        try:
            while chunk := await self._chunk(response):
                pending += chunk
                *lines, rest = pending.split(b"\n")
                for line in lines:
                    change, obj = self._event(line)
                    yield change, obj
                pending = bytearray(rest)
                if len(pending) > _MAX_EVENT:
                    raise ServiceUnavailable(f"{self.config.server}: a watch event exceeds {_MAX_EVENT} bytes")
        finally:
            response.close()

    async def _chunk(self, response: aiohttp.ClientResponse) -> bytes:
        """The next bytes of a watch; none at its end."""
        try:
            return await response.content.readany()
        except _BROKEN as error:
            raise self._unavailable(error, "the watch broke: ") from error

    def _event(self, line: bytes | bytearray) -> tuple[str, Obj]:
        """Type and object of a watch event's line. Raises ApiError, also for an ERROR event."""
        try:
            event = orjson.loads(line)
            change, obj = event["type"], event["object"]
            if not isinstance(change, str) or not isinstance(obj, dict):
                raise TypeError("not a watch event")
            failure = from_status(obj) if change == "ERROR" else None
        except (ValueError, TypeError, LookupError) as error:
            raise self._unavailable(error, "the watch broke: ") from error
        if failure is not None:
            raise failure
        return change, obj


def _keep_alive(response: aiohttp.ClientResponse) -> None:
    """A watch may be silent for long; let the kernel find out within 20 s that the other end has gone."""
    transport = response.connection.transport if response.connection else None
    sock = transport.get_extra_info("socket") if transport else None
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 3), (socket.TCP_KEEPCNT, 3)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _selectors(labels: str | None, fields: str | None) -> dict[str, str]:
    given = {"labelSelector": labels, "fieldSelector": fields}
    return {k: v for k, v in given.items() if v}
