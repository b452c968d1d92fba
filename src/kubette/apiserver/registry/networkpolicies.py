"""NetworkPolicies. Source: networking/v1/defaults.go, networking/validation (ValidateNetworkPolicy)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import addresses, checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_SIDES = (("ingress", "from"), ("egress", "to"))
_TYPES = ("Ingress", "Egress")


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
        return _validate(obj["spec"], frozenset())

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Subnets that were there may stay as they are."""
        blocks = [block for _, block in _blocks(old["spec"])]
        known = {cidr for block in blocks for cidr in (block.get("cidr"), *(block.get("except") or ()))}
        return _validate(new["spec"], frozenset(known))

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        for path, block in _blocks(obj["spec"]):
            yield from addresses.cidr_warnings(block.get("cidr") or "", f"{path}.cidr")
            for i, hole in enumerate(block.get("except") or ()):
                yield from addresses.cidr_warnings(hole, f"{path}.except[{i}]")

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return self.warnings_on_create(new, ctx)


def _blocks(spec: Object) -> Iterator[tuple[str, Object]]:
    """Each ipBlock of the policy and its path."""
    for field, side in _SIDES:
        for i, rule in enumerate(spec.get(field) or ()):
            for j, peer in enumerate(rule.get(side) or ()):
                if peer.get("ipBlock") is not None:
                    yield f"spec.{field}[{i}].{side}[{j}].ipBlock", peer["ipBlock"]


def _validate(spec: Object, known: frozenset[str | None]) -> list[FieldError]:
    """``known``: subnets that are not looked at again."""
    out = checks.label_selector(spec.get("podSelector"), "spec.podSelector")
    for field, side in _SIDES:
        for i, rule in enumerate(spec.get(field) or ()):
            path = f"spec.{field}[{i}]"
            for j, port in enumerate(rule.get("ports") or ()):
                out += _port(port, f"{path}.ports[{j}]")
            for j, peer in enumerate(rule.get(side) or ()):
                out += _peer(peer, f"{path}.{side}[{j}]", known)
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        return [*out, invalid("spec.policyTypes", types, "may not specify more than two policyTypes")]
    for i, kind in enumerate(types):
        if kind not in _TYPES:
            out.append(unsupported(f"spec.policyTypes[{i}]", kind, _TYPES))
    return out


def _port(port: Object, path: str) -> list[FieldError]:
    protocol = port.get("protocol")
    out = checks.known(protocol, checks.PROTOCOLS, f"{path}.protocol") if protocol is not None else []
    number, end = port.get("port"), port.get("endPort")
    if number is not None:
        out += checks.port_or_name(number, f"{path}.port")
        if end is not None:
            if isinstance(number, str):
                words = "may not be specified when `port` is non-numeric"
                out.append(invalid(f"{path}.endPort", end, words))
            elif end < number:
                words = "must be greater than or equal to `port`"
                out.append(invalid(f"{path}.endPort", number, words))  # upstream shows the port
            out += checks.port(end, f"{path}.endPort")
    elif end is not None:
        words = "may not be specified when `port` is not specified"
        out.append(invalid(f"{path}.endPort", end, words))
    return out


def _peer(peer: Object, path: str, known: frozenset[str | None]) -> list[FieldError]:
    pods, spaces, block = (peer.get(f) for f in ("podSelector", "namespaceSelector", "ipBlock"))
    if pods is None and spaces is None and block is None:
        return [required(path, "must specify a peer")]
    out = checks.label_selector(pods, f"{path}.podSelector")
    out += checks.label_selector(spaces, f"{path}.namespaceSelector")
    if block is not None:
        out += _block(block, f"{path}.ipBlock", known)
        if pods is not None or spaces is not None:
            out.append(forbidden(path, "may not specify both ipBlock and another peer"))
    return out


def _block(block: Object, path: str, known: frozenset[str | None]) -> list[FieldError]:
    cidr = block.get("cidr") or ""
    if not cidr:
        return [required(f"{path}.cidr")]
    out = [] if cidr in known else checks.named(names.cidr, f"{path}.cidr", cidr)
    whole = addresses.subnet(cidr)
    for i, text in enumerate(block.get("except") or ()):
        at = f"{path}.except[{i}]"
        out += [] if text in known else checks.named(names.cidr, at, text)
        hole = addresses.subnet(text)
        if whole and hole and not addresses.strictly_within(hole, whole):
            out.append(invalid(at, text, "must be a strict subset of `cidr`"))
    return out
