"""VolumeAttributesClasses. Source: pkg/apis/storage/validation (ValidateVolumeAttributesClass)."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, forbidden
from kubette.apiserver.registry import storage
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class VolumeAttributesClasses(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out = storage.provisioner(obj.get("driverName"), "driverName")
        return out + storage.parameters(obj.get("parameters"), "parameters", needed=True)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        out = [
            forbidden(field, f"updates to {field} are forbidden.")
            for field in ("driverName", "parameters")
            if (new.get(field) or None) != (old.get(field) or None)
        ]
        return out + self.validate(new, ctx)
