"""Leases. Source: pkg/apis/coordination/validation (ValidateLease)."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class Leases(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        out = checks.positive(spec.get("leaseDurationSeconds"), "spec.leaseDurationSeconds")
        return out + checks.non_negative(spec.get("leaseTransitions"), "spec.leaseTransitions")
