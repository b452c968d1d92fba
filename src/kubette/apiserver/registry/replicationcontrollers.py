"""ReplicationControllers. Source: pkg/registry/core/replicationcontroller, core/validation (…Controller…)."""

from __future__ import annotations

from typing import Any

from kubette.api import selectors
from kubette.api.errors import FieldError, required
from kubette.apiserver.registry import podtemplate, workloads
from kubette.apiserver.registry.base import Context

Object = dict[str, Any]


class ReplicationControllers(workloads.Workload):
    selectable_fields = {  # noqa: RUF012
        "status.replicas": lambda o: str((o.get("status") or {}).get("replicas") or 0),
    }

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        template = spec.get("template")
        labels = ((template or {}).get("metadata") or {}).get("labels")
        if labels:
            if not spec.get("selector"):
                spec["selector"] = dict(labels)
            if not obj["metadata"].get("labels"):
                obj["metadata"]["labels"] = dict(labels)
        workloads.set_default(spec, "replicas", 1)
        podtemplate.default(template)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = workloads.counts(spec, "minReadySeconds")
        selector = spec.get("selector")
        if not selector:
            out.append(required("spec.selector"))
        out += workloads.replicas(spec)
        matcher = selectors.from_map(selector) if selector else None
        return out + podtemplate.validate_for(spec.get("template"), matcher, "spec.template", "ReplicationController")

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return workloads.status_errors(new, old)
        return self.validate(new, ctx)
