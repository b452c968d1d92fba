"""API objects narrowed to what a service proxy needs: services with their ports, endpoints with their conditions.

Shapes: core/v1 Service and discovery.k8s.io/v1 EndpointSlice. Pure; objects that make no sense yield less, never an
error: the proxy of a node must not stop for one odd Service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kubette.api import endpointslices
from kubette.api.endpointslices import EndpointSlice, Name
from kubette.api.ip import Family, is_cidr, is_ip

PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
DEFAULT_AFFINITY_SECONDS = 10_800


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a service. ``proto`` is the IP protocol number; ``node_port`` 0 when there is none."""

    name: str
    proto: int
    port: int
    node_port: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """A service that the proxy serves. Addresses are text; both families may be present.

    ``affinity`` is ClientIP's timeout in seconds, 0 without. Policies are "local": True.
    """

    name: Name
    ports: tuple[ServicePort, ...]
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...] = ()
    lb_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    affinity: int = 0
    internal_local: bool = False
    external_local: bool = False
    publish_not_ready: bool = False
    health_port: int = 0  # healthCheckNodePort, where it is served


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and port that may answer for a service port."""

    ip: str
    port: int
    node: str = ""
    ready: bool = True
    serving: bool = True
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """An EndpointSlice: endpoints by port name and protocol."""

    service: Name
    family: Family
    ports: Mapping[tuple[str, int], tuple[Endpoint, ...]]


def service(obj: Mapping[str, Any]) -> Service | None:
    """Narrow a Service; None when it is not for this proxy (headless, ExternalName, another proxy's)."""
    meta, spec = obj.get("metadata") or {}, obj.get("spec") or {}
    labels = meta.get("labels") or {}
    if PROXY_NAME_LABEL in labels or spec.get("type") == "ExternalName":
        return None
    first = spec.get("clusterIP", "")
    if first in ("", "None"):
        return None
    ips = tuple(ip for ip in (spec.get("clusterIPs") or [first]) if is_ip(ip))
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    affinity = 0
    if spec.get("sessionAffinity") == "ClientIP":
        affinity = config.get("timeoutSeconds") or DEFAULT_AFFINITY_SECONDS
    typ = spec.get("type", "ClusterIP")
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    lb = [i["ip"] for i in ingress if is_ip(i.get("ip", "")) and i.get("ipMode", "VIP") == "VIP"]
    return Service(
        name=(meta.get("namespace", ""), meta.get("name", "")),
        ports=tuple(_ports(spec.get("ports") or (), typ)),
        cluster_ips=ips,
        external_ips=tuple(ip for ip in spec.get("externalIPs") or () if is_ip(ip)),
        lb_ips=tuple(lb) if typ == "LoadBalancer" else (),
        source_ranges=tuple(r.strip() for r in spec.get("loadBalancerSourceRanges") or () if is_cidr(r.strip())),
        affinity=affinity,
        internal_local=spec.get("internalTrafficPolicy") == "Local",
        external_local=spec.get("externalTrafficPolicy") == "Local",
        publish_not_ready=bool(spec.get("publishNotReadyAddresses")),
        health_port=spec.get("healthCheckNodePort") or 0 if typ == "LoadBalancer" else 0,
    )


def _ports(ports: Iterable[Mapping[str, Any]], typ: str) -> Iterable[ServicePort]:
    exposed = typ in ("NodePort", "LoadBalancer")
    for p in ports:
        number = PROTOCOLS.get(p.get("protocol", "TCP"))
        if number is not None and 0 < p.get("port", 0) < 65536:
            node_port = p.get("nodePort", 0) if exposed else 0
            yield ServicePort(p.get("name") or "", number, p["port"], node_port)


def endpoint_slice(obj: Mapping[str, Any]) -> Slice | None:
    """Narrow an EndpointSlice; None when it belongs to no service, has no IPs, or is of a headless service."""
    return by_port(endpointslices.narrow(obj))


def by_port(found: EndpointSlice | None, *, headless: bool = False) -> Slice | None:
    """The endpoints of a slice by port. ``headless``: also of a headless service, which no proxy serves."""
    if found is None or (found.headless and not headless):
        return None
    ports: dict[tuple[str, int], tuple[Endpoint, ...]] = {}
    for p in found.ports:
        proto = PROTOCOLS.get(p.protocol)
        if proto is not None and p.number:
            key = (p.name, proto)
            ports[key] = ports.get(key, ()) + tuple(
                Endpoint(e.addresses[0], p.number, e.node, e.ready, e.serving, e.terminating) for e in found.endpoints
            )
    return Slice(found.service, found.family, ports)
