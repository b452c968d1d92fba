"""PodDisruptionBudgets. Source: pkg/registry/policy/poddisruptionbudget, policy/validation."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, invalid, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


class DisruptionBudgets(Strategy):
    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = dict.fromkeys(_COUNTS, 0)

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
        out: list[FieldError] = []
        if least is not None and most is not None:
            words = "minAvailable and maxUnavailable cannot be both set"
            out.append(invalid("spec", spec, words))
        for field, value in (("minAvailable", least), ("maxUnavailable", most)):
            if value is not None:
                out += checks.percent_or_count(value, f"spec.{field}")
                out += checks.at_most_hundred(value, f"spec.{field}")
        out += checks.label_selector(spec.get("selector"), "spec.selector")
        policy, path = spec.get("unhealthyPodEvictionPolicy"), "spec.unhealthyPodEvictionPolicy"
        return out if policy is None or policy in _POLICIES else [*out, unsupported(path, policy, _POLICIES)]

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource != "status":
            return self.validate(new, ctx)
        status = new.get("status") or {}
        return [e for f in _COUNTS for e in checks.non_negative(status.get(f), f"status.{f}")]
