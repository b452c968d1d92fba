"""Leases. Source: pkg/apis/coordination/validation (ValidateLease)."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class Leases(Strategy):
    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Coordinated leader election is off, as upstream has it by default."""
        super().prepare_create(obj, ctx)
        for field in ("strategy", "preferredHolder"):
            (obj.get("spec") or {}).pop(field, None)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        super().prepare_update(new, old, ctx)
        for field in ("strategy", "preferredHolder"):
            (new.get("spec") or {}).pop(field, None)

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        out = checks.positive(spec.get("leaseDurationSeconds"), "spec.leaseDurationSeconds")
        return out + checks.non_negative(spec.get("leaseTransitions"), "spec.leaseTransitions")
