"""The node's own HTTPS API on port 10250: logs, exec, attach, port-forward, pods, health, statistics.

Only the API server (CN ``kube-apiserver-kubelet-client``) and administrators (O ``system:masters``) may use it,
by a client certificate of the cluster's CA. This holds for every path, also for ``/healthz``. A kubelet takes tokens,
too, and asks the API server what their users may. Paths and parameters are the kubelet's.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import orjson
from aiohttp import web

from kubette.agent import logs, stats
from kubette.agent.container_spec import LABEL_CONTAINER
from kubette.agent.lifecycle import any_container
from kubette.agent.pod_worker import PodWorker
from kubette.agent.shared import Shared
from kubette.agent.streams.portforward import serve_portforward
from kubette.agent.streams.remotecommand import serve_exec
from kubette.api import meta
from kubette.api.meta import Object
from kubette.network import netns
from kubette.runtime.interface import Container, ContainerState, RuntimeFailure, Streams

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CLIENT = "kube-apiserver-kubelet-client"
_ADMINS = "system:masters"
_AUTHORIZED_SECONDS = 10.0  # a connection without an authorized request by then is closed
_LINE_MAX = 256 * 1024  # of a request's head, as the API server's: an exec's command lies in the URL


class Workers(Protocol):
    """Where the API finds its pods."""

    def find(self, namespace: str, name: str) -> PodWorker | None: ...
    def all(self) -> list[PodWorker]: ...


def allowed(certificate: Any) -> bool:
    """Whether the bearer of this verified certificate (``getpeercert()``) may use the API."""
    names: dict[str, set[str]] = {}
    for part in (certificate or {}).get("subject") or ():
        for key, value in part:
            names.setdefault(key, set()).add(value)
    return _CLIENT in names.get("commonName", ()) or _ADMINS in names.get("organizationName", ())


def _refused(request: web.Request) -> web.Response | None:
    """The answer to a request without the right certificate; it ends the connection."""
    tls = request.transport.get_extra_info("ssl_object") if request.transport else None
    certificate = tls.getpeercert() if tls else None
    if allowed(certificate):
        return None
    status, text = (403, "Forbidden") if certificate else (401, "Unauthorized")
    answer = web.Response(status=status, text=text)
    answer.force_close()
    return answer


class NodeApi:
    def __init__(self, shared: Shared, workers: Workers) -> None:
        self._shared = shared
        self._workers = workers
        self._unauthorized: dict[object, asyncio.TimerHandle] = {}  # new connections, and what closes them

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._authorize])
        pod, container = "/{namespace}/{pod}", "/{container}"
        app.router.add_get("/healthz", _healthz)
        app.router.add_get("/pods", self._pods)
        app.router.add_get("/stats/summary", self._stats)
        app.router.add_get(f"/containerLogs{pod}{container}", self._logs)
        for verb in ("exec", "attach"):
            handler = self._exec if verb == "exec" else self._attach
            for path in (f"/{verb}{pod}{container}", f"/{verb}{pod}/{{uid}}{container}"):
                app.router.add_route("GET", path, handler)
                app.router.add_route("POST", path, handler)
        for path in (f"/portForward{pod}", f"/portForward{pod}/{{uid}}"):
            app.router.add_route("GET", path, self._port_forward)
            app.router.add_route("POST", path, self._port_forward)
        return app

    def tls(self) -> ssl.SSLContext:
        config = self._shared.config
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(config.tls_cert, config.tls_key)
        context.load_verify_locations(config.ca_cert)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Listen on the node's addresses."""
        runner = web.AppRunner(
            self.app(), access_log=None, shutdown_timeout=1.0, max_line_size=_LINE_MAX, max_field_size=_LINE_MAX
        )
        await runner.setup()
        loop, config, server = asyncio.get_running_loop(), self._shared.config, runner.server
        assert server is not None

        def connection() -> web.RequestHandler:
            made = server()
            self._unauthorized[made] = loop.call_later(_AUTHORIZED_SECONDS, self._close_unauthorized, made)
            return made

        listener: asyncio.Server | None = None
        try:
            listener = await loop.create_server(
                connection, config.node_ips, config.port, ssl=self.tls(), reuse_address=True,
                ssl_handshake_timeout=_AUTHORIZED_SECONDS,
            )  # fmt: skip
            yield
        finally:
            if listener is not None:
                listener.close()
            for timer in self._unauthorized.values():
                timer.cancel()
            await runner.cleanup()

    # -- who may -------------------------------------------------------------------------------------

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if (refusal := _refused(request)) is not None:
            return refusal
        if timer := self._unauthorized.pop(request.protocol, None):
            timer.cancel()
        try:
            return await handler(request)
        except RuntimeFailure as error:
            return web.Response(status=500, text=str(error))

    def _close_unauthorized(self, connection: web.RequestHandler) -> None:
        del self._unauthorized[connection]
        connection.force_close()

    # -- finding -------------------------------------------------------------------------------------

    def _worker(self, request: web.Request) -> PodWorker:
        namespace, name = request.match_info["namespace"], request.match_info["pod"]
        worker = self._workers.find(namespace, name)
        if worker is None or request.match_info.get("uid", worker.uid) != worker.uid:
            raise web.HTTPNotFound(text=f'pod "{name}" does not exist in namespace "{namespace}"')
        return worker

    def _spec(self, worker: PodWorker, name: str) -> Object:
        pod = worker.pod
        found = next((c for c in any_container(pod) if c["name"] == name), None)
        if found is None:
            words = f'container "{name}" not found in pod "{meta.name(pod)}_{meta.namespace(pod)}"'
            raise web.HTTPNotFound(text=words)
        return found

    async def _running(self, request: web.Request) -> Container:
        worker, name = self._worker(request), request.match_info["container"]
        self._spec(worker, name)
        record = worker.containers.get(name)
        current = await self._shared.runtime.get(record.current.id) if record and record.current else None
        if current is None or current.state is not ContainerState.RUNNING:
            raise web.HTTPNotFound(text=f'container not found ("{name}")')
        return current

    # -- handlers ------------------------------------------------------------------------------------

    async def _pods(self, request: web.Request) -> web.Response:
        items = [w.pod for w in self._workers.all()]
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    async def _stats(self, request: web.Request) -> web.Response:
        body = await stats.summary(self._shared, self._workers.all())
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        current = await self._running(request)
        command = request.query.getall("command", [])
        if not command:
            raise web.HTTPBadRequest(text="you must specify at least 1 of command")
        wanted = _wanted(request)

        async def open_streams() -> Streams:
            return await self._shared.runtime.exec_stream(current.id, command, tty=wanted["tty"], stdin=wanted["stdin"])

        return await serve_exec(request, open_streams, **wanted)

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        current = await self._running(request)
        spec = self._spec(self._worker(request), current.labels.get(LABEL_CONTAINER, current.name))
        wanted = {**_wanted(request), "tty": bool(spec.get("tty"))}

        async def open_streams() -> Streams:
            return await self._shared.runtime.attach_stream(current.id)

        return await serve_exec(request, open_streams, attach=True, **wanted)

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        worker = self._worker(request)

        async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            if worker.setup is None:
                raise OSError("the pod is not running")
            return await _connect(worker.setup.sandbox.netns, port, worker.uid)

        return await serve_portforward(request, dial)

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        worker, name = self._worker(request), request.match_info["container"]
        self._spec(worker, name)
        options, previous = _log_options(request)
        run = self._run_of(worker, name, previous)
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)

        async def alive() -> bool:
            found = await self._shared.runtime.get(run.id)
            return found is not None and found.state in (ContainerState.RUNNING, ContainerState.CREATED)

        async for piece in logs.read(run.log_path, options, alive):
            if request.transport is None or request.transport.is_closing():
                break
            if piece:
                await answer.write(piece)
        await answer.write_eof()
        return answer

    def _run_of(self, worker: PodWorker, name: str, previous: bool) -> Container:
        pod = meta.name(worker.pod)
        record = worker.containers.get(name)
        runs = record.runs if record else []
        if previous:
            if len(runs) < 2:
                raise web.HTTPBadRequest(text=f'previous terminated container "{name}" in pod "{pod}" not found')
            return runs[-2]
        if not runs:
            reason = record.waiting[0] if record and record.waiting else "ContainerCreating"
            words = f'container "{name}" in pod "{pod}" is waiting to start: {reason}'
            if record and record.waiting and record.waiting[0] in ("ErrImagePull", "ImagePullBackOff"):
                words = f'container "{name}" in pod "{pod}" is waiting to start: trying and failing to pull image'
            raise web.HTTPBadRequest(text=words)
        return runs[-1]


