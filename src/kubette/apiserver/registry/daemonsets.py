"""DaemonSets. Source: pkg/registry/apps/daemonset, apps/v1/defaults.go, apps/validation (ValidateDaemonSet)."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, required
from kubette.apiserver.registry import checks, podtemplate, workloads
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
#: Where v1 keeps the counter that older clients read.
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class DaemonSets(Strategy):
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        strategy = spec.setdefault("updateStrategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            workloads.set_default(rolling, "maxUnavailable", 1)
            workloads.set_default(rolling, "maxSurge", 0)
        workloads.set_default(spec, "revisionHistoryLimit", 10)
        podtemplate.default(spec.get("template"))

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        zero = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
        obj["status"] = dict.fromkeys(zero, 0)
        obj["metadata"].setdefault("annotations", {})[_TEMPLATE_GENERATION] = "1"

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        super().prepare_update(new, old, ctx)
        if ctx.subresource:
            return
        was = (old["metadata"].get("annotations") or {}).get(_TEMPLATE_GENERATION, "1")
        changed = new["spec"].get("template") != old["spec"].get("template")
        count = int(was) + 1 if changed and was.isdigit() else was
        new["metadata"].setdefault("annotations", {})[_TEMPLATE_GENERATION] = str(count)

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = workloads.selector_errors(spec, "daemonset") + workloads.template_errors(spec)
        out += workloads.counts(spec, "minReadySeconds", "revisionHistoryLimit")
        strategy, path = spec.get("updateStrategy") or {}, "spec.updateStrategy"
        out += checks.one_of(strategy.get("type"), ("OnDelete", "RollingUpdate"), path)
        if strategy.get("type") == "RollingUpdate":
            rolling, at = strategy.get("rollingUpdate") or {}, f"{path}.rollingUpdate"
            unavailable, surge = rolling.get("maxUnavailable", 1), rolling.get("maxSurge", 0)
            out += checks.percent_or_count(unavailable, f"{at}.maxUnavailable")
            out += checks.percent_or_count(surge, f"{at}.maxSurge")
            if unavailable in (0, "0%") and surge in (0, "0%"):
                out.append(required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return workloads.status_errors(new, old)
        return self.validate(new, ctx) + workloads.immutable_selector(new, old)
