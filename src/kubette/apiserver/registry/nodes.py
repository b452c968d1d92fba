"""Nodes. Source: pkg/registry/core/node, core/validation (ValidateNode, ValidateNodeUpdate)."""

from __future__ import annotations

import ipaddress
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid
from kubette.apiserver.registry import checks, scheduling
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_MAY_CHANGE = ("podCIDR", "podCIDRs", "providerID", "taints", "unschedulable")
_UPDATABLE = (
    "node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig "
    "feature gate is enabled)"
)


class Nodes(Strategy):
    selectable_fields = {  # noqa: RUF012
        "spec.unschedulable": lambda o: "true" if (o.get("spec") or {}).get("unschedulable") else "false",
    }

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A kubelet registers with its status already filled in, so it is kept."""
        _cidrs(obj.setdefault("spec", {}))

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        super().prepare_update(new, old, ctx)
        _cidrs(new.setdefault("spec", {}))

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        out = scheduling.taints(spec.get("taints"), "spec.taints")
        cidrs = spec.get("podCIDRs") or []
        for i, cidr in enumerate(cidrs):
            out += checks.named(names.cidr, f"spec.podCIDRs[{i}]", cidr)
        if not out and len(cidrs) > 1:
            versions = {ipaddress.ip_network(c, strict=False).version for c in cidrs}
            if len(cidrs) > 2 or len(versions) < 2:
                words = "may specify no more than one CIDR for each IP family"
                out.append(invalid("spec.podCIDRs", cidrs, words))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        spec, before = new.get("spec") or {}, old.get("spec") or {}
        out = self.validate(new, ctx)
        if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
            words = 'node updates may not change podCIDR except from "" to valid'
            out.append(forbidden("spec.podCIDRs", words))
        if before.get("providerID") and spec.get("providerID") != before["providerID"]:
            words = 'node updates may not change providerID except from "" to valid'
            out.append(forbidden("spec.providerID", words))
        if not out and _fixed(spec) != _fixed(before):
            out.append(forbidden("", _UPDATABLE))
        return out + _addresses(new)


def _fixed(spec: Object) -> Object:
    """What an update may not touch."""
    return {k: v for k, v in spec.items() if k not in _MAY_CHANGE and v}


def _cidrs(spec: Object) -> None:
    """``podCIDR`` is the first of ``podCIDRs``."""
    one, all_of = spec.get("podCIDR"), spec.get("podCIDRs")
    if one and not all_of:
        spec["podCIDRs"] = [one]
    elif one and all_of and one != all_of[0]:
        spec["podCIDRs"] = [one]  # upstream believes the older field
    elif all_of and not one:
        spec["podCIDR"] = all_of[0]


def _addresses(obj: Object) -> list[FieldError]:
    seen: list[Object] = []
    out: list[FieldError] = []
    for i, address in enumerate((obj.get("status") or {}).get("addresses") or ()):
        if address in seen:
            out.append(FieldError("FieldValueDuplicate", f"status.addresses[{i}]", "", address, True))
        seen.append(address)
    return out