async def _connect(path: Path | None, port: int, uid: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To a port of localhost in a pod's network namespace (None: the node's). OSError, worded as containerd's."""
    failed = []
    for number, family, host in ((4, socket.AF_INET, "127.0.0.1"), (6, socket.AF_INET6, "::1")):
        made: socket.socket | None = None
        try:
            make = functools.partial(socket.socket, family, socket.SOCK_STREAM)
            made = await asyncio.to_thread(netns.inside, path, make) if path else make()
            made.setblocking(False)
            await asyncio.get_running_loop().sock_connect(made, (host, port))
            return await asyncio.open_connection(sock=made)
        except BaseException as error:
            if made is not None:
                made.close()
            if not isinstance(error, OSError):
                raise
            address = f"[{host}]" if number == 6 else host
            why = os.strerror(error.errno or 0).lower()
            failed.append(f"IPv{number}: dial tcp{number} {address}:{port}: connect: {why}")
    raise OSError(f'failed to connect to localhost:{port} inside namespace "{uid}", {", ".join(failed)}')


async def _healthz(request: web.Request) -> web.Response:
    return web.Response(text="ok")


def _true(request: web.Request, *names: str) -> bool:
    return any(request.query.get(n, "").lower() in ("1", "true", "t") for n in names)


def _wanted(request: web.Request) -> dict[str, bool]:
    """The kubelet's own parameter names, or those of the Pod's subresources."""
    return {
        "stdin": _true(request, "input", "stdin"),
        "stdout": _true(request, "output", "stdout"),
        "stderr": _true(request, "error", "stderr"),
        "tty": _true(request, "tty"),
    }


def _log_options(request: web.Request) -> tuple[logs.Options, bool]:
    """The options, and whether the run before is asked for. HTTPBadRequest when they make no sense."""
    q = request.query
    since: float | None = None
    try:
        tail = int(q["tailLines"]) if q.get("tailLines") else None
        limit = int(q["limitBytes"]) if q.get("limitBytes") else None
        if q.get("sinceTime"):
            since = meta.parse_time(re.sub(r"(\.\d{6})\d+", r"\1", q["sinceTime"])).timestamp()
        elif q.get("sinceSeconds"):
            since = time.time() - int(q["sinceSeconds"])
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"invalid log options: {error}") from error
    if (tail is not None and tail < 0) or (limit is not None and limit < 1):
        raise web.HTTPBadRequest(text="invalid log options: tailLines and limitBytes must not be negative")
    stream = {"Stdout": "stdout", "Stderr": "stderr"}.get(q.get("stream", ""), "")
    follow, stamps = _true(request, "follow"), _true(request, "timestamps")
    return logs.Options(follow, tail, since, stamps, limit, stream), _true(request, "previous")
