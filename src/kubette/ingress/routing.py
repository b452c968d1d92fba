"""Ingresses → routes and backends: a pure function, and all there is of Ingress semantics.

An exact host is preferred to a wildcard, that to a rule without host; then Exact to Prefix, then the longest
path. A request whose host is known but whose path is not may still match a less specific host's rules, since
every rule that matches it applies. Where two Ingresses claim the same, the older has it. A bad backend
answers 503 on its own paths and is reported; nothing else changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubette.ingress.model import Certificate, Ingress, IngressClass, Name, Service, ServicePort, Target

UNAVAILABLE = "unavailable"  # the backend of routes whose Service or port does not exist
_WORD = re.compile(r"[!-~]+")  # a URL on the wire; other characters come percent-encoded
_HOST = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LONGEST_PATH = 4096  # well below HAProxy's buffer, which cuts longer lines of a map in two
_PROTOCOLS = {"https": "https", "kubernetes.io/h2c": "h2c", "grpc": "h2c"}


@dataclass(frozen=True, slots=True)
class Backend:
    """``port``: the Service port's name, by which EndpointSlices know it. ``protocol``: http, https or h2c."""

    service: Name
    port: str
    protocol: str = "http"


@dataclass(frozen=True, slots=True)
class Sni:
    """A certificate for the names in ``hosts``; for every other name too when there are none."""

    hosts: tuple[str, ...]
    pem: str


@dataclass(frozen=True)
class Plan:
    """``exact`` and ``prefix``: host + path → backend's name; a prefix ends with ``/``. ``defaults``: host →
    backend, for what no rule matches; ``default``: for all the rest."""

    backends: Mapping[str, Backend] = field(default_factory=dict)
    exact: Mapping[str, str] = field(default_factory=dict)
    prefix: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    certificates: tuple[Sni, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of an Ingress that cannot be served; it becomes a Warning event."""

    ingress: Name
    reason: str
    message: str


@dataclass
class _Draft:
    services: Mapping[Name, Service]
    backends: dict[str, Backend] = field(default_factory=dict)
    exact: dict[str, str] = field(default_factory=dict)
    prefix: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    default: str | None = None
    problems: dict[Problem, None] = field(default_factory=dict)

    def refuse(self, ingress: Ingress, reason: str, message: str) -> None:
        self.problems[Problem(ingress.name, reason, message)] = None

    def backend(self, ingress: Ingress, target: Target) -> str:
        """The name of the backend, made when it is new; UNAVAILABLE when there can be none."""
        if target.resource:
            self.refuse(ingress, "UnsupportedBackend", f"a resource backend ({target.resource}) is not supported")
            return UNAVAILABLE
        owner = (ingress.name[0], target.service)
        service = self.services.get(owner)
        if service is None:
            self.refuse(ingress, "ServiceNotFound", f"service {'/'.join(owner)} does not exist")
            return UNAVAILABLE
        if service.external:
            self.refuse(ingress, "UnsupportedBackend", f"service {'/'.join(owner)} is of type ExternalName")
            return UNAVAILABLE
        port = _port(service, target.port)
        if port is None:
            self.refuse(ingress, "PortNotFound", f"service {'/'.join(owner)} has no TCP port {target.port}")
            return UNAVAILABLE
        name = f"{owner[0]}:{owner[1]}:{port.number}"
        self.backends[name] = Backend(owner, port.name, _PROTOCOLS.get(port.app_protocol.lower(), "http"))
        return name


def served(ingress: Ingress, classes: Iterable[IngressClass], controller: str) -> bool:
    """Whether the Ingress has a class of this controller, or no class while the default one is of this controller."""
    ours = [c for c in classes if c.controller == controller]
    if ingress.class_name is None:
        return any(c.default for c in ours)
    return any(c.name == ingress.class_name for c in ours)


def plan(
    ingresses: Iterable[Ingress],
    services: Mapping[Name, Service],
    certificates: Mapping[Name, Certificate | str],
) -> tuple[Plan, tuple[Problem, ...]]:
    """``ingresses``: those that are served. A certificate that is text says why there is none."""
    draft = _Draft(services)
    oldest_first = sorted(ingresses, key=lambda i: (i.created, i.name))
    for ingress in oldest_first:
        for rule in ingress.rules:
            for path in rule.paths:
                if why := _unroutable(rule.host, path.path):
                    draft.refuse(ingress, *why)
                    continue
                table = draft.exact if path.exact else draft.prefix
                key = rule.host + (path.path if path.exact else path.path.rstrip("/") + "/")
                backend = draft.backend(ingress, path.target)
                if table.setdefault(key, backend) != backend:
                    what = f"{rule.host or '*'}{path.path}"
                    draft.refuse(ingress, "Conflict", f"{what} is already claimed by an older Ingress or rule")
        if ingress.default is not None:
            _default(draft, ingress, draft.backend(ingress, ingress.default))
    names = _certificates(draft, oldest_first, certificates)
    return (
        Plan(draft.backends, draft.exact, draft.prefix, draft.defaults, draft.default, names),
        tuple(draft.problems),
    )


def _unroutable(host: str, path: str) -> tuple[str, str] | None:
    """(reason, message) for a host or path that HAProxy's maps cannot hold, or that no request can have."""
    if host and not _HOST.fullmatch(host):
        return "InvalidHost", f"{host!r} is not a host name"
    if len(path) > _LONGEST_PATH:
        return "InvalidPath", f"the path {path[:40]!r}… is longer than {_LONGEST_PATH} characters"
    if not _WORD.fullmatch(path):
        return "InvalidPath", f"no request can have the path {path!r}"
    return None


def _default(draft: _Draft, ingress: Ingress, backend: str) -> None:
    """For the hosts of its own rules; for any other, of the oldest Ingress that has one."""
    for host in {r.host for r in ingress.rules if _HOST.fullmatch(r.host)}:
        draft.defaults.setdefault(host, backend)
    if draft.default is None:
        draft.default = backend


def _port(service: Service, wanted: int | str) -> ServicePort | None:
    if not wanted:
        return None
    by_name = isinstance(wanted, str)
    return next((p for p in service.ports if wanted == (p.name if by_name else p.number)), None)


def _certificates(
    draft: _Draft, ingresses: Iterable[Ingress], certificates: Mapping[Name, Certificate | str]
) -> tuple[Sni, ...]:
    """One Sni for each pair, those for every name first. Of two claims of a host, the older counts."""
    claimed: set[str] = set()
    everywhere: list[Sni] = []
    named: dict[str, list[str]] = {}  # pair → its hosts
    for ingress in ingresses:
        for tls in ingress.tls:
            if not tls.secret:
                continue
            key = (ingress.name[0], tls.secret)
            found = certificates.get(key)
            if not isinstance(found, Certificate):
                draft.refuse(ingress, "InvalidCertificate", f"secret {'/'.join(key)}: {found or 'does not exist'}")
            elif not tls.hosts:
                everywhere.append(Sni((), found.pem))
            elif hosts := [h for h in dict.fromkeys(tls.hosts) if h not in claimed and _HOST.fullmatch(h)]:
                claimed.update(hosts)
                named.setdefault(found.pem, []).extend(hosts)
    return (*dict.fromkeys(everywhere), *(Sni(tuple(hosts), pem) for pem, hosts in named.items()))
