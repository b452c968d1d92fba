"""The handlers of probes and lifecycle hooks, run once: exec, HTTP, TCP, gRPC, sleep. Worded as the kubelet does.

Network handlers run in the node's network namespace; certificates are not verified. Sources:
https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/ and
https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict

from kubette.agent import grpc_health
from kubette.agent.expansion import expand_all
from kubette.api.meta import Object
from kubette.runtime.interface import Runtime, RuntimeFailure

Outcome = tuple[bool, str]  # success, output

REDIRECTED = "Probe terminated redirects"  # a success that deserves a warning
_MAX_BODY = 10 * 1024
_MAX_REDIRECTS = 10
_PROBE_AGENT, _HOOK_AGENT = "kube-probe/1.36", "kube-lifecycle/1.36"


class HandlerError(Exception):
    """The handler could not be run (an unknown port name, …): neither success nor failure."""


class HookFailure(Exception):
    """The hook did not succeed. ``subject``: the hook as the kubelet names it. The message may hold secrets, so it
    belongs in no event."""

    def __init__(self, subject: str, message: str) -> None:
        super().__init__(message)
        self.subject = subject


def port_number(container: Object, port: Any) -> int:
    """The number of a probe's or hook's port, which may be a name of the container's."""
    if isinstance(port, int):
        return port
    for p in container.get("ports") or ():
        if p.get("name") == port:
            return int(p["containerPort"])
    if str(port).isdigit():
        return int(port)
    raise HandlerError(f"couldn't find port: {port!r} in container {container['name']}")


@functools.cache
def insecure_tls() -> ssl.SSLContext:
    """Certificates are not verified, so no certificate authority is loaded."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def run_probe(probe: Object, container: Object, pod_ip: str, container_id: str, runtime: Runtime) -> Outcome:
    """One attempt within the probe's timeout. HandlerError when there is no result."""
    timeout = float(probe.get("timeoutSeconds") or 1)
    if action := probe.get("exec"):
        return await _exec(runtime, container_id, _probe_command(action, container), timeout)
    if action := probe.get("httpGet"):
        return await _http_probe(action, container, pod_ip, timeout)
    if action := probe.get("tcpSocket"):
        return await _tcp(action.get("host") or pod_ip, port_number(container, action["port"]), timeout)
    if action := probe.get("grpc"):
        return await grpc_health.check(pod_ip, int(action["port"]), action.get("service") or "", timeout)
    raise HandlerError("missing probe handler")


async def run_hook(
    handler: Object, container: Object, pod_ip: str, container_id: str, runtime: Runtime, limit: float | None = None
) -> None:
    """Run the hook, for at most ``limit`` seconds. HookFailure when it does not succeed."""
    subject = _hook_subject(handler)
    try:
        async with asyncio.timeout(limit):
            if action := handler.get("exec"):
                result = await runtime.exec(container_id, action.get("command") or (), limit or 0)
                if result.exit_code:
                    text = result.output.decode(errors="replace")
                    why = f"command '{' '.join(action['command'])}' exited with {result.exit_code}: {text}"
                    raise HookFailure(subject, f"error: {why}, message: {json.dumps(text, ensure_ascii=False)}")
            elif action := handler.get("httpGet"):
                await _http_hook(action, container, pod_ip)
            elif action := handler.get("sleep"):
                await asyncio.sleep(float(action.get("seconds") or 0))
    except TimeoutError as error:
        raise HookFailure(subject, f"error: it did not complete in {limit or 0:g} seconds") from error
    except (RuntimeFailure, HandlerError) as error:
        raise HookFailure(subject, f"error: {error}") from error


def _hook_subject(handler: Object) -> str:
    if action := handler.get("exec"):
        return f"Exec lifecycle hook ([{' '.join(action.get('command') or ())}])"
    if action := handler.get("httpGet"):
        return f"HTTP lifecycle hook ({action.get('path') or ''})"
    return "Sleep lifecycle hook"


async def _exec(runtime: Runtime, container_id: str, command: Any, timeout: float) -> Outcome:
    try:
        result = await runtime.exec(container_id, command, timeout)
    except TimeoutError:
        return False, f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
    except RuntimeFailure as error:
        raise HandlerError(str(error)) from error
    return result.exit_code == 0, result.output[:_MAX_BODY].decode(errors="replace")


