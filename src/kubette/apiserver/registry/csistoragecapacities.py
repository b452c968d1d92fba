"""CSIStorageCapacities. Source: pkg/apis/storage/validation (ValidateCSIStorageCapacity), pkg/api/storage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubette.api.errors import FieldError
from kubette.apiserver.registry import checks, nodelabels, storage
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class CSIStorageCapacities(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out = checks.label_selector(obj.get("nodeTopology"), "nodeTopology")
        out += storage.class_name(obj.get("storageClassName") or "", "storageClassName")
        return out + checks.non_negative_quantity(obj.get("capacity"), "capacity")

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        out = self.validate(new, ctx)
        for field in ("nodeTopology", "storageClassName"):
            out += checks.immutable(new.get(field) or None, old.get(field) or None, field)
        return out

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        return nodelabels.label_selector(obj.get("nodeTopology"), "nodeTopology")

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return self.warnings_on_create(new, ctx)
