"""EndpointSlices. Source: pkg/registry/discovery/endpointslice, discovery/validation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, invalid, required, too_many
from kubette.apiserver.registry import addresses, checks
from kubette.apiserver.registry.base import Context, Strategy, bump_generation
from kubette.apiserver.registry.objectmeta import qualified_name_errors

Object = dict[str, Any]
_TYPES = ("FQDN", "IPv4", "IPv6")
_MAX_ENDPOINTS, _MAX_PORTS, _MAX_ADDRESSES, _MAX_HINTS = 1000, 20000, 100, 8
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
_HINTS = {"forZones": names.label_value, "forNodes": names.dns1123_subdomain}


class EndpointSlices(Strategy):
    def default(self, obj: Object) -> None:
        for port in obj.get("ports") or ():
            port.setdefault("name", "")
            if not port.get("protocol"):
                port["protocol"] = "TCP"
        for endpoint in obj.get("endpoints") or ():
            endpoint.setdefault("conditions", {})

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        _drop_topology(obj)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        _drop_topology(new)
        bump_generation(new, old)
        labels = [o["metadata"].get("labels") for o in (new, old)]
        if labels[0] != labels[1] and new["metadata"]["generation"] == old["metadata"].get("generation"):
            new["metadata"]["generation"] += 1

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out = checks.one_of(obj.get("addressType"), _TYPES, "addressType")
        return out + _ports(obj.get("ports") or []) + _endpoints(obj)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Endpoints that stay are not looked at: an older server accepted more."""
        out = checks.one_of(new.get("addressType"), _TYPES, "addressType") + _ports(new.get("ports") or [])
        out += [] if new.get("endpoints") == old.get("endpoints") else _endpoints(new)
        return out + checks.immutable(new.get("addressType"), old.get("addressType"), "addressType")

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        if obj.get("addressType") == "FQDN":
            yield "spec.addressType: FQDN endpoints are deprecated"
        yield from self.warnings_on_update(obj, obj, ctx)

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        if (new["metadata"].get("labels") or {}).get(_MANAGED_BY) in _CONTROLLERS:
            return
        for i, endpoint in enumerate(new.get("endpoints") or ()):
            for j, address in enumerate(endpoint.get("addresses") or ()):
                yield from addresses.ip_warnings(address, f"endpoints[{i}].addresses[{j}]")


def _endpoints(obj: Object) -> list[FieldError]:
    endpoints, kind = obj.get("endpoints") or [], obj.get("addressType") or ""
    if len(endpoints) > _MAX_ENDPOINTS:
        return [too_many("endpoints", len(endpoints), _MAX_ENDPOINTS)]
    return [e for i, endpoint in enumerate(endpoints) for e in _endpoint(endpoint, kind, f"endpoints[{i}]")]


def _drop_topology(obj: Object) -> None:
    """A field of v1beta1 that v1 only reads."""
    for endpoint in obj.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


def _endpoint(endpoint: Object, kind: str, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    addresses = endpoint.get("addresses") or []
    if not addresses:
        words = "must contain at least 1 address"
        out.append(FieldError("FieldValueRequired", f"{path}.addresses", words))
    elif len(addresses) > _MAX_ADDRESSES:
        out.append(too_many(f"{path}.addresses", len(addresses), _MAX_ADDRESSES))
    for i, address in enumerate(addresses):
        out += _address(address, kind, f"{path}.addresses[{i}]")
    if (node := endpoint.get("nodeName")) is not None:
        out += checks.named(names.dns1123_subdomain, f"{path}.nodeName", node)
    if (host := endpoint.get("hostname")) is not None:
        out += checks.named(names.dns1123_label, f"{path}.hostname", host)
    hints = endpoint.get("hints") or {}
    for field, rule in _HINTS.items():
        values, at = hints.get(field) or [], f"{path}.hints.{field}"
        if len(values) > _MAX_HINTS:
            return [*out, too_many(at, len(values), _MAX_HINTS)]
        known = [v.get("name") or "" for v in values]
        for i, name in enumerate(known):
            if name in known[:i]:
                out.append(duplicate(f"{at}[{i}].name", name))
            out += checks.named(rule, f"{at}[{i}].name", name)
    return out


def _address(address: str, kind: str, path: str) -> list[FieldError]:
    if kind == "FQDN":
        return _domain(address, path)
    if kind not in ("IPv4", "IPv6"):
        return []
    if found := checks.named(names.ip if kind == "IPv4" else names.canonical_ip, path, address):
        return found
    out: list[FieldError] = []
    if (":" in address) != (kind == "IPv6"):
        whole = path.rpartition("[")[0]
        out.append(invalid(whole, address, f"must be an {kind} address"))
    return out + checks.non_special_ip(address, path)


def _domain(name: str, path: str) -> list[FieldError]:
    """A fully qualified domain name of at least two labels."""
    if not name:
        return [required(path)]
    name = name.removesuffix(".")
    if found := names.dns1123_subdomain(name):
        return [invalid(path, name, ",".join(found))]
    if "." not in name:
        return [invalid(path, name, "should be a domain with at least two segments separated by dots")]
    labels = ((label, names.dns1123_label(label)) for label in name.split("."))
    return next(([invalid(path, label, ",".join(found))] for label, found in labels if found), [])


def _ports(ports: list[Object]) -> list[FieldError]:
    if len(ports) > _MAX_PORTS:
        return [too_many("ports", len(ports), _MAX_PORTS)]
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, port in enumerate(ports):
        path, name = f"ports[{i}]", port.get("name") or ""
        if name:
            out += checks.named(names.dns1123_label, f"{path}.name", name)
        if name in seen:
            out.append(duplicate(f"{path}.name", name))
        seen.add(name)
        out += checks.known(port.get("protocol"), checks.PROTOCOLS, f"{path}.protocol")
        if (app := port.get("appProtocol")) is not None:
            out += [invalid(f"{path}.appProtocol", app, m) for m in qualified_name_errors(app)]
    return out
