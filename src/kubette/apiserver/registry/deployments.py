"""Deployments. Source: pkg/registry/apps/deployment, apps/v1/defaults.go, apps/validation (ValidateDeployment)."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, forbidden, invalid, unsupported
from kubette.apiserver.registry import podtemplate, workloads
from kubette.apiserver.registry.base import Context

Object = dict[str, Any]
_SHARE = "25%"
_STRATEGIES = ("Recreate", "RollingUpdate")


class Deployments(workloads.Workload):
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        workloads.set_default(spec, "replicas", 1)
        strategy = spec.setdefault("strategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            workloads.set_default(rolling, "maxUnavailable", _SHARE)
            workloads.set_default(rolling, "maxSurge", _SHARE)
        workloads.set_default(spec, "revisionHistoryLimit", 10)
        workloads.set_default(spec, "progressDeadlineSeconds", 600)
        podtemplate.default(spec.setdefault("template", {}))

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {}

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        super().prepare_update(new, old, ctx)
        meta, before = new["metadata"], old["metadata"]
        if ctx.subresource == "status":
            meta.pop("labels", None)
            if "labels" in before:
                meta["labels"] = before["labels"]
        elif not ctx.subresource and (meta.get("annotations") or {}) != (before.get("annotations") or {}):
            # The ReplicaSets carry the annotations: the controller has work.
            meta["generation"] = int(before.get("generation") or 0) + 1

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = workloads.replicas(spec) + workloads.selector_errors(spec, "deployment")
        out += workloads.template_errors(spec, "ReplicaSet")
        out += _strategy(spec.get("strategy") or {}, "spec.strategy")
        out += workloads.counts(spec, "minReadySeconds", "revisionHistoryLimit")
        deadline = spec.get("progressDeadlineSeconds")
        if deadline is not None:
            out += workloads.counts(spec, "progressDeadlineSeconds")
            if deadline <= (spec.get("minReadySeconds") or 0):
                words = "must be greater than minReadySeconds"
                out.append(invalid("spec.progressDeadlineSeconds", deadline, words))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return workloads.status_errors(new, old)
        return self.validate(new, ctx) + workloads.immutable_selector(new, old)


def _strategy(strategy: Object, path: str) -> list[FieldError]:
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") not in _STRATEGIES:
        return [unsupported(path, strategy, _STRATEGIES)]
    out: list[FieldError] = []
    if strategy.get("type") == "Recreate" and rolling is not None:
        words = "may not be specified when strategy `type` is 'Recreate'"
        out.append(forbidden(f"{path}.rollingUpdate", words))
    if strategy.get("type") == "RollingUpdate" and rolling is not None:
        out += workloads.rolling_update(rolling, f"{path}.rollingUpdate")
    return out
