"""Ingresses → routes and backends: a pure function, and all there is of Ingress semantics.

An exact host is preferred to a wildcard, that to a rule without host; then Exact to Prefix, then the longest
path. A request whose host is known but whose path is not may still match a less specific host's rules, since
every rule that matches it applies. Where two Ingresses claim the same, the older has it. A bad backend
answers 503 on its own paths and is reported; nothing else is touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubette.ingress.model import Certificate, Ingress, IngressClass, Name, Service, ServicePort, Target

UNAVAILABLE = "unavailable"  # the backend of routes whose Service or port does not exist
_WORD = re.compile(r"[!-~]+")  # a URL on the wire; other characters come percent-encoded
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
    """What an Ingress asks for and cannot have; told as a Warning event."""

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
    """Of a class of ours; or of none, and ours is the default."""
    ours = [c for c in classes if c.controller == controller]
    if ingress.class_name is None:
        return any(c.default for c in ours)
    return any(c.name == ingress.class_name for c in ours)


def plan(
    ingresses: Iterable[Ingress],
    services: Mapping[Name, Service],
    certificates: Mapping[Name, Certificate | str | None],
) -> tuple[Plan, tuple[Problem, ...]]:
    """``ingresses``: those that are served. A certificate that is text says why there is none."""
    draft = _Draft(services)
    oldest_first = sorted(ingresses, key=lambda i: (i.created, i.name))
    for ingress in oldest_first:
        for rule in ingress.rules:
            for path in rule.paths:
                if not _WORD.fullmatch(rule.host + path.path):
                    draft.refuse(ingress, "InvalidPath", f"no request can have the path {path.path!r}")
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


def _default(draft: _Draft, ingress: Ingress, backend: str) -> None:
    """For the hosts of its own rules; for any other, of the oldest Ingress that has one."""
    for host in {r.host for r in ingress.rules} - {""}:
        draft.defaults.setdefault(host, backend)
    if draft.default is None:
        draft.default = backend


def _port(service: Service, wanted: int | str) -> ServicePort | None:
    if not wanted:
        return None
    by_name = isinstance(wanted, str)
    return next((p for p in service.ports if wanted == (p.name if by_name else p.number)), None)


def _certificates(
    draft: _Draft, ingresses: Iterable[Ingress], certificates: Mapping[Name, Certificate | str | None]
) -> tuple[Sni, ...]:
    """The oldest claim of a host counts. Those for every name come first: the first is the default."""
    claimed: set[str] = set()
    everywhere, named = [], []
    for ingress in ingresses:
        for tls in ingress.tls:
            if not tls.secret:
                continue
            key = (ingress.name[0], tls.secret)
            found = certificates.get(key)
            if not isinstance(found, Certificate):
                why = found or "does not exist, or is not of type kubernetes.io/tls with tls.crt and tls.key"
                draft.refuse(ingress, "InvalidCertificate", f"secret {'/'.join(key)}: {why}")
            elif not tls.hosts:
                everywhere.append(Sni((), found.pem))
            elif hosts := tuple(h for h in dict.fromkeys(tls.hosts) if h not in claimed):
                claimed.update(hosts)
                named.append(Sni(hosts, found.pem))
    return (*dict.fromkeys(everywhere), *named)
