"""The cells of workloads: what keeps pods running, scales them and protects them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kubette.api.columns_text import (
    Cells,
    Obj,
    Printer,
    age,
    condition_is,
    containers,
    deleting,
    human,
    label_selector,
    labels,
    name,
    since,
    spec,
    status,
)
from kubette.api.meta import controller_of, group_version, parse_time

_TEMPLATE = "|*Containers|*Images"
_SELECTED = _TEMPLATE + "|*Selector"
_REPLICAS = "Name|Desired#|Current#|Ready#|Age" + _SELECTED


def _count(obj: Obj, field: str) -> int:
    return int(status(obj).get(field) or 0)


def _desired(obj: Obj) -> int:
    value = spec(obj).get("replicas")
    return 1 if value is None else int(value)


def _replicas(obj: Obj, now: datetime) -> Cells:
    return [name(obj), _desired(obj), _count(obj, "replicas"), _count(obj, "readyReplicas"), age(obj, now)]


def _replication_controller(obj: Obj, now: datetime) -> Cells:
    return [*_replicas(obj, now), *containers(spec(obj).get("template")), labels(spec(obj).get("selector"))]


def _replica_set(obj: Obj, now: datetime) -> Cells:
    return [*_replicas(obj, now), *containers(spec(obj).get("template")), label_selector(spec(obj).get("selector"))]


def _deployment(obj: Obj, now: datetime) -> Cells:
    return [
        name(obj), f"{_count(obj, 'readyReplicas')}/{_desired(obj)}", _count(obj, "updatedReplicas"),
        _count(obj, "availableReplicas"), age(obj, now),
        *containers(spec(obj).get("template")), label_selector(spec(obj).get("selector"), ""),
    ]  # fmt: skip


def _stateful_set(obj: Obj, now: datetime) -> Cells:
    ready = f"{_count(obj, 'readyReplicas')}/{_desired(obj)}"
    return [name(obj), ready, age(obj, now), *containers(spec(obj).get("template"))]


def _daemon_set(obj: Obj, now: datetime) -> Cells:
    template = spec(obj).get("template") or {}
    counts = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    return [
        name(obj), *(_count(obj, field) for field in counts), _count(obj, "numberAvailable"),
        labels(spec(template).get("nodeSelector")), age(obj, now),
        *containers(template), label_selector(spec(obj).get("selector")),
    ]  # fmt: skip


def _job(obj: Obj, now: datetime) -> Cells:
    wanted, done = spec(obj).get("completions"), _count(obj, "succeeded")
    parallel = spec(obj).get("parallelism") or 0
    completions = f"{done}/{wanted}" if wanted is not None else f"{done}/1"
    if wanted is None and parallel > 1:
        completions += f" of {parallel}"
    started, ended = status(obj).get("startTime"), status(obj).get("completionTime")
    took = ""
    if started:
        took = human(((parse_time(ended) if ended else now) - parse_time(started)).total_seconds())
    return [
        name(obj), _job_state(obj), completions, took, age(obj, now),
        *containers(spec(obj).get("template")), label_selector(spec(obj).get("selector")),
    ]  # fmt: skip


def _job_state(obj: Obj) -> str:
    for kind in ("Complete", "Failed"):
        if condition_is(obj, kind):
            return kind
    if deleting(obj):
        return "Terminating"
    for kind in ("Suspended", "FailureTarget"):
        if condition_is(obj, kind):
            return kind
    return "Running"


def _cron_job(obj: Obj, now: datetime) -> Cells:
    job = spec(obj).get("jobTemplate") or {}
    last = status(obj).get("lastScheduleTime")
    suspend = {None: "<unset>", True: "True", False: "False"}[spec(obj).get("suspend")]
    return [
        name(obj), spec(obj).get("schedule", ""), spec(obj).get("timeZone") or "<none>", suspend,
        len(status(obj).get("active") or ()), since(last, now) if last else "<none>", age(obj, now),
        *containers(spec(job).get("template")), label_selector(spec(job).get("selector")),
    ]  # fmt: skip


def _pod_template(obj: Obj, now: datetime) -> Cells:
    template = obj.get("template") or {}
    return [name(obj), *containers(template), labels((template.get("metadata") or {}).get("labels"))]


def _controller_revision(obj: Obj, now: datetime) -> Cells:
    owner, shown = controller_of(obj), "<none>"
    if owner is not None:
        group = group_version(owner.get("apiVersion", ""))[0]
        shown = ".".join(filter(None, (owner.get("kind", ""), group))).lower() + f"/{owner.get('name', '')}"
    return [name(obj), shown, obj.get("revision", 0), age(obj, now)]


def _disruption_budget(obj: Obj, now: datetime) -> Cells:
    limits = [spec(obj).get(field) for field in ("minAvailable", "maxUnavailable")]
    shown = ["N/A" if limit is None else str(limit) for limit in limits]
    return [name(obj), *shown, _count(obj, "disruptionsAllowed"), age(obj, now)]


def _autoscaler(obj: Obj, now: datetime) -> Cells:
    target = spec(obj).get("scaleTargetRef") or {}
    least = spec(obj).get("minReplicas")
    return [
        name(obj), f"{target.get('kind', '')}/{target.get('name', '')}", _metrics(obj),
        "<unset>" if least is None else str(least), spec(obj).get("maxReplicas") or 0,
        _count(obj, "currentReplicas"), age(obj, now),
    ]  # fmt: skip


def _metrics(obj: Obj) -> str:
    wanted, have = list(spec(obj).get("metrics") or ()), status(obj).get("currentMetrics") or ()
    percent = spec(obj).get("targetCPUUtilizationPercentage")
    if percent is not None:  # autoscaling/v1 has this one metric
        now = status(obj).get("currentCPUUtilizationPercentage")
        return f"cpu: {'<unknown>' if now is None else f'{now}%'}/{percent}%"
    shown = [_metric(metric, have[i] if i < len(have) else {}) for i, metric in enumerate(wanted)]
    if len(shown) > 2:
        return f"{', '.join(shown[:2])} + {len(shown) - 2} more..."
    return ", ".join(shown) or "<none>"


def _metric(metric: Mapping[str, Any], current: Mapping[str, Any]) -> str:
    kind = str(metric.get("type") or "")
    field = kind[:1].lower() + kind[1:]
    source = metric.get(field) or {}
    target, now = source.get("target") or {}, (current.get(field) or {}).get("current") or {}
    average = target.get("averageValue")
    match kind:
        case "Resource" | "ContainerResource":
            if average is not None:
                return f"{source.get('name')}: {now.get('averageValue', '<unknown>')}/{average}"
            goal, used = target.get("averageUtilization"), now.get("averageUtilization")
            shown = "<unknown>" if used is None else f"{used}%"
            return f"{source.get('name')}: {shown}/{'<auto>' if goal is None else f'{goal}%'}"
        case "Pods":
            return f"{now.get('averageValue', '<unknown>')}/{average}"
        case "External" | "Object":
            if average is not None:
                return f"{now.get('averageValue', '<unknown>')}/{average} (avg)"
            return f"{now.get('value', '<unknown>')}/{target.get('value')}"
    return "<unknown type>"


def _scale(obj: Obj, now: datetime) -> Cells:
    return [name(obj), spec(obj).get("replicas") or 0, _count(obj, "replicas"), age(obj, now)]


PRINTERS = {
    "replicationcontrollers": Printer(_REPLICAS, _replication_controller),
    "replicasets.apps": Printer(_REPLICAS, _replica_set),
    "deployments.apps": Printer("Name|Ready|Up-to-date|Available|Age" + _SELECTED, _deployment),
    "statefulsets.apps": Printer("Name|Ready|Age" + _TEMPLATE, _stateful_set),
    "daemonsets.apps": Printer(
        "Name|Desired#|Current#|Ready#|Up-to-date#|Available#|Node Selector|Age" + _SELECTED, _daemon_set
    ),
    "jobs.batch": Printer("Name|Status|Completions|Duration|Age" + _SELECTED, _job),
    "cronjobs.batch": Printer("Name|Schedule|Timezone|Suspend|Active#|Last Schedule|Age" + _SELECTED, _cron_job),
    "podtemplates": Printer("Name|Containers|Images|Pod Labels", _pod_template),
    "controllerrevisions.apps": Printer("Name|Controller|Revision|Age", _controller_revision),
    "poddisruptionbudgets.policy": Printer(
        "Name|Min Available|Max Unavailable|Allowed Disruptions#|Age", _disruption_budget
    ),
    "horizontalpodautoscalers.autoscaling": Printer(
        "Name|Reference|Targets|MinPods|MaxPods|Replicas|Age", _autoscaler
    ),
    "Scale": Printer("Name|Desired#|Available#|Age", _scale),
}
