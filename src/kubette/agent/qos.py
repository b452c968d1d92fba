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
_GUARANTEED, _BEST_EFFORT = -997, 1000  # OOM scores
_NODE_CRITICAL, _CRITICAL_PRIORITY = "system-node-critical", 2_000_000_000


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
    return Resources(
        cpu_shares=shares, cpu_quota_us=quota, cpu_period_us=_PERIOD_US, memory_bytes=memory,
        oom_score_adj=oom_score_adj(pod, container, memory_capacity),
    )


def oom_score_adj(pod: Object, container: Object, memory_capacity: int) -> int:
    """How soon the kernel kills the container's processes when memory runs out: the more of the machine's memory a
    burstable container asks for, the later. A sidecar lives as long as the container that asks for least."""
    spec = pod.get("spec") or {}
    if spec.get("priorityClassName") == _NODE_CRITICAL and is_critical(pod):
        return _GUARANTEED
    quality = qos_class(pod)
    if quality != "Burstable":
        return _GUARANTEED if quality == "Guaranteed" else _BEST_EFFORT
    share = _requested_memory(container)
    if container.get("restartPolicy") == "Always" and container in (spec.get("initContainers") or ()):
        share = max(share, min((_requested_memory(c) for c in spec.get("containers") or ()), default=0))
    return min(_BEST_EFFORT - 1, max(1000 + _GUARANTEED, 1000 - 1000 * share // max(1, memory_capacity)))


def is_critical(pod: Object) -> bool:
    """Whether the pod is among those that the node ends last and never evicts."""
    return int((pod.get("spec") or {}).get("priority") or 0) >= _CRITICAL_PRIORITY


def _requested_memory(container: Object) -> int:
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return quantity.to_int(str(requests.get("memory", limits.get("memory", "0"))))
