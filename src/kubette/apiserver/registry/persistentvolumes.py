"""PersistentVolumes. Source: core/v1/defaults.go, core/validation (ValidatePersistentVolume)."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, required
from kubette.apiserver.registry import checks, scheduling
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.persistentvolumeclaims import VOLUME_MODES, access_modes, storage_amount

Object = dict[str, Any]
_RECLAIM = ("Delete", "Recycle", "Retain")
#: Objects below spec that are not the volume's source.
_NOT_SOURCES = frozenset({"capacity", "claimRef", "nodeAffinity"})


class PersistentVolumes(Strategy):
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("persistentVolumeReclaimPolicy"):
            spec["persistentVolumeReclaimPolicy"] = "Retain"
        if not spec.get("volumeMode"):
            spec["volumeMode"] = "Filesystem"
        if (host := spec.get("hostPath")) is not None:
            host.setdefault("type", "")

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"phase": "Pending"}

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = access_modes(spec.get("accessModes"), "spec.accessModes")
        out += storage_amount(spec.get("capacity") or {}, "spec.capacity")
        sources = _sources(spec)
        if not sources:
            out.append(required("spec", "must specify a volume type"))
        out += [forbidden(f"spec.{s}", "may not specify more than 1 volume type") for s in sources[1:]]
        out += checks.if_set(spec["persistentVolumeReclaimPolicy"], _RECLAIM, "spec.persistentVolumeReclaimPolicy")
        if name := spec.get("storageClassName"):
            out += checks.named(names.dns1123_subdomain, "spec.storageClassName", name)
        selector = (spec.get("nodeAffinity") or {}).get("required")
        if selector is not None:
            out += scheduling.node_selector(selector, "spec.nodeAffinity.required")
        elif "local" in sources:
            out.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
        return out + checks.if_set(spec.get("volumeMode"), VOLUME_MODES, "spec.volumeMode")

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return []
        out = self.validate(new, ctx)
        spec, before = new["spec"], old["spec"]
        if any(spec.get(s) != before.get(s) for s in {*_sources(spec), *_sources(before)}):
            words = "spec.persistentvolumesource is immutable after creation"
            out.append(forbidden("spec.persistentvolumesource", words))
        return out + checks.immutable(spec.get("volumeMode"), before.get("volumeMode"), "spec.volumeMode")


def _sources(spec: Object) -> list[str]:
    return [k for k, v in spec.items() if isinstance(v, dict) and k not in _NOT_SOURCES]
