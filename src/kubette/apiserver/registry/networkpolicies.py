"""NetworkPolicies. Source: networking/v1/defaults.go, networking/validation (ValidateNetworkPolicy)."""

from __future__ import annotations

import ipaddress
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid, required
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class NetworkPolicies(Strategy):
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("podSelector", {})
        for field in ("ingress", "egress"):
            for rule in spec.get(field) or ():
                for port in rule.get("ports") or ():
                    if not port.get("protocol"):
                        port["protocol"] = "TCP"
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = checks.label_selector(spec.get("podSelector"), "spec.podSelector")
        for field, side in (("ingress", "from"), ("egress", "to")):
            for i, rule in enumerate(spec.get(field) or ()):
                path = f"spec.{field}[{i}]"
                for j, port in enumerate(rule.get("ports") or ()):
                    out += _port(port, f"{path}.ports[{j}]")
                for j, peer in enumerate(rule.get(side) or ()):
                    out += _peer(peer, f"{path}.{side}[{j}]")
        types = spec.get("policyTypes") or []
        if len(types) > 2:
            out.append(invalid("spec.policyTypes", types, "may not specify more than two policyTypes"))
        for i, kind in enumerate(types):
            out += checks.one_of(kind, ("Egress", "Ingress"), f"spec.policyTypes[{i}]")
        return out


def _port(port: Object, path: str) -> list[FieldError]:
    out = checks.if_set(port.get("protocol"), checks.PROTOCOLS, f"{path}.protocol")
    number, end = port.get("port"), port.get("endPort")
    if number is not None:
        out += checks.port_or_name(number, f"{path}.port")
        if end is not None:
            if isinstance(number, str):
                words = "may not be specified when `port` is non-numeric"
                out.append(invalid(f"{path}.endPort", end, words))
            elif end < number:
                words = "must be greater than or equal to `port`"
                out.append(invalid(f"{path}.endPort", end, words))
            out += checks.port(end, f"{path}.endPort")
    elif end is not None:
        words = "may not be specified when `port` is not specified"
        out.append(invalid(f"{path}.endPort", end, words))
    return out


def _peer(peer: Object, path: str) -> list[FieldError]:
    pods, spaces, block = (peer.get(f) for f in ("podSelector", "namespaceSelector", "ipBlock"))
    if pods is None and spaces is None and block is None:
        return [required(path, "must specify a peer")]
    if block is not None and (pods is not None or spaces is not None):
        return [forbidden(path, "may not specify both ipBlock and another peer")]
    out = checks.label_selector(pods, f"{path}.podSelector")
    out += checks.label_selector(spaces, f"{path}.namespaceSelector")
    return out + (_block(block, f"{path}.ipBlock") if block is not None else [])


def _block(block: Object, path: str) -> list[FieldError]:
    cidr = block.get("cidr") or ""
    if not cidr:
        return [required(f"{path}.cidr")]
    if out := checks.named(names.cidr, f"{path}.cidr", cidr):
        return out
    whole = ipaddress.ip_network(cidr, strict=False)
    for i, text in enumerate(block.get("except") or ()):
        at = f"{path}.except[{i}]"
        if found := checks.named(names.cidr, at, text):
            out += found
            continue
        hole = ipaddress.ip_network(text, strict=False)
        if hole.version != whole.version or hole == whole or not _contains(whole, hole):
            out.append(invalid(at, text, f'must be a strict subset of `cidr`: "{cidr}"'))
    return out


def _contains(whole: Any, part: Any) -> bool:
    return bool(part.subnet_of(whole))
