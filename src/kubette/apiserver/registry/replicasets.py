"""ReplicaSets. Source: pkg/registry/apps/replicaset, apps/validation (ValidateReplicaSet)."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError
from kubette.apiserver.registry import podtemplate, workloads
from kubette.apiserver.registry.base import Context

Object = dict[str, Any]


class ReplicaSets(workloads.Workload):
    selectable_fields = {  # noqa: RUF012
        "status.replicas": lambda o: str((o.get("status") or {}).get("replicas") or 0),
    }

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        workloads.set_default(spec, "replicas", 1)
        podtemplate.default(spec.setdefault("template", {}))

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = workloads.replicas(spec) + workloads.counts(spec, "minReadySeconds")
        out += workloads.selector_errors(spec, "deployment")
        return out + workloads.template_errors(spec, "ReplicaSet")

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return workloads.status_errors(new, old)
        return self.validate(new, ctx) + workloads.immutable_selector(new, old)
