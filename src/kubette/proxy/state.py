"""API objects narrowed to what a service proxy needs: services with their ports, endpoints with their conditions.

Shapes: core/v1 Service and discovery.k8s.io/v1 EndpointSlice. Pure; objects that make no sense yield less, never an
error: the proxy of a node must not stop for one odd Service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from kubette.nft.expr import Family
from kubette.nft.types import family_of, packed_ip

Name: TypeAlias = tuple[str, str]  # namespace, name
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
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
    ips = tuple(ip for ip in (spec.get("clusterIPs") or [first]) if _is_ip(ip))
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    affinity = 0
    if spec.get("sessionAffinity") == "ClientIP":
        affinity = config.get("timeoutSeconds") or DEFAULT_AFFINITY_SECONDS
    typ = spec.get("type", "ClusterIP")
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    lb = [i["ip"] for i in ingress if _is_ip(i.get("ip", "")) and i.get("ipMode", "VIP") == "VIP"]
    return Service(
        name=(meta.get("namespace", ""), meta.get("name", "")),
        ports=tuple(_ports(spec.get("ports") or (), typ)),
        cluster_ips=ips,
        external_ips=tuple(ip for ip in spec.get("externalIPs") or () if _is_ip(ip)),
        lb_ips=tuple(lb) if typ == "LoadBalancer" else (),
        source_ranges=tuple(r.strip() for r in spec.get("loadBalancerSourceRanges") or () if _is_cidr(r.strip())),
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
    meta = obj.get("metadata") or {}
    labels = meta.get("labels") or {}
    name = labels.get(SERVICE_NAME_LABEL)
    families = {"IPv4": Family.IPV4, "IPv6": Family.IPV6}
    family = families.get(obj.get("addressType", ""))
    if not name or family is None or HEADLESS_LABEL in labels:
        return None
    ports: dict[tuple[str, int], tuple[Endpoint, ...]] = {}
    endpoints = obj.get("endpoints") or ()
    for p in obj.get("ports") or ():
        proto = PROTOCOLS.get(p.get("protocol") or "TCP")
        number = p.get("port")
        if proto is not None and number:
            key = (p.get("name") or "", proto)
            ports[key] = ports.get(key, ()) + tuple(e for o in endpoints if (e := _endpoint(o, number, family)))
    return Slice((meta.get("namespace", ""), name), family, ports)


def _endpoint(obj: Mapping[str, Any], port: int, family: Family) -> Endpoint | None:
    addresses = obj.get("addresses") or ()
    if not addresses or not _is_ip(addresses[0]) or family_of(addresses[0]) is not family:
        return None
    c = obj.get("conditions") or {}
    ready = c.get("ready") is not False
    serving = c.get("serving")
    return Endpoint(
        ip=addresses[0],
        port=port,
        node=obj.get("nodeName") or "",
        ready=ready,
        serving=ready if serving is None else bool(serving),
        terminating=bool(c.get("terminating")),
    )


def _is_ip(text: str) -> bool:
    try:
        packed_ip(text)
    except ValueError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    address, _, bits = text.partition("/")
    return _is_ip(address) and bits.isdigit() and int(bits) <= (128 if ":" in address else 32)
