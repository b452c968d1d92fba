"""What the fake API knows of single kinds: namespaces, scale, selectable fields, when a deletion is over."""

from __future__ import annotations

from typing import Any

from kubette.api import meta
from kubette.api.kinds import Kind

Obj = dict[str, Any]


def new_namespace(obj: Obj) -> None:
    obj.setdefault("spec", {})["finalizers"] = ["kubernetes"]
    obj["status"] = {"phase": "Active"}
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]


def finished(kind: Kind, obj: Obj) -> bool:
    """Deleted, and neither a finalizer nor a grace period holds it."""
    m = meta.metadata(obj)
    held = m.get("finalizers") or m.get("deletionGracePeriodSeconds")
    if kind.group_resource == "namespaces":
        held = held or obj.get("spec", {}).get("finalizers")
    return meta.deleting(obj) and not held


def scale_of(obj: Obj) -> Obj:
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {k: obj["metadata"][k] for k in ("name", "namespace", "uid", "resourceVersion")},
        "spec": {"replicas": obj.get("spec", {}).get("replicas", 0)},
        "status": {"replicas": obj.get("status", {}).get("replicas", 0)},
    }


def with_scale(obj: Obj, scale: Obj) -> Obj:
    return {**obj, "spec": {**obj["spec"], "replicas": scale.get("spec", {}).get("replicas", 0)}}


def selectable(kind: Kind, obj: Obj) -> dict[str, str]:
    """The field selectors that the fake offers."""
    out = {"metadata.name": meta.name(obj), "metadata.namespace": meta.namespace(obj)}
    if kind.group_resource == "secrets":
        out["type"] = obj.get("type", "")
    if kind.group_resource == "pods":
        out["spec.nodeName"] = obj.get("spec", {}).get("nodeName", "")
        out["status.phase"] = obj.get("status", {}).get("phase", "")
    return out
