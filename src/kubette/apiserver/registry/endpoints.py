"""Endpoints: addresses by hand or by the controller. Source: core/validation (ValidateEndpoints)."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.objectmeta import qualified_name_errors

Object = dict[str, Any]


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


def _subset(subset: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    ready, waiting = subset.get("addresses") or [], subset.get("notReadyAddresses") or []
    if not ready and not waiting:
        out.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
    for field, addresses in (("addresses", ready), ("notReadyAddresses", waiting)):
        for i, address in enumerate(addresses):
            out += _address(address, f"{path}.{field}[{i}]")
    ports = subset.get("ports") or []
    for i, port in enumerate(ports):
        out += _port(port, len(ports) > 1, f"{path}.ports[{i}]")
    return out


def _address(address: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    ip = address.get("ip") or ""
    found = checks.ip(ip, f"{path}.ip")
    out += found or checks.non_special_ip(ip, f"{path}.ip")
    if host := address.get("hostname"):
        out += checks.named(names.dns1123_label, f"{path}.hostname", host)
    if (node := address.get("nodeName")) is not None:
        out += checks.named(names.dns1123_subdomain, f"{path}.nodeName", node)
    return out


def _port(port: Object, needs_name: bool, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    name = port.get("name") or ""
    if needs_name and not name:
        out.append(required(f"{path}.name"))
    elif name:
        out += checks.named(names.dns1123_label, f"{path}.name", name)
    out += checks.port(port.get("port"), f"{path}.port")
    out += checks.one_of(port.get("protocol"), checks.PROTOCOLS, f"{path}.protocol")
    if app := port.get("appProtocol"):
        out += [invalid(f"{path}.appProtocol", app, m) for m in qualified_name_errors(app)]
    return out
