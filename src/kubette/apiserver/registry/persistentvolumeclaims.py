"""PersistentVolumeClaims. Source: core/v1/defaults.go, core/validation (ValidatePersistentVolumeClaim)."""

from __future__ import annotations

from typing import Any

from kubette.api import names, quantity
from kubette.api.errors import FieldError, forbidden, invalid, required
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
_MAY_CHANGE = ("resources", "volumeAttributesClassName", "volumeName", "storageClassName")


def storage_amount(amounts: Object, path: str) -> list[FieldError]:
    """``storage`` is there and positive."""
    if amounts.get("storage") is None:
        return [required(f"{path}[storage]")]
    value = str(amounts["storage"])
    if quantity.parse(value) <= 0:
        return [invalid(f"{path}[storage]", value, "must be greater than zero")]
    return []


def access_modes(modes: list[str] | None, path: str) -> list[FieldError]:
    if not modes:
        return [required(path, "at least 1 access mode is required")]
    out = [e for m in modes for e in checks.one_of(m, ACCESS_MODES, path)]
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        words = "may not use ReadWriteOncePod with other access modes"
        out.append(forbidden(path, words))
    return out


class PersistentVolumeClaims(Strategy):
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("volumeMode"):
            spec["volumeMode"] = "Filesystem"

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"phase": "Pending"}

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = access_modes(spec.get("accessModes"), "spec.accessModes")
        out += checks.label_selector(spec.get("selector"), "spec.selector")
        requests = (spec.get("resources") or {}).get("requests") or {}
        out += storage_amount(requests, "spec.resources")
        if name := spec.get("storageClassName"):
            out += checks.named(names.dns1123_subdomain, "spec.storageClassName", name)
        return out + checks.if_set(spec.get("volumeMode"), VOLUME_MODES, "spec.volumeMode")

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return []
        out = self.validate(new, ctx)
        spec, before = new["spec"], old["spec"]
        fixed = {k: v for k, v in spec.items() if k not in _MAY_CHANGE}
        was = {k: v for k, v in before.items() if k not in _MAY_CHANGE}
        late = any(before.get(f) and spec.get(f) != before[f] for f in ("volumeName", "storageClassName"))
        if fixed != was or late:
            words = (
                "spec is immutable after creation except resources.requests and volumeAttributesClassName "
                "for bound claims"
            )
            out.append(forbidden("spec", words))
        return out
