"""Pods: defaults, what may change, and the subresources binding, eviction, ephemeralcontainers, resize.

Source: pkg/registry/core/pod (strategy.go, storage/storage.go, storage/eviction.go).
"""

from __future__ import annotations

import copy
from typing import Any

from kubette.api import meta
from kubette.api.errors import (
    ApiError,
    BadRequest,
    FieldError,
    conflict,
    forbidden,
    invalid_object,
    required,
    unsupported,
)
from kubette.apiserver import admission
from kubette.apiserver.registry import (
    eviction,
    podannotations,
    poddefaults,
    podupdate,
    podvalidation,
    podwarnings,
    resources,
    scheduling,
)
from kubette.apiserver.registry.base import Context, Strategy, SubresourceResult

Object = dict[str, Any]
_SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def _of(*path: str) -> Any:
    def read(obj: Object) -> str:
        value: Any = obj
        for key in path:
            value = (value or {}).get(key)
        return str(value) if value is not None else ""

    return read


class Pods(Strategy):
    default_grace_period = 30
    selectable_fields = {  # noqa: RUF012
        "spec.nodeName": _of("spec", "nodeName"),
        "spec.restartPolicy": _of("spec", "restartPolicy"),
        "spec.schedulerName": _of("spec", "schedulerName"),
        "spec.serviceAccountName": _of("spec", "serviceAccountName"),
        "spec.hostNetwork": lambda o: "true" if (o.get("spec") or {}).get("hostNetwork") else "false",
        "status.phase": _of("status", "phase"),
        "status.podIP": _of("status", "podIP"),
        "status.nominatedNodeName": _of("status", "nominatedNodeName"),
    }

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        poddefaults.default_pod(spec)
        if spec["terminationGracePeriodSeconds"] < 0:  # templates keep it
            spec["terminationGracePeriodSeconds"] = 1

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        spec = obj["spec"]
        poddefaults.drop_disabled(spec, {})
        scheduling.apply_label_keys(obj)
        ctx.warnings += podannotations.apparmor_fields(obj)
        status: Object = {"phase": "Pending", "qosClass": resources.qos_class(spec)}
        obj["status"] = status
        if spec.get("schedulingGates"):
            gated = {
                "type": "PodScheduled",
                "status": "False",
                "lastTransitionTime": ctx.now(),
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
            status["conditions"] = [gated]

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        if ctx.subresource == "status":
            status, before = new.setdefault("status", {}), old.get("status") or {}
            for field in ("qosClass", "phase"):
                if not status.get(field) and before.get(field):
                    status[field] = before[field]
            return
        poddefaults.drop_disabled(new["spec"], old["spec"])
        for field in ("priority", "preemptionPolicy"):  # the priority that admission gave stays
            if new["spec"].get(field) is None and old["spec"].get(field) is not None:
                new["spec"][field] = old["spec"][field]
        if ctx.subresource == "ephemeralcontainers":
            _only_spec(new, old, _with_ephemeral(old["spec"], new["spec"].get("ephemeralContainers")))
        elif ctx.subresource == "resize":
            _only_spec(new, old, _with_resources(old["spec"], new["spec"]))
        super().prepare_update(new, old, ctx)

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = podvalidation.validate_pod(obj)
        if spec.get("ephemeralContainers"):
            out.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
        if spec.get("nodeName") and spec.get("schedulingGates"):
            out.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
        annotations = obj["metadata"].get("annotations") or {}
        return out + podannotations.matches_fields(annotations, spec, "spec")

    def warnings_on_create(self, obj: Object, ctx: Context) -> list[str]:
        return podwarnings.of_name(obj, "this is used in the Pod's hostname") + podwarnings.of_pod(obj)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return podupdate.validate_annotations(new, old) + podupdate.validate_status(new, old)
        if ctx.subresource == "ephemeralcontainers":
            return podvalidation.validate_pod(new) + podupdate.validate_ephemeral(new, old)
        if ctx.subresource == "resize":
            return podvalidation.validate_pod(new) + podupdate.validate_resize(new, old)
        if new["spec"] == old["spec"]:
            return podupdate.validate_annotations(new, old)
        return (
            podvalidation.validate_pod(new) + podupdate.validate_annotations(new, old) + podupdate.validate(new, old)
        )

    def connect(self, sub: str, parent: Object, body: Object, ctx: Context) -> SubresourceResult | None:
        if sub == "binding":
            return _bind(parent, body, ctx)
        if sub == "eviction":
            return eviction.evict(parent, body, ctx)
        return None


def _only_spec(new: Object, old: Object, spec: Object) -> None:
    """The old pod with another spec (and the version that the client saw)."""
    new["spec"] = spec
    new["metadata"] = copy.deepcopy(old["metadata"])
    if "status" in old:
        new["status"] = old["status"]


def _with_ephemeral(spec: Object, containers: list[Object] | None) -> Object:
    out = {k: v for k, v in spec.items() if k != "ephemeralContainers"}
    return {**out, "ephemeralContainers": containers} if containers else out


def _with_resources(spec: Object, wanted: Object) -> Object:
    out = copy.deepcopy(spec)
    for field in ("containers", "initContainers"):
        by_name = {c.get("name"): c for c in wanted.get(field) or ()}
        for c in out.get(field) or ():
            for part in ("resources", "resizePolicy"):
                if c.get("name") in by_name and part in by_name[c["name"]]:
                    c[part] = by_name[c["name"]][part]
    if wanted.get("resources") is not None or "resources" in out:
        _take(out, wanted, "resources")
    return out


def _take(into: Object, source: Object, field: str) -> None:
    if field in source:
        into[field] = source[field]
    else:
        into.pop(field, None)


# ---- binding


def _bind(pod: Object, binding: Object, ctx: Context) -> SubresourceResult:
    name, target = meta.name(pod), binding.get("target") or {}
    errors = []
    if (kind := target.get("kind") or "") not in ("", "Node"):
        errors.append(unsupported("target.kind", kind, ("Node", "<empty>")))
    if not target.get("name"):
        errors.append(required("target.name"))
    if errors:
        raise invalid_object("Binding", name, errors)
    header = meta.metadata(binding)
    if header.get("name", name) != name:
        raise BadRequest("name in URL does not match name in Binding object")
    uid = header.get("uid")
    if uid and uid != meta.uid(pod):
        raise _binding_conflict(
            name, f"Precondition failed: UID in precondition: {uid}, UID in object meta: {meta.uid(pod)}"
        )
    spec = pod["spec"]
    if meta.deleting(pod):
        raise _binding_conflict(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise _binding_conflict(name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise _binding_conflict(name, f"pod {name} has non-empty .spec.schedulingGates")
    spec["nodeName"] = target["name"]
    if more := header.get("annotations"):
        pod["metadata"]["annotations"] = {**meta.annotations(pod), **more}
    if more := header.get("labels"):
        pod["metadata"]["labels"] = {**meta.labels(pod), **more}
    admission.add_topology_labels(pod, target["name"] if kind == "Node" else "", ctx.reader)
    status = pod.setdefault("status", {})
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": ctx.now()}
    others = [c for c in status.get("conditions") or () if c.get("type") != "PodScheduled"]
    status["conditions"] = [*others, scheduled]
    status.pop("nominatedNodeName", None)  # it has served
    return SubresourceResult(answer={**_SUCCESS, "code": 201}, update=pod)


def _binding_conflict(name: str, why: str) -> ApiError:
    return conflict("pods/binding", name, why=why)

