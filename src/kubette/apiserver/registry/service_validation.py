"""What a Service may say. Source: pkg/apis/core/validation (ValidateService, ValidateServiceUpdate)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import addresses, checks, service_spec
from kubette.apiserver.registry.allocators import family_of
from kubette.apiserver.registry.objectmeta import check_labels, qualified_name_errors

Object = dict[str, Any]
_TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
_ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"
_NOT_EXTERNAL_NAME = "may not be set for ExternalName services"
_TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
_TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_FAMILIES = ("IPv4", "IPv6")
_FAMILY_POLICIES = ("SingleStack", "PreferDualStack", "RequireDualStack")
_SET_ONCE = "may not change once set"
_MAX_AFFINITY = 86400


def validate(obj: Object, old: Object | None, configured: tuple[str, ...]) -> list[FieldError]:
    """``configured``: the address families of the cluster. Addresses and subnets of ``old`` may stay as they are."""
    spec, before = obj["spec"], (old or {}).get("spec") or {}
    annotations = obj["metadata"].get("annotations") or {}
    out: list[FieldError] = []
    hints, mode = annotations.get(_TOPOLOGY_HINTS), annotations.get(_TOPOLOGY_MODE)
    if None not in (hints, mode) and hints != mode:
        words = f"must match annotations[{_TOPOLOGY_HINTS}] when both are specified"
        out.append(invalid(f"metadata.annotations[{_TOPOLOGY_MODE}]", mode, words))
    kind, ports = spec.get("type"), spec.get("ports") or []
    if not ports and not service_spec.headless(spec) and kind != "ExternalName":
        out.append(required("spec.ports"))
    out += _for_type(spec)
    out += _ports(spec, ports)
    if selector := spec.get("selector"):
        out += check_labels(selector, "spec.selector")
    out += _affinity(spec)
    out += cluster_ips(spec, configured, before)
    known = before.get("externalIPs") or []
    for i, ip in enumerate(spec.get("externalIPs") or ()):
        found = [] if ip in known else checks.ip(ip, f"spec.externalIPs[{i}]")
        out += found or checks.non_special_ip(ip, f"spec.externalIPs[{i}]")
    out += checks.one_of(kind, _TYPES, "spec.type")
    out += _port_clashes(spec, ports)
    out += _load_balancer(spec, before)
    out += _annotated_ranges(obj, old) if not spec.get("loadBalancerSourceRanges") else []
    return out + _traffic(spec)


def _for_type(spec: Object) -> list[FieldError]:
    out = []
    kind = spec.get("type")
    if kind in ("LoadBalancer", "NodePort") and service_spec.headless(spec):
        words = f"may not be set to 'None' for {kind} services"
        out.append(invalid("spec.clusterIPs[0]", "None", words))
    if kind == "ExternalName":
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                out.append(forbidden(f"spec.{field}", _NOT_EXTERNAL_NAME))
        name = (spec.get("externalName") or "").removesuffix(".")
        if name:
            out += checks.named(names.dns1123_subdomain, "spec.externalName", name)
        else:
            out.append(required("spec.externalName"))
    return out


def _ports(spec: Object, ports: list[Object]) -> list[FieldError]:
    out: list[FieldError] = []
    seen_names: set[str] = set()
    for i, p in enumerate(ports):
        path, name = f"spec.ports[{i}]", p.get("name") or ""
        if not name and len(ports) > 1:
            out.append(required(f"{path}.name"))
        elif name:
            out += checks.named(names.dns1123_label, f"{path}.name", name)
            if name in seen_names:
                out.append(duplicate(f"{path}.name", name))
            seen_names.add(name)
        out += checks.port(p.get("port"), f"{path}.port")
        out += checks.one_of(p.get("protocol"), checks.PROTOCOLS, f"{path}.protocol")
        out += checks.port_or_name(p.get("targetPort", 0), f"{path}.targetPort")
        if (app := p.get("appProtocol")) is not None:
            out += [invalid(f"{path}.appProtocol", app, m) for m in qualified_name_errors(app)]
    return out


def _port_clashes(spec: Object, ports: list[Object]) -> list[FieldError]:
    """Node ports only where there may be some, and each pair of protocol and port once."""
    out: list[FieldError] = []
    node_ports: set[tuple[Any, Any]] = set()
    pairs: set[tuple[Any, Any]] = set()
    for i, p in enumerate(ports):
        path, number = f"spec.ports[{i}]", p.get("nodePort")
        if number:
            if spec.get("type") == "ClusterIP":
                words = "may not be used when `type` is 'ClusterIP'"
                out.append(forbidden(f"{path}.nodePort", words))
            if (p.get("protocol"), number) in node_ports:
                out.append(duplicate(f"{path}.nodePort", number))
            node_ports.add((p.get("protocol"), number))
        if (pair := (p.get("protocol"), p.get("port"))) in pairs:
            shown = {"Name": "", "Protocol": pair[0], "AppProtocol": None, "Port": pair[1]}
            out.append(duplicate(path, {**shown, "TargetPort": 0, "NodePort": 0}))
        pairs.add(pair)
    return out


def _affinity(spec: Object) -> list[FieldError]:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    out = checks.one_of(affinity, ("ClientIP", "None"), "spec.sessionAffinity")
    path = "spec.sessionAffinityConfig"
    if affinity == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        if seconds is None:
            out.append(required(path, "when session affinity type is ClientIP"))
        elif not 0 < seconds <= _MAX_AFFINITY:
            words = f"must be greater than 0 and less than {_MAX_AFFINITY}"
            out.append(invalid(f"{path}.clientIP.timeoutSeconds", seconds, words))
    elif affinity == "None" and config is not None:
        out.append(forbidden(path, "must not be set when session affinity is None"))
    return out


def cluster_ips(spec: Object, configured: tuple[str, ...], before: Object) -> list[FieldError]:
    """``clusterIP``, ``clusterIPs``, ``ipFamilies`` and ``ipFamilyPolicy`` fit each other and the cluster."""
    if spec.get("type") == "ExternalName":
        return []
    out: list[FieldError] = []
    ip, ips = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    families, policy = spec.get("ipFamilies") or [], spec.get("ipFamilyPolicy")
    if ip and not ips:
        out.append(required("spec.clusterIPs"))
    elif ips and not ip:
        out.append(invalid("spec.clusterIPs", ips, "must be empty when `clusterIP` is not specified"))
    elif ips and ips[0] != ip:
        out.append(invalid("spec.clusterIPs", ips, "first value must match `clusterIP`"))
    out += _families(families, policy, service_spec.headless(spec) and not spec.get("selector"), configured)
    if len(ips) > 2:
        out.append(invalid("spec.clusterIPs", ips, "may only hold up to 2 values"))
    for i, one in enumerate(ips):
        if i == 0 and one == "None":
            if len(ips) > 1:
                return [*out, invalid("spec.clusterIPs", ips, "'None' must be the first and only value")]
            continue
        found = [] if one in (before.get("clusterIPs") or ()) else checks.ip(one, f"spec.clusterIPs[{i}]")
        out += found
        if not found and i < len(families) and family_of(one) != families[i]:
            words = f"expected an {families[i]} value as indicated by `ipFamilies[{i}]`"
            out.append(invalid(f"spec.clusterIPs[{i}]", one, words))
    if len(ips) == 2 and "None" not in ips and family_of(ips[0]) == family_of(ips[1]):
        words = "may specify no more than one IP for each IP family"
        out.append(invalid("spec.clusterIPs", ips, words))
    return out


def _families(families: list[str], policy: str | None, bare: bool, configured: tuple[str, ...]) -> list[FieldError]:
    out = checks.known(policy, _FAMILY_POLICIES, "spec.ipFamilyPolicy") if policy is not None else []
    if len(families) > 2:
        out.append(invalid("spec.ipFamilies", families, "may only hold up to 2 values"))
    for i, family in enumerate(families):
        path = f"spec.ipFamilies[{i}]"
        if family not in _FAMILIES:
            out.append(unsupported(path, family, _FAMILIES))
        elif family in families[:i]:
            out.append(duplicate(path, family))
        elif family not in configured and not bare:
            out.append(invalid(path, family, "not configured on this cluster"))
    if len(families) == 2 and policy == "SingleStack":
        words = "must be RequireDualStack or PreferDualStack when multiple IP families are specified"
        out.append(invalid("spec.ipFamilyPolicy", policy, words))
    if policy == "RequireDualStack" and len(configured) < 2 and not bare:
        words = "this cluster is not configured for dual-stack services"
        out.append(invalid("spec.ipFamilyPolicy", policy, words))
    return out


def _load_balancer(spec: Object, before: Object) -> list[FieldError]:
    out = []
    is_lb = spec.get("type") == "LoadBalancer"
    path = "spec.LoadBalancerSourceRanges"
    known = {cidr.strip() for cidr in before.get("loadBalancerSourceRanges") or ()}
    ranges = spec.get("loadBalancerSourceRanges") or []
    if ranges and not is_lb:
        out.append(forbidden(path, _ONLY_LOAD_BALANCER))
    for i, cidr in enumerate(ranges):
        out += [] if cidr.strip() in known else checks.named(names.cidr, f"{path}[{i}]", cidr.strip())
    if (name := spec.get("loadBalancerClass")) is not None:
        if not is_lb:
            out.append(forbidden("spec.loadBalancerClass", _ONLY_LOAD_BALANCER))
        else:
            out += checks.qualified_name(name, "spec.loadBalancerClass")
    if spec.get("allocateLoadBalancerNodePorts") is not None and not is_lb:
        out.append(forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_LOAD_BALANCER))
    return out


def _annotated_ranges(obj: Object, old: Object | None) -> list[FieldError]:
    """Source ranges as they were before there was a field for them."""
    now, before = ((o or {"metadata": {}})["metadata"].get("annotations") or {} for o in (obj, old))
    value, path = now.get(_RANGES), f"metadata.annotations[{_RANGES}]"
    if value is None:
        return []
    out = [] if obj["spec"].get("type") == "LoadBalancer" else [forbidden(path, _ONLY_LOAD_BALANCER)]
    if value != before.get(_RANGES) and value.strip():
        for cidr in value.split(","):
            out += checks.named(names.cidr, path, cidr.strip())
    return out


def _traffic(spec: Object) -> list[FieldError]:
    out: list[FieldError] = []
    external, path = spec.get("externalTrafficPolicy"), "spec.externalTrafficPolicy"
    if service_spec.externally_accessible(spec):
        out += checks.one_of(external, ("Cluster", "Local"), path)
    elif external:
        out.append(invalid(path, external, "may only be set for externally-accessible services"))
    health, path = spec.get("healthCheckNodePort") or 0, "spec.healthCheckNodePort"
    if health < 0 or health > 65535:
        out += checks.port(health, path)
    elif health and not service_spec.needs_health_port(spec):
        words = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        out.append(invalid(path, health, words))
    if (internal := spec.get("internalTrafficPolicy")) is not None:
        out += checks.known(internal, ("Cluster", "Local"), "spec.internalTrafficPolicy")
    if (near := spec.get("trafficDistribution")) is not None:
        out += checks.known(near, _DISTRIBUTIONS, "spec.trafficDistribution")
    return out


def validate_update(spec: Object, old: Object) -> list[FieldError]:
    """What an update may not change."""
    out = []
    if "ExternalName" not in (spec.get("type"), old.get("type")):
        out += _cluster_ip_update(spec, old)
        out += _family_update(spec, old)
    if old.get("type") == spec.get("type") == "LoadBalancer":
        before, now = old.get("loadBalancerClass"), spec.get("loadBalancerClass")
        if before != now:
            out.append(invalid("spec.loadBalancerClass", now, _SET_ONCE))
    same = spec.get("healthCheckNodePort") == old.get("healthCheckNodePort")
    if service_spec.needs_health_port(old) and service_spec.needs_health_port(spec) and not same:
        out.append(forbidden("spec.healthCheckNodePort", checks.IMMUTABLE))
    return out


def _cluster_ip_update(spec: Object, old: Object) -> list[FieldError]:
    """The addresses stay, but for a second one that comes or, with the policy SingleStack, goes."""
    if service_spec.headless(spec) and service_spec.headless(old):
        return []
    before, now = old.get("clusterIPs") or [], spec.get("clusterIPs") or []
    path = "spec.clusterIPs"
    if len(before) == len(now):
        pairs = enumerate(zip(before, now, strict=True))
        return [invalid(f"{path}[{i}]", now, _SET_ONCE) for i, (was, is_) in pairs if was != is_]
    out = []
    if not now:
        out.append(invalid(f"{path}[0]", now or None, "primary clusterIP can not be unset"))
    elif before and now[0] != before[0]:
        out.append(invalid(f"{path}[0]", now, _SET_ONCE))
    if len(before) > len(now) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        words = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        out.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), words))
    return out


def _family_update(spec: Object, old: Object) -> list[FieldError]:
    """As for addresses, which the families are those of."""
    if service_spec.headless(spec) or service_spec.headless(old):
        return []
    before, now, path = old.get("ipFamilies") or [], spec.get("ipFamilies") or [], "spec.ipFamilies[0]"
    if len(before) == len(now):
        pairs = zip(before, now, strict=True)
        return [invalid(path, now, _SET_ONCE) for was, is_ in pairs if was != is_]
    out = [invalid(path, spec.get("clusterIPs"), _SET_ONCE)] if before and now and now[0] != before[0] else []
    if len(before) > len(now) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        words = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        out.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), words))
    return out


def warnings(obj: Object) -> Iterator[str]:
    """Upstream's GetWarningsForService (pkg/api/service/warnings.go)."""
    spec, annotations = obj["spec"], obj["metadata"].get("annotations") or {}
    kind, external, balancer = spec.get("type"), spec.get("externalIPs") or [], spec.get("loadBalancerIP") or ""
    headless = kind == "ClusterIP" and spec.get("clusterIP") == "None"
    if _TOPOLOGY_HINTS in annotations:
        yield f"annotation {_TOPOLOGY_HINTS} is deprecated, please use {_TOPOLOGY_MODE} instead"
    if spec.get("clusterIP") not in (None, "", "None"):
        for i, ip in enumerate(spec.get("clusterIPs") or ()):
            yield from addresses.ip_warnings(ip, f"spec.clusterIPs[{i}]")
    if headless:
        if balancer:
            yield "spec.loadBalancerIP is ignored for headless services"
        if external:
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    for i, ip in enumerate(external):
        yield from addresses.ip_warnings(ip, f"spec.externalIPs[{i}]")
    if external and not headless and kind != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if balancer:
        yield from addresses.ip_warnings(balancer, "spec.loadBalancerIP")
    for i, cidr in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        yield from addresses.cidr_warnings(cidr, f"spec.loadBalancerSourceRanges[{i}]")
    if kind == "ExternalName" and external:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if kind != "ExternalName" and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def validate_status(obj: Object, old: Object) -> list[FieldError]:
    """status.loadBalancer belongs to load balancers and holds addresses or host names."""
    ingress, before = (((o.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [] for o in (obj, old))
    if ingress and obj.get("spec", {}).get("type") != "LoadBalancer":
        words = "may only be used when `spec.type` is 'LoadBalancer'"
        return [forbidden("status.loadBalancer.ingress", words)]
    return load_balancer_ingress(ingress, "status.loadBalancer.ingress", before)


def load_balancer_ingress(
    ingress: list[Object], path: str, before: list[Object], *, ports: bool = True
) -> list[FieldError]:
    """The ``ingress`` list of a load balancer's status; an Ingress has one of its own, without modes (``ports``).
    Addresses of ``before`` may stay as they are."""
    out = []
    known = {one.get("ip") for one in before}
    for i, one in enumerate(ingress):
        address, mode = one.get("ip"), one.get("ipMode")
        if address and address not in known:
            out += checks.ip(address, f"{path}[{i}].ip")
        if ports and mode is not None:
            if not address:
                out.append(forbidden(f"{path}[{i}].ipMode", "may not be specified when `ip` is not set"))
            out += checks.known(mode, ("Proxy", "VIP"), f"{path}[{i}].ipMode")
        elif ports and address:
            out.append(required(f"{path}[{i}].ipMode", "must be specified when `ip` is set"))
        if host := one.get("hostname"):
            out += checks.named(names.dns1123_subdomain, f"{path}[{i}].hostname", host)
            if not names.ip(host):
                words = "must be a DNS name, not an IP address"
                out.append(invalid(f"{path}[{i}].hostname", host, words))
    return out
