"""Kinds that are stored once and served under two names: Events and HorizontalPodAutoscalers.

Every other kind is stored as it is served. The stored form is core/v1 for Events, autoscaling/v2 for the
autoscalers, and the conversions are upstream's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubette.api.kinds import Kind

Object = dict[str, Any]
_Map = Callable[[Object], Object]

_EVENT_FIELDS = {  # events.k8s.io → core
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
}
_EVENT_FIELDS_BACK = {core: new for new, core in _EVENT_FIELDS.items()}


@dataclass(frozen=True, slots=True)
class Conversion:
    """Between what is served and what is stored."""

    store: _Map
    serve: _Map


def _event_in(obj: Object) -> Object:
    out = {_EVENT_FIELDS.get(k, k): v for k, v in obj.items()}
    out["apiVersion"] = "v1"
    return out


def _event_out(obj: Object) -> Object:
    out = {_EVENT_FIELDS_BACK.get(k, k): v for k, v in obj.items()}
    out["apiVersion"] = "events.k8s.io/v1"
    return out


def _hpa_in(obj: Object) -> Object:
    spec = dict(obj.get("spec") or {})
    if (target := spec.pop("targetCPUUtilizationPercentage", None)) is not None:
        cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}
        spec["metrics"] = [{"type": "Resource", "resource": cpu}]
    status = dict(obj.get("status") or {})
    if (current := status.pop("currentCPUUtilizationPercentage", None)) is not None:
        now = {"name": "cpu", "current": {"averageUtilization": current}}
        status["currentMetrics"] = [{"type": "Resource", "resource": now}]
    return _with(obj, "autoscaling/v2", spec, status)


def _hpa_out(obj: Object) -> Object:
    spec = dict(obj.get("spec") or {})
    spec.pop("behavior", None)
    for metric in spec.pop("metrics", None) or ():
        resource = metric.get("resource") or {}
        target = (resource.get("target") or {}).get("averageUtilization")
        if resource.get("name") == "cpu" and target is not None:
            spec["targetCPUUtilizationPercentage"] = target
    status = dict(obj.get("status") or {})
    status.pop("conditions", None)
    for metric in status.pop("currentMetrics", None) or ():
        resource = metric.get("resource") or {}
        current = (resource.get("current") or {}).get("averageUtilization")
        if resource.get("name") == "cpu" and current is not None:
            status["currentCPUUtilizationPercentage"] = current
    return _with(obj, "autoscaling/v1", spec, status)


def _with(obj: Object, version: str, spec: Object, status: Object) -> Object:
    out = {**obj, "apiVersion": version, "spec": spec}
    if status:
        out["status"] = status
    return out


_EVENTS = Conversion(_event_in, _event_out)
_HPA = Conversion(_hpa_in, _hpa_out)


def conversion(kind: Kind) -> Conversion | None:
    """None: stored as served."""
    if kind.group == "events.k8s.io":
        return _EVENTS
    if kind.group == "autoscaling" and kind.version == "v1":
        return _HPA
    return None


def stored_resource(kind: Kind) -> str:
    """The store's name for the resource: its group resource, the same for all of its versions."""
    return "events" if kind.group == "events.k8s.io" else kind.group_resource
