"""Requests that another process answers: logs, exec, attach, port-forward, and the proxy subresources.

The first four go to the agent of the pod's node (its API on 10250, the API server's own client certificate);
``proxy`` goes to the pod, a ready endpoint of the service, or the node. Upgrades are spliced as raw bytes,
everything else is streamed. Paths and parameters are the kubelet's.
"""

from __future__ import annotations

import random
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from kubette.api.errors import ApiError, BadRequest, InternalError, NotFound, ServiceUnavailable, not_found
from kubette.apiserver.config import ServerConfig
from kubette.apiserver.splice import UpstreamError, splice

if TYPE_CHECKING:
    from kubette.apiserver.verbs.base import Call

Object = dict[str, Any]
_LOG_PARAMS = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream")
_UPGRADE_HEADERS = frozenset({"connection", "upgrade", "x-stream-protocol-version", "content-length"})
_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers",
    "transfer-encoding", "upgrade", "host", "authorization", "content-length",
})  # fmt: skip


class NodeClient:
    """Connections to agents. Made on first use."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._tls: ssl.SSLContext | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def tls(self) -> ssl.SSLContext:
        if self._tls is None:
            tls = ssl.create_default_context(cafile=str(self._config.ca_cert))
            # Agents are known by an address that may move; what counts is that our CA vouches for them.
            tls.check_hostname = False
            tls.load_cert_chain(self._config.kubelet_client_cert, self._config.kubelet_client_key)
            self._tls = tls
        return self._tls

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
            self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


# ---- to the agent


async def log(call: Call) -> web.StreamResponse:
    """``kubectl logs``."""
    call.require("get")
    pod = _pod(call)
    container = _container(call, pod)
    if not (pod.get("spec") or {}).get("nodeName"):
        return web.Response(text="", headers={"Content-Type": "text/plain"})
    host, port = _agent(call, pod["spec"]["nodeName"])
    info = call.info
    query = [(name, info.param(name)) for name in _LOG_PARAMS if name in info.query]
    url = f"https://{_bracketed(host)}:{port}/containerLogs/{info.namespace}/{info.name}/{container}?{urlencode(query)}"
    try:
        async with call.app.nodes.session.get(url, ssl=call.app.nodes.tls) as answer:
            if answer.status != 200:
                raise _refusal(answer.status, await answer.text())
            return await _relay(call, answer, {"Content-Type": "text/plain"})
    except aiohttp.ClientConnectionError as e:
        raise InternalError(f"Get {url!r}: {e}", code=500) from e


async def exec_(call: Call) -> web.StreamResponse:
    """``kubectl exec``."""
    return await _interactive(call, "exec")


async def attach(call: Call) -> web.StreamResponse:
    """``kubectl attach``."""
    return await _interactive(call, "attach")


async def port_forward(call: Call) -> web.StreamResponse:
    """``kubectl port-forward``."""
    call.require("create" if call.info.method == "POST" else "get")
    pod = _pod(call)
    host, port = _scheduled(call, pod)
    query = [("port", p) for value in call.info.query.get("ports", ()) for p in value.split(",")]
    return await _upgrade(call, host, port, f"/portForward/{call.info.namespace}/{call.info.name}", query)


async def _interactive(call: Call, what: str) -> web.StreamResponse:
    call.require("create" if call.info.method == "POST" else "get")
    info = call.info
    pod = _pod(call)
    container = _container(call, pod)
    query = [("command", c) for c in info.query.get("command", ())]
    for theirs, ours in (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")):
        if info.flag(theirs) and not (theirs == "stderr" and info.flag("tty")):
            query.append((ours, "1"))
    if not any(name in ("input", "output", "error") for name, _ in query):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    if what == "exec" and not info.query.get("command"):
        raise BadRequest("you must specify a command")
    host, port = _scheduled(call, pod)
    return await _upgrade(call, host, port, f"/{what}/{info.namespace}/{info.name}/{container}", query)


async def _upgrade(call: Call, host: str, port: int, path: str, query: list[tuple[str, str]]) -> web.StreamResponse:
    if "upgrade" not in call.request.headers.get("Connection", "").lower():
        raise BadRequest("Upgrade request required")
    target = path + ("?" + urlencode(query) if query else "")
    try:
        return await splice(
            call.request, host, port, target, _upgrade_headers(call, f"{_bracketed(host)}:{port}"), call.app.nodes.tls
        )
    except UpstreamError as e:
        raise InternalError(f"error dialing backend: {e}") from e


def _upgrade_headers(call: Call, host: str) -> list[tuple[str, str]]:
    out = [("Host", host)]
    for name, value in call.request.headers.items():
        if name.lower() in _UPGRADE_HEADERS or name.lower().startswith("sec-websocket-"):
            out.append((name, value))
    return out


def _pod(call: Call) -> Object:
    return _object(call, "pods", call.info.name)


def _object(call: Call, resource: str, name: str) -> Object:
    namespace = call.info.namespace if resource != "nodes" else ""
    entry = call.app.objects.store.get(resource, namespace, name)
    if entry is None:
        raise not_found(resource, name)
    obj: Object = orjson.loads(entry.value)
    return obj


def _container(call: Call, pod: Object) -> str:
    """The container asked for, or the only one, or the annotated default."""
    spec = pod.get("spec") or {}
    regular = [c["name"] for c in spec.get("containers") or ()]
    init = [c["name"] for c in spec.get("initContainers") or ()]
    ephemeral = [c["name"] for c in spec.get("ephemeralContainers") or ()]
    asked = call.info.param("container")
    name = call.info.name
    if asked:
        if asked not in (*regular, *init, *ephemeral):
            raise BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    if len(regular) == 1:
        return str(regular[0])
    annotated = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if annotated in regular:
        return str(annotated)
    words = f"a container name must be specified for pod {name}, choose one of: [{' '.join(regular)}]"
    if init:
        words += f" or one of the init containers: [{' '.join(init)}]"
    raise BadRequest(words)


def _scheduled(call: Call, pod: Object) -> tuple[str, int]:
    node = (pod.get("spec") or {}).get("nodeName")
    if not node:
        raise BadRequest(f"pod {call.info.name} does not have a host assigned")
    return _agent(call, node)


def _agent(call: Call, name: str) -> tuple[str, int]:
    """Address and port of a node's API."""
    node = _object(call, "nodes", name)
    status = node.get("status") or {}
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
    for wanted in ("InternalIP", "ExternalIP", "Hostname"):
        for address in status.get("addresses") or ():
            if address.get("type") == wanted:
                return str(address["address"]), int(port or call.app.config.kubelet_port)
    raise InternalError(f"no preferred addresses found; known addresses: {status.get('addresses') or []}")


