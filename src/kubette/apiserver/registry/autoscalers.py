"""HorizontalPodAutoscalers, v1 and v2. Source: pkg/apis/autoscaling/{v2/defaults.go,validation}."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from kubette.api import names, quantity
from kubette.api.errors import FieldError, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import checks, resources, workloads
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_TARGET_PERCENT = 80
#: Where v1 carries the metrics that it has no fields for.
_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_SCALE_UP: Object = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_SCALE_DOWN: Object = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}
_MAX_PERIOD, _MAX_WINDOW = 1800, 3600
_SELECT = ("Disabled", "Max", "Min")
_POLICIES = ("Percent", "Pods")
_TARGETS = ("Utilization", "Value", "AverageValue")


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
        if (behavior := spec.get("behavior")) is not None:
            for field, rules in (("scaleUp", _SCALE_UP), ("scaleDown", _SCALE_DOWN)):
                given = {k: v for k, v in (behavior.get(field) or {}).items() if v is not None}
                behavior[field] = {**copy.deepcopy(rules), **given}

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        own: Object = {"currentReplicas": 0} if self.kind.version == "v1" else {"currentMetrics": None}
        obj["status"] = {"desiredReplicas": 0, **own}

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return _spec(obj["spec"], {})

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource != "status":
            return _spec(new["spec"], old["spec"])
        status = new.get("status") or {}
        counts = ("currentReplicas", "desiredReplicas")
        return [e for f in counts for e in checks.non_negative(status.get(f), f"status.{f}")]


def _spec(spec: Object, before: Object) -> list[FieldError]:
    """``before``: the spec that this replaces; what was accepted once stays."""
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    lowest = 0 if before.get("minReplicas") == 0 else 1
    out: list[FieldError] = []
    if least is not None and least < lowest:
        out.append(invalid("spec.minReplicas", least, f"must be greater than or equal to {lowest}"))
    if not most:
        out.append(required("spec.maxReplicas", "must be set and greater than 0"))
    elif most < 0:
        out.append(invalid("spec.maxReplicas", most, "must be greater than or equal to 1"))
    if least is not None and most < least:
        out.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    target, had = spec.get("scaleTargetRef") or {}, before.get("scaleTargetRef") or {}
    same = bool(before) and all(target.get(f) == had.get(f) for f in ("apiVersion", "kind"))
    core = target.get("kind") == "ReplicationController"
    out += _reference(target, "spec.scaleTargetRef", any_version=same, core=core)
    metrics = spec.get("metrics") or []
    if (percent := spec.get("targetCPUUtilizationPercentage")) is not None:  # v1
        cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}
        metrics = [{"type": "Resource", "resource": cpu}]
    for i, metric in enumerate(metrics):
        out += _metric(metric, f"spec.metrics[{i}]")
    if least == 0 and not any(m.get("type") in ("Object", "External") for m in metrics):
        words = "must specify at least one Object or External metric to support scaling to zero replicas"
        out.append(forbidden("spec.metrics", words))
    for field in ("scaleUp", "scaleDown"):
        if (rules := (spec.get("behavior") or {}).get(field)) is not None:
            out += _rules(rules, f"spec.behavior.{field}")
    return out


def _reference(ref: Object, path: str, *, any_version: bool = False, core: bool = False) -> list[FieldError]:
    """``core``: the group may be the one without a name; ``any_version``: apiVersion is not looked at."""
    out: list[FieldError] = []
    for field in ("kind", "name"):
        value = ref.get(field) or ""
        out += checks.named(names.path_segment_name, f"{path}.{field}", value) if value else [
            required(f"{path}.{field}")
        ]  # fmt: skip
    version = ref.get("apiVersion") or ""
    if any_version:
        return out
    if version.count("/") > 1:
        out.append(invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}"))
    elif not core and not version.rpartition("/")[0]:
        out.append(invalid(f"{path}.apiVersion", version, "apiVersion must specify API group"))
    return out


# ---- metrics


def _metric(metric: Object, path: str) -> list[FieldError]:
    kind = metric.get("type") or ""
    known = tuple(_SOURCES)
    out: list[FieldError] = []
    if not kind:
        out.append(required(f"{path}.type", "must specify a metric source type"))
    if kind not in known:
        out.append(unsupported(f"{path}.type", kind, known))
    given = [(field, check) for field, check in _SOURCES.values() if metric.get(field) is not None]
    if given:
        field, check = given[0]
        out += check(metric[field], f"{path}.{field}")
    expected = _SOURCES[kind][0] if kind in known else ""
    if expected and metric.get(expected) is None:
        out.append(required(f"{path}.{expected}", "must populate information for the given metric source"))
    if len(given) != 1:
        words = "must populate the given metric source only"
        out += [forbidden(f"{path}.{f}", words) for f, _ in given if f != expected]
    return out


def _identified(source: Object, path: str) -> list[FieldError]:
    """The name of a metric, and the target that it is to reach."""
    name, at = (source.get("metric") or {}).get("name") or "", f"{path}.metric.name"
    out = checks.named(names.path_segment_name, at, name) if name else [required(at, "must specify a metric name")]
    return out + _target(source.get("target") or {}, f"{path}.target")


def _object(source: Object, path: str) -> list[FieldError]:
    out = _reference(source.get("describedObject") or {}, f"{path}.describedObject", core=True)
    out += _identified(source, path)
    target = source.get("target") or {}
    if target.get("value") is None and target.get("averageValue") is None:
        out.append(required(f"{path}.target.averageValue", "must set either a target value or averageValue"))
    return out


def _external(source: Object, path: str) -> list[FieldError]:
    out, target = _identified(source, path), source.get("target") or {}
    given = [f for f in ("value", "averageValue") if target.get(f) is not None]
    if not given:
        words = "must set either a target value for metric or a per-pod target"
        out.append(required(f"{path}.target.averageValue", words))
    if len(given) > 1:
        words = "may not set both a target value for metric and a per-pod target"
        out.append(forbidden(f"{path}.target.value", words))
    return out


def _pods(source: Object, path: str) -> list[FieldError]:
    out = _identified(source, path)
    if (source.get("target") or {}).get("averageValue") is None:
        out.append(required(f"{path}.target.averageValue", "must specify a positive target averageValue"))
    return out


def _resource(source: Object, path: str) -> list[FieldError]:
    out = [] if source.get("name") else [required(f"{path}.name", "must specify a resource name")]
    target = source.get("target") or {}
    out += _target(target, f"{path}.target")
    given = [f for f in ("averageUtilization", "averageValue") if target.get(f) is not None]
    if not given:
        words = "must set either a target raw value or a target utilization"
        out.append(required(f"{path}.target.averageUtilization", words))
    if len(given) > 1:
        words = "may not set both a target raw value and a target utilization"
        out.append(forbidden(f"{path}.target.averageValue", words))
    return out


def _container_resource(source: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    if name := source.get("name"):
        out += resources.container_resource_name(name, f"{path}.name")
    if container := source.get("container"):
        out += checks.named(names.dns1123_label, f"{path}.container", container)
    else:
        out.append(required(f"{path}.container", "must specify a container"))
    return out + _resource(source, path)


def _target(target: Object, path: str) -> list[FieldError]:
    kind = target.get("type") or ""
    out = [] if kind else [required(f"{path}.type", "must specify a metric target type")]
    if kind not in _TARGETS:
        out.append(invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue"))
    for field in ("value", "averageValue"):
        value = target.get(field)
        if value is not None and quantity.parse(str(value)) <= 0:
            out.append(invalid(f"{path}.{field}", quantity.canonical(str(value)), "must be positive"))
    if (percent := target.get("averageUtilization")) is not None and percent < 1:
        out.append(invalid(f"{path}.averageUtilization", percent, "must be greater than 0"))
    return out


#: Type of a metric → its field and rule, in upstream's order.
_SOURCES: dict[str, tuple[str, Callable[[Object, str], list[FieldError]]]] = {
    "Object": ("object", _object),
    "External": ("external", _external),
    "Pods": ("pods", _pods),
    "Resource": ("resource", _resource),
    "ContainerResource": ("containerResource", _container_resource),
}


# ---- behavior


def _rules(rules: Object, path: str) -> list[FieldError]:
    window, select, policies = (rules.get(f) for f in ("stabilizationWindowSeconds", "selectPolicy", "policies"))
    out: list[FieldError] = []
    at = f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        out.append(invalid(at, window, "must be greater than or equal to zero"))
    if window is not None and window > _MAX_WINDOW:
        out.append(invalid(at, window, f"must be less than or equal to {_MAX_WINDOW}"))
    if select is not None and select not in _SELECT:
        out.append(unsupported(f"{path}.selectPolicy", select, _SELECT))
    if not policies:
        out.append(required(f"{path}.policies", "must specify at least one Policy"))
    for i, policy in enumerate(policies or ()):
        out += _policy(policy, f"{path}.policies[{i}]")
    return out + checks.non_negative_quantity(rules.get("tolerance"), f"{path}.tolerance")


def _policy(policy: Object, path: str) -> list[FieldError]:
    kind, period = policy.get("type") or "", policy.get("periodSeconds") or 0
    out = [] if kind in _POLICIES else [unsupported(f"{path}.type", kind, _POLICIES)]
    for field, value in (("value", policy.get("value") or 0), ("periodSeconds", period)):
        if value <= 0:
            out.append(invalid(f"{path}.{field}", value, "must be greater than zero"))
    if period > _MAX_PERIOD:
        out.append(invalid(f"{path}.periodSeconds", period, f"must be less than or equal to {_MAX_PERIOD}"))
    return out
