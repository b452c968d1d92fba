"""HorizontalPodAutoscalers, v1 and v2. Source: pkg/apis/autoscaling/{v2/defaults.go,validation}."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import workloads
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_TARGET_PERCENT = 80
#: Where v1 carries the metrics that it has no fields for.
_METRICS = "autoscaling.alpha.kubernetes.io/metrics"


class Autoscalers(Strategy):
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        workloads.set_default(spec, "minReplicas", 1)
        if self.kind.version == "v1":
            if _METRICS not in (obj["metadata"].get("annotations") or {}):
                workloads.set_default(spec, "targetCPUUtilizationPercentage", _TARGET_PERCENT)
            return
        if not spec.get("metrics"):
            target = {"type": "Utilization", "averageUtilization": _TARGET_PERCENT}
            spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"desiredReplicas": 0, "currentReplicas": 0}

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
        out: list[FieldError] = []
        if least is not None and least < 1:
            out.append(invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
        if most < 1:
            out.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
        if least is not None and most < least:
            words = "must be greater than or equal to `minReplicas`"
            out.append(invalid("spec.maxReplicas", most, words))
        target = spec.get("scaleTargetRef") or {}
        return out + [required(f"spec.scaleTargetRef.{f}") for f in ("kind", "name") if not target.get(f)]

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return [] if ctx.subresource == "status" else self.validate(new, ctx)
