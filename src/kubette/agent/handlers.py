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
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from kubette.agent import grpc_health
from kubette.api.meta import Object
from kubette.runtime.interface import Runtime, RuntimeFailure

Outcome = tuple[bool, str]  # success, output

REDIRECTED = "Probe terminated redirects"  # a success that deserves a warning
_MAX_BODY = 10 * 1024
_USER_AGENT = "kube-probe/1.36"
_HOOK_HTTP_SECONDS = 30.0


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
        return await _exec(runtime, container_id, action.get("command") or (), timeout)
    if action := probe.get("httpGet"):
        return await http_get(action, container, pod_ip, timeout)
    if action := probe.get("tcpSocket"):
        return await _tcp(action.get("host") or pod_ip, port_number(container, action["port"]), timeout)
    if action := probe.get("grpc"):
        return await grpc_health.check(pod_ip, int(action["port"]), action.get("service") or "", timeout)
    raise HandlerError("missing probe handler")


async def run_hook(
    handler: Object, container: Object, pod_ip: str, container_id: str, runtime: Runtime, limit: float
) -> None:
    """Run the hook, for at most ``limit`` seconds. HookFailure when it does not succeed."""
    subject = _hook_subject(handler)
    try:
        async with asyncio.timeout(limit):
            if action := handler.get("exec"):
                result = await runtime.exec(container_id, action.get("command") or (), limit)
                if result.exit_code:
                    text = result.output.decode(errors="replace")
                    why = f"command '{' '.join(action['command'])}' exited with {result.exit_code}: {text}"
                    raise HookFailure(subject, f"error: {why}, message: {json.dumps(text, ensure_ascii=False)}")
            elif action := handler.get("httpGet"):
                seconds = min(limit, _HOOK_HTTP_SECONDS)
                success, output = await http_get(action, container, pod_ip, seconds)
                if not success:
                    raise HookFailure(subject, f"error: {output}")
            elif action := handler.get("sleep"):
                await asyncio.sleep(float(action.get("seconds") or 0))
    except TimeoutError as error:
        raise HookFailure(subject, f"error: it did not complete in {limit:g} seconds") from error
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


async def http_get(action: Object, container: Object, pod_ip: str, timeout: float) -> Outcome:
    """A GET; from 200 up to 399 is success. A redirect to another host is not followed, and counts as success."""
    scheme = (action.get("scheme") or "HTTP").lower()
    host = action.get("host") or pod_ip
    number = port_number(container, action["port"])
    bracketed = f"[{host}]" if ":" in host else host
    path = action.get("path") or "/"
    url = f"{scheme}://{bracketed}:{number}{path if path.startswith('/') else '/' + path}"
    headers = {"User-Agent": _USER_AGENT, "Accept": "*/*"}
    for h in action.get("httpHeaders") or ():
        headers[h["name"]] = h["value"]
    connector = aiohttp.TCPConnector(ssl=insecure_tls() if scheme == "https" else True, force_close=True)
    try:
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            async with asyncio.timeout(timeout):
                return await _follow(session, url, headers)
    except TimeoutError:
        why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return False, f'Get "{url}": {why}'
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return False, f'Get "{url}": {_refused(error, bracketed, number)}'


async def _follow(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> Outcome:
    first = urlsplit(url).hostname
    for _ in range(10):
        async with session.get(url, headers=headers, allow_redirects=False) as answer:
            body = await answer.content.read(_MAX_BODY)
            location = answer.headers.get("Location")
            if answer.status in (301, 302, 303, 307, 308) and location:
                target = str(answer.url.join(type(answer.url)(location)))
                if urlsplit(target).hostname != first:
                    return True, f"{REDIRECTED}, Response body: {body.decode(errors='replace')}"
                url = target
                continue
            if 200 <= answer.status < 400:
                return True, body.decode(errors="replace")
            return False, f"HTTP probe failed with statuscode: {answer.status}"
    return False, f'Get "{url}": stopped after 10 redirects'


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
