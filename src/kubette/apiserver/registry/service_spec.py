"""What a Service's spec means before anything is allocated: defaults, families, what its type needs.

Source: pkg/apis/core/v1/defaults.go (SetDefaults_Service) and pkg/registry/core/service/{strategy,storage,alloc}.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubette.apiserver.registry.allocators import family_of

Object = dict[str, Any]
AFFINITY_SECONDS = 10800


def default(spec: Object) -> None:
    """SetDefaults_Service."""
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        affinity = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        affinity.setdefault("timeoutSeconds", AFFINITY_SECONDS)
    kind = spec["type"] = spec.get("type") or "ClusterIP"
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, 0, "") and "port" in port:
            port["targetPort"] = port["port"]
    if externally_accessible(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if not spec.get("internalTrafficPolicy") and kind in ("NodePort", "LoadBalancer", "ClusterIP"):
        spec["internalTrafficPolicy"] = "Cluster"
    if kind == "ExternalName":
        spec.pop("internalTrafficPolicy", None)  # upstream hides it when it reads the Service
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def default_status(status: Object) -> None:
    for ingress in (status.get("loadBalancer") or {}).get("ingress") or ():
        if ingress.get("ip"):
            ingress.setdefault("ipMode", "VIP")


def headless(spec: Object) -> bool:
    return spec.get("clusterIP") == "None" or (spec.get("clusterIPs") or [""])[0] == "None"


def needs_cluster_ip(spec: Object) -> bool:
    return spec.get("type") in ("ClusterIP", "NodePort", "LoadBalancer")


def needs_node_port(spec: Object) -> bool:
    """Whether every port gets a node port by itself."""
    if spec.get("type") == "LoadBalancer":
        return spec.get("allocateLoadBalancerNodePorts") is not False
    return spec.get("type") == "NodePort"


def needs_health_port(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def externally_accessible(spec: Object) -> bool:
    if spec.get("type") in ("LoadBalancer", "NodePort"):
        return True
    return spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs"))


def normalize_cluster_ips(spec: Object, old: Object | None) -> None:
    """Keep ``clusterIP`` and ``clusterIPs`` in step when a client wrote only one of them."""
    if spec.get("clusterIP") == "":
        del spec["clusterIP"]
    if not spec.get("clusterIPs"):
        spec.pop("clusterIPs", None)
    ip, ips = spec.get("clusterIP"), spec.get("clusterIPs")
    if old is None:
        if ip and not ips:
            spec["clusterIPs"] = [ip]
        return
    before, before_all = old.get("clusterIP"), old.get("clusterIPs")
    if before and not ip and ips == before_all:
        spec.pop("clusterIPs", None)
    elif ip and ip != before and (ips == before_all or not ips):
        spec["clusterIPs"] = [ip]


def keep_allocated(spec: Object, old: Object) -> None:
    """What the server chose stays although the client's manifest doesn't tell it."""
    if needs_cluster_ip(old) and needs_cluster_ip(spec):
        if not spec.get("clusterIP") and old.get("clusterIP"):
            spec["clusterIP"] = old["clusterIP"]
        if not spec.get("clusterIPs") and spec.get("clusterIP") == old.get("clusterIP") and "clusterIPs" in old:
            spec["clusterIPs"] = list(old["clusterIPs"])
    if _uses_node_ports(old) and _uses_node_ports(spec):
        before = {_port_key(p): p["nodePort"] for p in old.get("ports") or () if p.get("nodePort")}
        used = {p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")}
        for port in spec.get("ports") or ():
            number = before.get(_port_key(port))
            if not port.get("nodePort") and number and number not in used:
                port["nodePort"] = number
    both = needs_health_port(old) and needs_health_port(spec)
    if both and not spec.get("healthCheckNodePort") and old.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = old["healthCheckNodePort"]


def _port_key(port: Object) -> tuple[str, int]:
    return port.get("protocol") or "TCP", port.get("port") or 0


def _uses_node_ports(spec: Object) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer")


def drop_type_dependent(spec: Object, old: Object) -> None:
    """A type that changed takes its fields along, unless the client changed those too."""
    if needs_cluster_ip(old) and not needs_cluster_ip(spec):
        _drop_same(spec, old, ("clusterIP", "clusterIPs"))
        _drop_same(spec, old, ("ipFamilies",))
        _drop_same(spec, old, ("ipFamilyPolicy",))
    if needs_node_port(old) and not needs_node_port(spec):
        before = [p.get("nodePort") for p in old.get("ports") or ()]
        now = [p.get("nodePort") for p in spec.get("ports") or ()]
        if set(filter(None, now)) <= set(before):
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
    if needs_health_port(old) and not needs_health_port(spec):
        _drop_same(spec, old, ("healthCheckNodePort",))
    if old.get("type") == "LoadBalancer" and spec.get("type") != "LoadBalancer":
        _drop_same(spec, old, ("allocateLoadBalancerNodePorts",))
        _drop_same(spec, old, ("loadBalancerClass",))
    if externally_accessible(old) and not externally_accessible(spec):
        _drop_same(spec, old, ("externalTrafficPolicy",))


def _drop_same(spec: Object, old: Object, fields: Iterable[str]) -> None:
    """Drop ``fields`` if the first of them, which leads the others, is as it was."""
    first = next(iter(fields))
    if spec.get(first) == old.get(first):
        for field in fields:
            spec.pop(field, None)


def default_families(spec: Object, configured: tuple[str, ...]) -> None:
    """Infer ``ipFamilyPolicy`` and ``ipFamilies`` (alloc.go, initIPFamilyFields).

    ``configured``: the cluster's families, the primary first. Nothing is refused here; validation does that."""
    if not needs_cluster_ip(spec):
        return
    addresses = [ip for ip in spec.get("clusterIPs") or () if ip != "None" and ip]
    families = list(spec.get("ipFamilies") or ())
    bare = headless(spec) and not spec.get("selector")
    if not spec.get("ipFamilyPolicy"):
        dual = bare or len(addresses) == 2 or len(families) == 2
        spec["ipFamilyPolicy"] = "RequireDualStack" if dual else "SingleStack"
        if bare and families:
            spec["ipFamilyPolicy"] = "RequireDualStack" if len(families) == 2 else "SingleStack"
    for i, ip in enumerate(addresses):
        if len(families) == i:
            families.append(family_of(ip))
    if not families:
        families = [configured[0]]
    if len(families) == 1 and spec["ipFamilyPolicy"] != "SingleStack":
        other = "IPv6" if families[0] == "IPv4" else "IPv4"
        if other in configured or bare:
            families.append(other)
    spec["ipFamilies"] = families
