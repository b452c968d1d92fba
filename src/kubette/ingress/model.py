"""The few fields of API objects that ingress needs, narrowed once, where they come in. Pure.

Source: https://kubernetes.io/docs/concepts/services-networking/ingress/.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubette.api import meta
from kubette.api.meta import Object

Name = tuple[str, str]  # namespace, name

CLASS_ANNOTATION = "kubernetes.io/ingress.class"  # what the API had before spec.ingressClassName
DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
SERVICE_LABEL = "kubernetes.io/service-name"
TLS_KEYS = ("tls.crt", "tls.key")


@dataclass(frozen=True, slots=True)
class Target:
    """A Service's port by number or name; ``resource`` is set when the Ingress names another kind of backend."""

    service: str
    port: int | str
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """``exact``: the whole path. Otherwise its elements are a prefix; ImplementationSpecific counts as that."""

    exact: bool
    path: str
    target: Target


@dataclass(frozen=True, slots=True)
class Rule:
    """``host`` is empty for every host, or starts with ``*.``."""

    host: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Tls:
    hosts: tuple[str, ...]
    secret: str


@dataclass(frozen=True, slots=True)
class Ingress:
    """``status`` is what status.loadBalancer.ingress says; ``reference`` is for events about it."""

    name: Name
    created: str
    class_name: str | None
    rules: tuple[Rule, ...]
    default: Target | None
    tls: tuple[Tls, ...]
    status: tuple[Mapping[str, Any], ...]
    reference: Mapping[str, Any] = field(compare=False)


@dataclass(frozen=True, slots=True)
class IngressClass:
    name: str
    controller: str
    default: bool


@dataclass(frozen=True, slots=True)
class ServicePort:
    name: str
    number: int
    app_protocol: str


@dataclass(frozen=True, slots=True)
class Service:
    """TCP ports only. ``load_balancer`` is status.loadBalancer.ingress."""

    external: bool
    ports: tuple[ServicePort, ...]
    load_balancer: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class SliceEndpoint:
    address: str
    ready: bool
    serving: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """``ports`` by the name of the Service's port."""

    service: Name
    ports: Mapping[str, int]
    endpoints: tuple[SliceEndpoint, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """``pem``: chain and key."""

    pem: str


def ingress(obj: Object) -> Ingress:
    spec = obj.get("spec") or {}
    default = spec.get("defaultBackend")
    return Ingress(
        name=meta.key(obj),
        created=str(meta.metadata(obj).get("creationTimestamp") or ""),
        class_name=spec.get("ingressClassName") or (meta.annotations(obj).get(CLASS_ANNOTATION)),
        rules=tuple(_rule(r) for r in spec.get("rules") or ()),
        default=_target(default) if default else None,
        tls=tuple(_tls(t) for t in spec.get("tls") or ()),
        status=tuple(((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()),
        reference=meta.object_reference(obj),
    )


def _tls(tls: Object) -> Tls:
    return Tls(tuple(h.lower() for h in tls.get("hosts") or ()), tls.get("secretName") or "")


def _rule(rule: Object) -> Rule:
    paths = (rule.get("http") or {}).get("paths") or ()
    return Rule((rule.get("host") or "").lower(), tuple(_path(p) for p in paths))


def _path(path: Object) -> Path:
    return Path(path.get("pathType") == "Exact", path.get("path") or "/", _target(path.get("backend") or {}))


def _target(backend: Object) -> Target:
    if service := backend.get("service"):
        port = service.get("port") or {}
        return Target(service.get("name") or "", port.get("name") or port.get("number") or 0)
    other = backend.get("resource") or {}
    return Target("", 0, f"{other.get('kind') or '?'} {other.get('name') or '?'}")


def ingress_class(obj: Object) -> IngressClass:
    default = meta.annotations(obj).get(DEFAULT_CLASS_ANNOTATION) == "true"
    return IngressClass(meta.name(obj), (obj.get("spec") or {}).get("controller") or "", default)


def service(obj: Object) -> Service:
    spec = obj.get("spec") or {}
    return Service(
        external=spec.get("type") == "ExternalName",
        ports=tuple(
            ServicePort(p.get("name") or "", p["port"], p.get("appProtocol") or "")
            for p in spec.get("ports") or ()
            if p.get("protocol", "TCP") == "TCP"
        ),
        load_balancer=tuple(((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()),
    )


def endpoint_slice(obj: Object) -> Slice | None:
    """None for a slice of no Service, and for addresses that are no IPs."""
    owner = meta.labels(obj).get(SERVICE_LABEL)
    if not owner or obj.get("addressType") == "FQDN":
        return None
    ports = {
        p.get("name") or "": p["port"]
        for p in obj.get("ports") or ()
        if p.get("port") and (p.get("protocol") or "TCP") == "TCP"
    }
    return Slice((meta.namespace(obj), owner), ports, tuple(_endpoint(e) for e in obj.get("endpoints") or ()))


def _endpoint(endpoint: Object) -> SliceEndpoint:
    conditions = endpoint.get("conditions") or {}
    ready = conditions.get("ready") is not False  # unknown counts as ready
    serving = conditions.get("serving")
    return SliceEndpoint(endpoint["addresses"][0], ready, ready if serving is None else bool(serving))


def certificate(obj: Object) -> Certificate | str:
    """The pair in a Secret of any type, or why there is none; ``tls`` checks whether certificate and key fit."""
    data = obj.get("data") or {}
    if missing := [k for k in TLS_KEYS if not data.get(k)]:
        return f"has no {' and no '.join(missing)}"
    try:
        parts = [base64.b64decode(data[k]).decode().strip() for k in TLS_KEYS]
    except (binascii.Error, ValueError):
        return f"{' and '.join(TLS_KEYS)} are not PEM"
    return Certificate("\n".join(parts) + "\n")
