"""The ``proxy`` subresources: a request is passed on to a pod, a ready endpoint of a service, or a node.

Upgrades are spliced as raw bytes, everything else is streamed both ways. As upstream: a GET without a path is sent to
the one with a slash, and pages are changed so that their links lead back through here (``rewriting``).
"""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import aiohttp
import orjson
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from kubette.api.errors import BadRequest, ServiceUnavailable
from kubette.apiserver.dialing import checked
from kubette.apiserver.rewriting import Rewriting, cut
from kubette.apiserver.splice import UpstreamError, splice
from kubette.apiserver.streams import Object, agent_of, bracketed, relay, stored, upgrade_headers

if TYPE_CHECKING:
    from kubette.apiserver.verbs.base import Call

_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers",
    "transfer-encoding", "upgrade", "host", "authorization", "content-length", "expect",
})  # fmt: skip
_NOT_OURS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # what aiohttp would say in the client's place


async def proxy(call: Call) -> web.StreamResponse:
    """``/proxy/…`` of a pod, service or node."""
    request, info = call.request, call.info
    scheme, name, port = _split(info.name)
    plural = call.kind.plural
    tls = _unverified() if scheme == "https" else None
    if plural == "nodes":
        host, number = await agent_of(call, name)
        if port in ("", str(number)):
            scheme, tls = "https", call.app.nodes.tls
        else:
            number = _number(port)  # not the agent's: no other port sees this server's certificate
    elif plural == "pods":
        host, number = _pod_target(call, name, port)
    else:
        host, number = _service_target(call, name, port)
    target = f"{bracketed(host)}:{number}"
    prefix, path = info.prefix, info.rest
    query = f"?{info.raw_query}" if info.raw_query else ""
    url = f"{scheme or 'http'}://{target}{path or '/'}{query}"
    if "upgrade" in request.headers.get("Connection", "").lower():

        async def refused(answer: aiohttp.ClientResponse) -> web.StreamResponse:
            return await _answer(call, answer, Rewriting(prefix, target, request.host))

        try:
            return await splice(request, call.app.nodes.session, url, upgrade_headers(call, target), tls, refused)
        except UpstreamError as e:
            raise ServiceUnavailable(str(e)) from e
    if not path and request.method in ("GET", "HEAD"):
        return web.Response(status=301, headers={"Location": f"{prefix}/{query}"})
    try:
        async with call.app.nodes.session.request(
            request.method, URL(url, encoded=True), headers=_headers(request, prefix + path),
            data=request.content if request.body_exists else None, skip_auto_headers=_NOT_OURS,
            ssl=tls if tls is not None else True, allow_redirects=False,
        ) as answer:  # fmt: skip
            return await _answer(call, answer, Rewriting(prefix, target, request.host))
    except aiohttp.ClientError as e:
        raise ServiceUnavailable(f"error trying to reach service: {e}") from e


def _headers(request: web.BaseRequest, path: str) -> CIMultiDict[str]:
    """The client's, without its credentials for us, and what upstream adds."""
    out = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in _HOP)
    if "Content-Length" in request.headers:
        out["Content-Length"] = request.headers["Content-Length"]
    if "text/html" in out.get("Accept", ""):
        out.popall("Accept-Encoding", None)  # or its links could not be read
    forwarded = [*out.popall("X-Forwarded-For", []), request.remote or ""]
    out["X-Forwarded-For"] = ", ".join(filter(None, forwarded))
    out["X-Forwarded-Uri"], out["X-Forwarded-Host"], out["X-Forwarded-Proto"] = path, request.host, request.scheme
    return out


async def _answer(call: Call, answer: aiohttp.ClientResponse, rewriting: Rewriting) -> web.StreamResponse:
    headers = CIMultiDict((k, v) for k, v in answer.headers.items() if k.lower() not in _HOP)
    if location := headers.get("Location"):
        headers["Location"] = rewriting.url(location)
    html = answer.content_type == "text/html" and "Content-Encoding" not in headers and call.request.method != "HEAD"
    return await relay(call, answer, headers, _rewritten(answer.content, rewriting) if html else None)


async def _rewritten(content: aiohttp.StreamReader, rewriting: Rewriting) -> AsyncIterator[bytes]:
    rest = b""
    async for part in content.iter_any():
        rest += part
        end = cut(rest)
        if end:
            yield rewriting.html(rest[:end])
            rest = rest[end:]
    yield rewriting.html(rest)


def _split(name: str) -> tuple[str, str, str]:
    """``[scheme:]name[:port]``"""
    parts = name.split(":")
    if len(parts) == 1:
        return "", parts[0], ""
    if len(parts) == 2:
        return "", parts[0], parts[1]
    if len(parts) == 3 and parts[0] in ("", "http", "https"):
        return parts[0], parts[1], parts[2]
    raise BadRequest(f'invalid proxy request "{name}"')


def _pod_target(call: Call, name: str, port: str) -> tuple[str, int]:
    pod = stored(call, "pods", name)
    address = (pod.get("status") or {}).get("podIP")
    host = checked(str(address or ""), call.app.config.dialable)
    ports = [p for c in (pod.get("spec") or {}).get("containers") or () for p in c.get("ports") or ()]
    for candidate in ports:
        if not port or candidate.get("name") == port:
            return host, int(candidate["containerPort"])
    return host, _number(port) if port else 80


def _number(port: str) -> int:
    """Raises ServiceUnavailable, as for a port on which nothing listens."""
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535):
        raise ServiceUnavailable(f"error trying to reach service: address {port}: invalid port")
    return int(port)


def _service_target(call: Call, name: str, port: str) -> tuple[str, int]:
    service = stored(call, "services", name)
    ports = (service.get("spec") or {}).get("ports") or []
    if not port and len(ports) == 1:
        chosen: Object | None = ports[0]
    else:
        chosen = next((p for p in ports if port in (p.get("name"), str(p.get("port")))), None)
    if chosen is None:
        raise ServiceUnavailable(f'no service port "{port}" found for service "{name}"')
    entry = call.app.objects.store.get("endpoints", call.info.namespace, name)
    subsets = (orjson.loads(entry.value).get("subsets") or ()) if entry else ()
    found = [
        (a["ip"], int(p["port"]), (a.get("targetRef") or {}))
        for subset in subsets
        for a in subset.get("addresses") or ()
        for p in subset.get("ports") or ()
        if (p.get("name") or "") == (chosen.get("name") or "")
    ]
    random.shuffle(found)
    for address, number, target in found:
        if _is_pod(call, address, target):
            return checked(address, call.app.config.dialable), number
    raise ServiceUnavailable(f'no endpoints available for service "{name}"')


def _is_pod(call: Call, address: str, target: Object) -> bool:
    """Whether the address is that of the pod which the endpoint names: a user who may write endpoints could otherwise
    reach any address through this server."""
    if target.get("namespace") != call.info.namespace:
        return False
    entry = call.app.objects.store.get("pods", call.info.namespace, str(target.get("name") or ""))
    status = (orjson.loads(entry.value).get("status") or {}) if entry else {}
    return address in [ip.get("ip") for ip in status.get("podIPs") or ()]


def _unverified() -> ssl.SSLContext:
    """For ``https:`` pods and services: upstream does not verify those either."""
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return tls
