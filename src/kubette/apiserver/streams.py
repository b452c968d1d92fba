"""Requests that the agent of a pod's node answers: logs, exec, attach, port-forward.

They go to its API on 10250 with the API server's own client certificate. Upgrades are spliced as raw bytes, logs are
streamed. Paths and parameters are the kubelet's.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import orjson
from aiohttp import WSMsgType, web

from kubette.api.errors import ApiError, BadRequest, InternalError, NotFound, invalid_object, not_found
from kubette.apiserver import dialing, logoptions
from kubette.apiserver.config import ServerConfig
from kubette.apiserver.splice import UpstreamError, splice

if TYPE_CHECKING:
    from kubette.apiserver.verbs.base import Call

Object = dict[str, Any]
_LOG_PROTOCOLS = ("binary.k8s.io", "base64.binary.k8s.io")
_GOODBYE_SECONDS = 10.0
_UPGRADE_HEADERS = frozenset({"connection", "upgrade", "x-stream-protocol-version", "content-length"})


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
            jar = aiohttp.DummyCookieJar()  # what one pod sets is not sent to another
            self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False, cookie_jar=jar)
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
    info = call.info
    options = {name: info.param(name) for name in logoptions.PARAMETERS if name in info.query}
    if found := logoptions.problems(options):
        raise invalid_object("PodLogOptions", info.name, found)
    container = _container(call, pod)
    if not (pod.get("spec") or {}).get("nodeName"):
        return web.Response(text="", headers={"Content-Type": "text/plain"})
    host, port = await agent_of(call, pod["spec"]["nodeName"])
    path = f"/containerLogs/{info.namespace}/{info.name}/{container}"
    url = f"https://{bracketed(host)}:{port}{path}?{urlencode(options)}"
    try:
        async with call.app.nodes.session.get(url, ssl=call.app.nodes.tls) as answer:
            if answer.status != 200:
                raise _refusal(answer.status, await answer.text())
            if _wants_websocket(call.request):
                return await _as_messages(call.request, answer.content)
            return await relay(call, answer, {"Content-Type": "text/plain"})
    except aiohttp.ClientConnectionError as e:
        raise InternalError(f"Get {url!r}: {e}", code=500) from e


def _wants_websocket(request: web.BaseRequest) -> bool:
    connection = request.headers.get("Connection", "").lower()
    return "upgrade" in connection and request.headers.get("Upgrade", "").lower() == "websocket"


async def _as_messages(request: web.BaseRequest, content: aiohttp.StreamReader) -> web.StreamResponse:
    """A log as WebSocket messages, as they come: binary, or text in base64. An empty one says that the stream has
    begun (``k8s.io/streaming/pkg/httpstream/wsstream``, ``NewDefaultReaderProtocols``)."""
    socket = web.WebSocketResponse(protocols=_LOG_PROTOCOLS, compress=False, timeout=_GOODBYE_SECONDS)
    await socket.prepare(request)
    in_base64 = socket.ws_protocol == _LOG_PROTOCOLS[1]

    async def send(data: bytes) -> None:
        if in_base64:
            await socket.send_str(base64.b64encode(data).decode())
        else:
            await socket.send_bytes(data)

    async def copy() -> None:
        await send(b"")
        async for part in content.iter_any():
            await send(part)

    async def until_gone() -> None:
        while (await socket.receive()).type in (WSMsgType.BINARY, WSMsgType.TEXT):
            continue

    tasks = [asyncio.create_task(copy(), name="log-copy"), asyncio.create_task(until_gone(), name="log-client")]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        # A client that leaves, or a node that is cut off, ends the stream: there is no other way to say so.
        await asyncio.gather(*tasks, return_exceptions=True)
    await socket.close()
    return socket


async def exec_(call: Call) -> web.StreamResponse:
    """``kubectl exec``."""
    return await _interactive(call, "exec")


async def attach(call: Call) -> web.StreamResponse:
    """``kubectl attach``."""
    return await _interactive(call, "attach")


async def port_forward(call: Call) -> web.StreamResponse:
    """``kubectl port-forward``."""
    call.authorize("create")
    pod = _pod(call)
    host, port = await _scheduled(call, pod)
    query = [("port", p) for value in call.info.query.get("ports", ()) for p in value.split(",")]
    return await _upgrade(call, host, port, f"/portForward/{call.info.namespace}/{call.info.name}", query)


async def _interactive(call: Call, what: str) -> web.StreamResponse:
    call.authorize("create")  # also of a GET, as which a WebSocket comes
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
    host, port = await _scheduled(call, pod)
    return await _upgrade(call, host, port, f"/{what}/{info.namespace}/{info.name}/{container}", query)


async def _upgrade(call: Call, host: str, port: int, path: str, query: list[tuple[str, str]]) -> web.StreamResponse:
    if "upgrade" not in call.request.headers.get("Connection", "").lower():
        raise BadRequest("Upgrade request required")
    target = path + ("?" + urlencode(query) if query else "")
    authority = f"{bracketed(host)}:{port}"
    nodes = call.app.nodes

    async def refused(answer: aiohttp.ClientResponse) -> web.StreamResponse:
        return await relay(call, answer, {"Content-Type": answer.headers.get("Content-Type", "text/plain")})

    try:
        headers = upgrade_headers(call, authority)
        return await splice(call.request, nodes.session, f"https://{authority}{target}", headers, nodes.tls, refused)
    except UpstreamError as e:
        raise InternalError(str(e)) from e


def upgrade_headers(call: Call, host: str) -> list[tuple[str, str]]:
    """Those that make an upgrade; no others go to a node."""
    out = [("Host", host)]
    for name, value in call.request.headers.items():
        if name.lower() in _UPGRADE_HEADERS or name.lower().startswith("sec-websocket-"):
            out.append((name, value))
    return out


def _pod(call: Call) -> Object:
    return stored(call, "pods", call.info.name)


def stored(call: Call, resource: str, name: str) -> Object:
    """An object of the request's namespace, as it is now. Raises NotFound."""
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