def _probe_command(action: Object, container: Object) -> Sequence[str]:
    """With the variables that have a literal value in place; others are empty, as they are upstream."""
    literal = {v["name"]: str(v.get("value") or "") for v in container.get("env") or ()}
    return expand_all(action.get("command") or (), literal)


@dataclass(frozen=True, slots=True)
class _Get:
    """The request of an ``httpGet``."""

    scheme: str
    host: str  # in brackets if it is an IPv6 address
    port: int
    path: str
    headers: CIMultiDict[str]

    @classmethod
    def of(cls, action: Object, container: Object, pod_ip: str, agent: str) -> _Get:
        host = action.get("host") or pod_ip
        path = action.get("path") or "/"
        headers = CIMultiDict((h["name"], h.get("value") or "") for h in action.get("httpHeaders") or ())
        headers.setdefault("User-Agent", agent)
        if not headers.setdefault("Accept", "*/*"):
            del headers["Accept"]
        return cls(
            (action.get("scheme") or "HTTP").lower(),
            f"[{host}]" if ":" in host else host,
            port_number(container, action["port"]),
            path if path.startswith("/") else "/" + path,
            headers,
        )

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}{self.path}"

    def session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=insecure_tls() if self.scheme == "https" else True, force_close=True)
        unlimited = aiohttp.ClientTimeout(total=None)
        skip = [name for name in ("Accept", "Accept-Encoding") if name not in self.headers]
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=unlimited, skip_auto_headers=skip
        )


async def _http_probe(action: Object, container: Object, pod_ip: str, timeout: float) -> Outcome:
    """A GET; from 200 up to 399 is success. A redirect to another host is not followed, and counts as success."""
    get = _Get.of(action, container, pod_ip, _PROBE_AGENT)
    try:
        async with asyncio.timeout(timeout), get.session() as session:
            status, body = await _follow(session, get)
    except TimeoutError:
        why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return False, f'Get "{get.url}": {why}'
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return False, f'Get "{get.url}": {_refused(error, get.host, get.port)}'
    if 300 <= status < 400:
        return True, f"{REDIRECTED}, Response body: {body.decode(errors='replace')}"
    if 200 <= status < 300:
        return True, body.decode(errors="replace")
    return False, f"HTTP probe failed with statuscode: {status}"


async def _http_hook(action: Object, container: Object, pod_ip: str) -> None:
    """A GET; any answer is success. A server that answers HTTPS with HTTP is asked again over HTTP."""
    get = _Get.of(action, container, pod_ip, _HOOK_AGENT)
    try:
        try:
            async with get.session() as session:
                await _follow(session, get)
        except aiohttp.ClientConnectorSSLError as error:
            if "WRONG_VERSION_NUMBER" not in str(error) and "record layer" not in str(error):
                raise
            get.headers.popall("Authorization", None)
            async with (plain := replace(get, scheme="http")).session() as session:
                await _follow(session, plain)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise HandlerError(f'Get "{get.url}": {_refused(error, get.host, get.port)}') from error


async def _follow(session: aiohttp.ClientSession, get: _Get) -> tuple[int, bytes]:
    """Status and body, after the redirects that stay on the same host."""
    url, first = get.url, urlsplit(get.url).hostname
    for _ in range(_MAX_REDIRECTS):
        async with session.get(url, headers=get.headers, allow_redirects=False) as answer:
            body = await answer.content.read(_MAX_BODY)
            location = answer.headers.get("Location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                return answer.status, body
            url = str(answer.url.join(type(answer.url)(location)))
            if urlsplit(url).hostname != first:
                return answer.status, body
    raise ValueError(f"stopped after {_MAX_REDIRECTS} redirects")


async def _tcp(host: str, number: int, timeout: float) -> Outcome:
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, number)
    except TimeoutError:
        return False, f"dial tcp {host}:{number}: i/o timeout"
    except OSError as error:
        return False, _refused(error, host, number)
    writer.close()
    return True, ""


def _refused(error: BaseException, host: str, number: int) -> str:
    """As Go prints a failed dial."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(error, socket.gaierror | aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {host}: no such host"
    if isinstance(error, OSError) and error.errno:
        return f"dial tcp {host}:{number}: connect: {os.strerror(error.errno).lower()}"
    return str(error) or type(error).__name__
