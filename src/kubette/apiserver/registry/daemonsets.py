"""DaemonSets. Source: pkg/registry/apps/daemonset, apps/v1/defaults.go, apps/validation (ValidateDaemonSet)."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, invalid, required, unsupported
from kubette.apiserver.registry import checks, podtemplate, podwarnings, workloads
from kubette.apiserver.registry.base import Context

Object = dict[str, Any]
#: Where v1 keeps the counter that older clients read.
_STRATEGIES = ("RollingUpdate", "OnDelete")
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class DaemonSets(workloads.Workload):
    name_use = ""

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
        podtemplate.default(spec.setdefault("template", {}))

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
        out = workloads.selector_errors(spec, "daemonset") + workloads.template_errors(spec, "DaemonSet")
        out += workloads.counts(spec, "minReadySeconds", "revisionHistoryLimit")
        strategy, path = spec.get("updateStrategy") or {}, "spec.updateStrategy"
        if strategy.get("type") not in _STRATEGIES:
            out.append(unsupported(path, strategy, _STRATEGIES))
        elif strategy["type"] == "RollingUpdate":
            out += _rolling_update(strategy.get("rollingUpdate") or {}, f"{path}.rollingUpdate")
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return workloads.status_errors(new, old)
        return self.validate(new, ctx) + workloads.immutable_selector(new, old)

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> list[str]:
        if new["spec"].get("template") == old["spec"].get("template"):
            return []
        return podwarnings.of_template(new["spec"].get("template"), "spec.template")


def _rolling_update(rolling: Object, path: str) -> list[FieldError]:
    """Either pods may be missing or there may be more, not both and not neither."""
    limits = {f: rolling.get(f, value) for f, value in (("maxUnavailable", 1), ("maxSurge", 0))}
    out = [e for f, value in limits.items() for e in checks.percent_or_count(value, f"{path}.{f}")]
    out += [e for f, value in limits.items() for e in checks.at_most_hundred(value, f"{path}.{f}")]
    unavailable, surge = (workloads.int_or_percent(v) for v in limits.values())
    if unavailable and surge:
        out.append(invalid(f"{path}.maxSurge", limits["maxSurge"], "may not be set when maxUnavailable is non-zero"))
    if not unavailable and not surge:
        out.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return out
