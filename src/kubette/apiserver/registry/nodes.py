"""Nodes. Source: pkg/registry/core/node, core/validation (ValidateNode, ValidateNodeUpdate)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, forbidden, invalid
from kubette.apiserver.registry import addresses, checks, quotaresources, scheduling
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_FEATURE = re.compile(r"[A-Z][A-Za-z0-9]*(/[A-Za-z0-9]+)*").fullmatch
_FEATURE_LONGEST = 253


class Nodes(Strategy):
    selectable_fields = {  # noqa: RUF012
        "spec.unschedulable": lambda o: "true" if (o.get("spec") or {}).get("unschedulable") else "false",
    }

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A kubelet registers with its status already filled in, so it is kept."""
        _cidrs(obj.setdefault("spec", {}))
        obj["spec"].pop("configSource", None)
        (obj.get("status") or {}).pop("config", None)

    def default(self, obj: Object) -> None:
        status = obj.get("status") or {}
        if status.get("allocatable") is None and status.get("capacity") is not None:
            status["allocatable"] = dict(status["capacity"])

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        super().prepare_update(new, old, ctx)
        _cidrs(new.setdefault("spec", {}))

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        out = scheduling.taints(spec.get("taints"), "metadata.taints")  # the path that upstream gives them
        out += _status(obj.get("status") or {})
        cidrs = spec.get("podCIDRs") or []
        found = [e for i, cidr in enumerate(cidrs) for e in checks.named(names.cidr, f"spec.podCIDRs[{i}]", cidr)]
        if not found and len(cidrs) > 1:
            versions = {ipaddress.ip_network(c, strict=False).version for c in cidrs}
            if len(cidrs) > 2 or len(versions) < 2:
                words = "may specify no more than one CIDR for each IP family"
                found.append(invalid("spec.podCIDRs", cidrs, words))
        return out + found

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        spec, before = new.get("spec") or {}, old.get("spec") or {}
        out = _status(new.get("status") or {}) if ctx.subresource == "status" else self.validate(new, ctx)
        out += _addresses(new)
        if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
            words = 'node updates may not change podCIDR except from "" to valid'
            out.append(forbidden("spec.podCIDRs", words))
        if before.get("providerID") and spec.get("providerID") != before["providerID"]:
            words = 'node updates may not change providerID except from "" to valid'
            out.append(forbidden("spec.providerID", words))
        if (spec.get("externalID") or "") != (before.get("externalID") or ""):
            out.append(forbidden("spec.externalID", "may not be updated"))
        return out

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        spec = obj.get("spec") or {}
        if spec.get("configSource") is not None:
            yield "spec.configSource: the feature is removed"
        if spec.get("externalID"):
            yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"
        for i, cidr in enumerate(spec.get("podCIDRs") or ()):
            yield from addresses.cidr_warnings(cidr, f"spec.podCIDRs[{i}]")

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return () if ctx.subresource else self.warnings_on_create(new, ctx)


def _status(status: Object) -> list[FieldError]:
    """Amounts, and the features that a node declares: sorted, each once."""
    out: list[FieldError] = []
    for field in ("capacity", "allocatable"):
        for name, value in (status.get(field) or {}).items():
            out += quotaresources.amount(name, value, f"status.{field}.{name}")
    features = status.get("declaredFeatures") or []
    for i, feature in enumerate(features):
        path = f"status.declaredFeatures[{i}]"
        if why := _feature_error(feature):
            out.append(invalid(path, feature, why))
        if i and feature == features[i - 1]:
            out.append(duplicate(path, feature))
        elif i and feature < features[i - 1]:
            out.append(invalid(path, feature, "list must be sorted alphabetically"))
    return out


def _feature_error(feature: str) -> str:
    if len(feature) > _FEATURE_LONGEST:
        return f'invalid feature name "{feature}": must be no more than {_FEATURE_LONGEST} characters'
    if _FEATURE(feature):
        return ""
    return (
        f'invalid feature name "{feature}": must start with an UpperCamelCase segment, with subsequent segments '
        "separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and "
        "slashes"
    )


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