def _refusal(status: int, text: str) -> ApiError:
    """What a non-200 of the agent is to a client: its text with its code."""
    text = text.strip()
    if status == 404:
        return NotFound(text or "the server could not find the requested resource", details={})
    if status == 400:
        return BadRequest(text)
    return InternalError(text or f"the node answered {status}", code=status if status >= 400 else 500)


async def _relay(call: Call, answer: aiohttp.ClientResponse, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=headers)
    if answer.content_length is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = answer.content_length
    await response.prepare(call.request)
    try:
        async for part in answer.content.iter_any():
            await response.write(part)
        await response.write_eof()
    except ConnectionResetError:
        pass  # the client has gone
    except aiohttp.ClientError:
        response.force_close()  # cut off: the client must see that this is not the end
    return response


# ---- proxy


async def proxy(call: Call) -> web.StreamResponse:
    """``/proxy/…`` of a pod, service or node: the request is passed on."""
    scheme, name, port = _split(call.info.name)
    plural = call.kind.plural
    if plural == "nodes":
        host, number = _agent(call, name)
        scheme = "https"
        if port:
            number = int(port) if port.isdigit() else number
    elif plural == "pods":
        host, number = _pod_target(call, name, port)
    else:
        host, number = _service_target(call, name, port)
    target = quote(call.info.rest or "/", safe="/:@!$&'()*+,;=~-._%")
    if call.info.raw_query:
        target += "?" + call.info.raw_query
    tls = call.app.nodes.tls if plural == "nodes" else _unverified() if scheme == "https" else None
    if "upgrade" in call.request.headers.get("Connection", "").lower():
        try:
            return await splice(
                call.request, host, number, target, _upgrade_headers(call, f"{_bracketed(host)}:{number}"), tls
            )
        except UpstreamError as e:
            raise ServiceUnavailable(str(e)) from e
    headers = [(k, v) for k, v in call.request.headers.items() if k.lower() not in _HOP]
    url = f"{scheme or 'http'}://{_bracketed(host)}:{number}{target}"
    body = await call.body()
    session = call.app.nodes.session
    try:
        async with session.request(
            call.request.method, URL(url, encoded=True), headers=CIMultiDict(headers), data=body or None,
            ssl=tls if tls is not None else True, allow_redirects=False,
        ) as answer:  # fmt: skip
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
            return await _relay(call, answer, kept)
    except aiohttp.ClientConnectionError as e:
        raise ServiceUnavailable(f"error trying to reach service: {e}") from e


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
    pod = _object(call, "pods", name)
    address = (pod.get("status") or {}).get("podIP")
    if not address:
        raise BadRequest("address not allowed")
    ports = [p for c in (pod.get("spec") or {}).get("containers") or () for p in c.get("ports") or ()]
    if port.isdigit():
        return str(address), int(port)
    for candidate in ports:
        if not port or candidate.get("name") == port:
            return str(address), int(candidate["containerPort"])
    return str(address), 80


def _service_target(call: Call, name: str, port: str) -> tuple[str, int]:
    service = _object(call, "services", name)
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
        (a["ip"], int(p["port"]))
        for subset in subsets
        for a in subset.get("addresses") or ()
        for p in subset.get("ports") or ()
        if (p.get("name") or "") == (chosen.get("name") or "")
    ]
    if not found:
        raise ServiceUnavailable(f'no endpoints available for service "{name}"')
    return random.choice(found)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _unverified() -> ssl.SSLContext:
    """For ``https:`` pods and services: upstream does not verify those either."""
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return tls
