"""EndpointSlices. Source: pkg/registry/discovery/endpointslice, discovery/validation."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, invalid, too_many
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy, bump_generation
from kubette.apiserver.registry.objectmeta import qualified_name_errors

Object = dict[str, Any]
_TYPES = ("FQDN", "IPv4", "IPv6")
_MAX_ENDPOINTS, _MAX_PORTS, _MAX_ADDRESSES, _MAX_ZONES = 1000, 20000, 100, 8


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
        kind = obj.get("addressType") or ""
        out = checks.one_of(kind, _TYPES, "addressType")
        endpoints, ports = obj.get("endpoints") or [], obj.get("ports") or []
        if len(endpoints) > _MAX_ENDPOINTS:
            return [*out, too_many("endpoints", len(endpoints), _MAX_ENDPOINTS)]
        for i, endpoint in enumerate(endpoints):
            out += _endpoint(endpoint, kind, f"endpoints[{i}]")
        return out + _ports(ports)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        now, before = new.get("addressType"), old.get("addressType")
        return self.validate(new, ctx) + checks.immutable(now, before, "addressType")


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
    zones = (endpoint.get("hints") or {}).get("forZones") or []
    if len(zones) > _MAX_ZONES:
        out.append(too_many(f"{path}.hints", len(zones), _MAX_ZONES))
    return out


def _address(address: str, kind: str, path: str) -> list[FieldError]:
    if kind == "FQDN":
        return checks.named(names.fully_qualified_name, path, address.removesuffix("."))
    if kind not in ("IPv4", "IPv6"):
        return []
    if names.ip(address) or (":" in address) != (kind == "IPv6"):
        words = f"must be a valid {kind} address"
        return [invalid(path, address, words)]
    return checks.non_special_ip(address, path)


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
        if port.get("port") is not None:
            out += checks.port(port["port"], f"{path}.port")
        out += checks.one_of(port.get("protocol"), checks.PROTOCOLS, f"{path}.protocol")
        if app := port.get("appProtocol"):
            out += [invalid(f"{path}.appProtocol", app, m) for m in qualified_name_errors(app)]
    return out
