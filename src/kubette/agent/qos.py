"""Quality of service and the kernel's resource units. Pure.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/ and the kubelet's ``cm`` and ``qos`` packages.
"""

from __future__ import annotations

from typing import Any

from kubette.agent.lifecycle import every_container
from kubette.api import quantity
from kubette.api.meta import Object
from kubette.runtime.interface import Resources

_PERIOD_US = 100_000
_OOM = {"Guaranteed": -997, "BestEffort": 1000}


def qos_class(pod: Object) -> str:
    """Guaranteed, Burstable or BestEffort, by requests and limits of CPU and memory."""
    if given := (pod.get("status") or {}).get("qosClass"):
        return str(given)
    any_set, guaranteed = False, True
    for container in every_container(pod):
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in ("cpu", "memory"):
            limit, request = limits.get(name), requests.get(name, limits.get(name))
            any_set = any_set or _positive(limit) or _positive(request)
            if not _positive(limit) or quantity.parse(str(limit)) != quantity.parse(str(request)):
                guaranteed = False
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _positive(value: Any) -> bool:
    return value is not None and quantity.parse(str(value)) > 0


def kernel_resources(pod: Object, container: Object, memory_capacity: int) -> Resources:
    """cgroup values and the OOM score of a container."""
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    cpu = requests.get("cpu", limits.get("cpu", "0"))
    shares = max(2, quantity.to_milli(str(cpu)) * 1024 // 1000)
    quota = None
    if _positive(limits.get("cpu")):
        quota = max(1000, quantity.to_milli(str(limits["cpu"])) * _PERIOD_US // 1000)
    memory = quantity.to_int(str(limits["memory"])) if _positive(limits.get("memory")) else None
    quality = qos_class(pod)
    score = _OOM.get(quality)
    if score is None:
        asked = quantity.to_int(str(requests.get("memory", limits.get("memory", "0"))))
        score = min(999, max(3, 1000 - 1000 * asked // max(1, memory_capacity)))
    if (pod.get("spec") or {}).get("priorityClassName") in ("system-node-critical", "system-cluster-critical"):
        score = -997 if quality != "BestEffort" else score
    return Resources(
        cpu_shares=shares, cpu_quota_us=quota, cpu_period_us=_PERIOD_US, memory_bytes=memory, oom_score_adj=score
    )
