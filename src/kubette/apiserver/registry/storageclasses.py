"""StorageClasses. Source: pkg/apis/storage/{v1/defaults.go,validation}."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, forbidden, required
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.objectmeta import qualified_name_errors

Object = dict[str, Any]
_FIXED = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")


class StorageClasses(Strategy):
    def default(self, obj: Object) -> None:
        if not obj.get("reclaimPolicy"):
            obj["reclaimPolicy"] = "Delete"
        if not obj.get("volumeBindingMode"):
            obj["volumeBindingMode"] = "Immediate"

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        provisioner = obj.get("provisioner") or ""
        if not provisioner:
            out = [required("provisioner")]
        else:
            out = checks.named(qualified_name_errors, "provisioner", provisioner.lower())
        out += checks.one_of(obj.get("reclaimPolicy"), ("Delete", "Retain"), "reclaimPolicy")
        modes = ("Immediate", "WaitForFirstConsumer")
        return out + checks.one_of(obj.get("volumeBindingMode"), modes, "volumeBindingMode")

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        out = self.validate(new, ctx)
        for field in _FIXED:
            if (new.get(field) or None) != (old.get(field) or None):
                out.append(forbidden(field, "updates to " + field + " are forbidden."))
        return out
