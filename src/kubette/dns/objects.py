"""API objects narrowed to what DNS needs. Pure; malformed objects yield less, never an error.

Shapes: core/v1 Service, discovery.k8s.io/v1 EndpointSlice. Addresses are packed: 4 bytes or 16, so the
family goes with every one of them.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, TypeAlias

from kubette.api.meta import Object

Key: TypeAlias = tuple[str, str]  # namespace, name
SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Port:
    """``name`` may be empty; ``proto`` in lower case."""

    name: str
    proto: str
    number: int


@dataclass(frozen=True, slots=True)
class Service:
    """``ips`` are the ClusterIPs, none when headless; ``external_name`` is "" but for ExternalName."""

    key: Key
    ips: tuple[bytes, ...] = ()
    ports: tuple[Port, ...] = ()
    headless: bool = False
    external_name: str = ""
    publish_not_ready: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``hostname`` may be empty."""

    ip: bytes
    hostname: str
    ready: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """``service``: the one that has these endpoints."""

    service: Key
    ports: tuple[Port, ...]
    endpoints: tuple[Endpoint, ...]


def service(obj: Object) -> Service:
    """Narrow a Service."""
    meta, spec = obj.get("metadata") or {}, obj.get("spec") or {}
    key = (meta.get("namespace") or "", meta.get("name") or "")
    if spec.get("type") == "ExternalName":
        return Service(key, external_name=str(spec.get("externalName") or "").lower())
    first = spec.get("clusterIP") or ""
    texts = spec.get("clusterIPs") or [first]
    return Service(
        key,
        tuple(ip for text in texts if (ip := packed(text))),
        _ports(spec.get("ports") or (), "port"),
        headless=first == "None",
        publish_not_ready=bool(spec.get("publishNotReadyAddresses")),
    )


def endpoint_slice(obj: Object) -> Slice | None:
    """Narrow an EndpointSlice; None when it belongs to no service."""
    meta = obj.get("metadata") or {}
    name = (meta.get("labels") or {}).get(SERVICE_NAME)
    if not name:
        return None
    endpoints = []
    for row in obj.get("endpoints") or ():
        ready = (row.get("conditions") or {}).get("ready") is not False
        for text in row.get("addresses") or ():
            if ip := packed(text):
                endpoints.append(Endpoint(ip, str(row.get("hostname") or "").lower(), ready))
    return Slice((meta.get("namespace") or "", name), _ports(obj.get("ports") or (), "port"), tuple(endpoints))


def _ports(rows: Any, number: str) -> tuple[Port, ...]:
    return tuple(
        Port((r.get("name") or "").lower(), (r.get("protocol") or "TCP").lower(), r[number])
        for r in rows
        if 0 < (r.get(number) or 0) < 65536
    )


def packed(text: str) -> bytes:
    """4 or 16 bytes; empty when the text is not an address."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
    return b""
