"""Endpoints: addresses by hand or by the controller. Source: core/validation (ValidateEndpoints)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import addresses, checks
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.objectmeta import qualified_name_errors

Object = dict[str, Any]
_MANAGED_BY = "endpoints.kubernetes.io/managed-by"


class EndpointsStrategy(Strategy):
    def default(self, obj: Object) -> None:
        for subset in obj.get("subsets") or ():
            for port in subset.get("ports") or ():
                if not port.get("protocol"):
                    port["protocol"] = "TCP"

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out: list[FieldError] = []
        for i, subset in enumerate(obj.get("subsets") or ()):
            out += _subset(subset, f"subsets[{i}]")
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Subsets that stay are not looked at: an older server accepted more."""
        return [] if new.get("subsets") == old.get("subsets") else self.validate(new, ctx)

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        if (obj["metadata"].get("labels") or {}).get(_MANAGED_BY) == "endpoint-controller":
            return
        for i, subset in enumerate(obj.get("subsets") or ()):
            for field in ("addresses", "notReadyAddresses"):
                for j, one in enumerate(subset.get(field) or ()):
                    yield from addresses.ip_warnings(one.get("ip") or "", f"subsets[{i}].{field}[{j}].ip")

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return self.warnings_on_create(new, ctx)


def _subset(subset: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    ready, waiting = subset.get("addresses") or [], subset.get("notReadyAddresses") or []
    if not ready and not waiting:
        out.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
    for field, listed in (("addresses", ready), ("notReadyAddresses", waiting)):
        for i, address in enumerate(listed):
            out += _address(address, f"{path}.{field}[{i}]")
    ports = subset.get("ports") or []
    for i, port in enumerate(ports):
        out += _port(port, len(ports) > 1, f"{path}.ports[{i}]")
    return out


def _address(address: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    ip = address.get("ip") or ""
    out += checks.ip(ip, f"{path}.ip")
    if host := address.get("hostname"):
        out += checks.named(names.dns1123_label, f"{path}.hostname", host)
    if (node := address.get("nodeName")) is not None:
        out += checks.named(names.dns1123_subdomain, f"{path}.nodeName", node)
    return out + checks.non_special_ip(ip, f"{path}.ip")


def _port(port: Object, needs_name: bool, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    name = port.get("name") or ""
    if needs_name and not name:
        out.append(required(f"{path}.name"))
    elif name:
        out += checks.named(names.dns1123_label, f"{path}.name", name)
    out += checks.port(port.get("port"), f"{path}.port")
    out += checks.one_of(port.get("protocol"), checks.PROTOCOLS, f"{path}.protocol")
    if (app := port.get("appProtocol")) is not None:
        out += [invalid(f"{path}.appProtocol", app, m) for m in qualified_name_errors(app)]
    return out
