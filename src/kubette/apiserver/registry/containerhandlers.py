"""Rules for what a kubelet does to a container: probes, lifecycle hooks, the stop signal.

Source: pkg/apis/core/validation (validateProbe, validateLifecycle, validateHandler).
"""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.podcontext import PodContext

Object = dict[str, Any]
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_SCHEMES = ("HTTP", "HTTPS")
_SIGNALS = {
    "windows": ("SIGKILL", "SIGTERM"),
    "linux": tuple(sorted((
        "SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT", "SIGIO",
        "SIGIOT", "SIGKILL", "SIGPIPE", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGQUIT", "SIGSEGV", "SIGSTKFLT", "SIGSTOP",
        "SIGSYS", "SIGTERM", "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGVTALRM",
        "SIGWINCH", "SIGXCPU", "SIGXFSZ", "SIGRTMIN", "SIGRTMAX", *(f"SIGRTMIN+{i}" for i in range(1, 16)),
        *(f"SIGRTMAX-{i}" for i in range(1, 15)),
    ))),
}  # fmt: skip


def probes(c: Object, path: str, pod: PodContext) -> list[FieldError]:
    """All three of a container."""
    out: list[FieldError] = []
    for kind in PROBES:
        if (probe := c.get(kind)) is not None:
            out += _probe(probe, f"{path}.{kind}", kind, pod)
    return out


def _probe(probe: Object, path: str, kind: str, pod: PodContext) -> list[FieldError]:
    out = _handler(probe, path, _PROBE_HANDLERS, pod)
    for field in _PROBE_NUMBERS:
        out += checks.non_negative(probe.get(field), f"{path}.{field}")
    grace = probe.get("terminationGracePeriodSeconds")
    out += checks.positive(grace, f"{path}.terminationGracePeriodSeconds")
    if kind == "readinessProbe":
        if grace is not None:
            words = "must not be set for readinessProbes"
            out.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, words))
    elif (successes := probe.get("successThreshold", 1)) != 1:
        out.append(invalid(f"{path}.successThreshold", successes, "must be 1"))
    return out


def lifecycle(c: Object, path: str, pod: PodContext) -> list[FieldError]:
    """The hooks of a container and the signal that ends it."""
    hooks = c.get("lifecycle")
    if not hooks:
        return []
    out: list[FieldError] = []
    for hook in ("postStart", "preStop"):
        if (handler := hooks.get(hook)) is not None:
            out += _handler(handler, f"{path}.lifecycle.{hook}", _HOOK_HANDLERS, pod)
    if (signal := hooks.get("stopSignal")) is not None:
        at = f"{path}.lifecycle.stopSignal"
        if pod.os is None:
            out.append(forbidden(at, "may not be set for containers with empty `spec.os.name`"))
        elif signal not in (known := _SIGNALS.get(pod.os, (signal,))):
            out.append(unsupported(at, signal, known))
    return out


def _handler(handler: Object, path: str, kinds: tuple[str, ...], pod: PodContext) -> list[FieldError]:
    """Exactly one of ``kinds``."""
    given = [h for h in kinds if handler.get(h) is not None]
    if not given:
        return [required(path, "must specify a handler type")]
    kind = given[0]
    out = _action(kind, handler[kind], f"{path}.{kind}", pod)
    return out + [forbidden(f"{path}.{h}", "may not specify more than 1 handler type") for h in given[1:]]


def _action(kind: str, body: Object, path: str, pod: PodContext) -> list[FieldError]:
    if kind == "exec":
        return [] if body.get("command") else [required(f"{path}.command")]
    if kind == "httpGet":
        out = [] if body.get("path") else [required(f"{path}.path")]
        out += checks.port_or_name(body.get("port", 0), f"{path}.port")
        if body.get("scheme") not in _SCHEMES:
            out.append(unsupported(f"{path}.scheme", body.get("scheme") or "", _SCHEMES))
        for header in body.get("httpHeaders") or ():
            out += checks.named(names.http_header_name, f"{path}.httpHeaders", header.get("name") or "")
        return out
    if kind in ("tcpSocket", "grpc"):
        return checks.port_or_name(body.get("port", 0), f"{path}.port")
    seconds = body.get("seconds") or 0
    if pod.grace is None or 0 <= seconds <= pod.grace:
        return []
    words = f"must be non-negative and less than terminationGracePeriodSeconds ({pod.grace})"
    return [invalid(path, seconds, words)]