async def _scheduled(call: Call, pod: Object) -> tuple[str, int]:
    node = (pod.get("spec") or {}).get("nodeName")
    if not node:
        raise BadRequest(f"pod {call.info.name} does not have a host assigned")
    return await agent_of(call, node)


async def agent_of(call: Call, name: str) -> tuple[str, int]:
    """Address and port of a node's API. Raises BadRequest for an address that is never dialed."""
    node = stored(call, "nodes", name)
    status = node.get("status") or {}
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
    for wanted in ("InternalIP", "ExternalIP", "Hostname"):
        for address in status.get("addresses") or ():
            if address.get("type") == wanted:
                host = await dialing.resolve(str(address["address"]), call.app.config.dialable)
                return host, int(port or call.app.config.kubelet_port)
    raise InternalError(f"no preferred addresses found; known addresses: {status.get('addresses') or []}")


def _refusal(status: int, text: str) -> ApiError:
    """What a non-200 of the agent is to a client: its text with its code."""
    text = text.strip()
    if status == 404:
        return NotFound(text or "the server could not find the requested resource", details={})
    if status == 400:
        return BadRequest(text)
    return InternalError(text or f"the node answered {status}", code=status if status >= 400 else 500)


async def relay(
    call: Call,
    answer: aiohttp.ClientResponse,
    headers: Mapping[str, str],
    content: AsyncIterator[bytes] | None = None,
) -> web.StreamResponse:
    """Pass an answer on as it comes; ``content``: in place of its own body."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    if answer.content_length is None or content is not None:
        response.enable_chunked_encoding()
    else:
        response.content_length = answer.content_length
    await response.prepare(call.request)
    try:
        async for part in content or answer.content.iter_any():
            await response.write(part)
        await response.write_eof()
    except ConnectionResetError:
        pass  # the client has gone
    except aiohttp.ClientError:
        response.force_close()  # cut off: the client must see that this is not the end
    return response


def bracketed(host: str) -> str:
    """The host as URLs have it."""
    return f"[{host}]" if ":" in host else host
