"""Pods and nodes narrowed to what a scheduling decision depends on. Pure.

Amounts are integers: CPU in milli, everything else in units. Source: upstream's ``framework/types.go``
and https://kubernetes.io/docs/concepts/scheduling-eviction/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubette.api import meta, quantity

Obj = dict[str, Any]
Amounts = dict[str, int]

_DEFAULT_CPU, _DEFAULT_MEMORY = 100, 200 << 20  # what a container without requests counts when scoring


@dataclass(frozen=True, slots=True)
class Pod:
    """``requests``: what must fit; ``usual``: CPU and memory for scoring, never zero."""

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    owner: str  # uid of the controlling owner
    node: str  # assigned, "" while it waits
    deleting: bool
    finished: bool
    gated: bool
    scheduler: str
    priority: int
    created: str
    requests: Amounts
    usual: tuple[int, int]
    ports: frozenset[tuple[str, str, int]]  # host IP, protocol, port
    tolerations: tuple[Obj, ...]
    selector: Mapping[str, str]
    affinity: Obj
    spread: tuple[Obj, ...]
    reference: Obj = field(compare=False)  # for events
    condition: Obj = field(compare=False)  # PodScheduled, as it is

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    labels: Mapping[str, str]
    taints: tuple[Obj, ...]
    unschedulable: bool
    allocatable: Amounts


@dataclass(slots=True)
class NodeState:
    """A node and the pods that count on it, also those that are only just being bound."""

    node: Node
    pods: dict[str, Pod] = field(default_factory=dict)  # by uid
    used: Amounts = field(default_factory=dict)
    usual: list[int] = field(default_factory=lambda: [0, 0])

    def add(self, pod: Pod) -> None:
        if pod.uid not in self.pods:
            self.pods[pod.uid] = pod
            self._count(pod, 1)

    def remove(self, uid: str) -> None:
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self._count(pod, -1)

    def _count(self, pod: Pod, sign: int) -> None:
        for resource, amount in pod.requests.items():
            self.used[resource] = self.used.get(resource, 0) + sign * amount
        self.usual[0] += sign * pod.usual[0]
        self.usual[1] += sign * pod.usual[1]


Nodes = Mapping[str, NodeState]


def amounts(given: Mapping[str, Any] | None) -> Amounts:
    """A ResourceList in integers."""
    return {
        name: quantity.to_milli(str(text)) if name == "cpu" else quantity.to_int(str(text))
        for name, text in (given or {}).items()
    }


def _requests(container: Obj) -> Amounts:
    resources = container.get("resources") or {}
    return amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _add(total: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise(total: Amounts, least: Amounts) -> None:
    for name, amount in least.items():
        total[name] = max(total.get(name, 0), amount)


def pod_requests(spec: Obj) -> tuple[Amounts, tuple[int, int]]:
    """Containers and sidecars together, or the largest step of the init phase, plus overhead."""
    total: Amounts = {}
    usual = [0, 0]
    for container in spec.get("containers") or ():
        mine = _requests(container)
        _add(total, mine)
        usual[0] += mine.get("cpu", _DEFAULT_CPU)
        usual[1] += mine.get("memory", _DEFAULT_MEMORY)
    sidecars: Amounts = {}
    largest: Amounts = {}
    for container in spec.get("initContainers") or ():
        step = _requests(container)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, step)
            _raise(largest, sidecars)
        else:
            _add(step, sidecars)
            _raise(largest, step)
    _add(total, sidecars)
    _raise(total, largest)
    whole = spec.get("resources") or {}
    total.update(amounts({**(whole.get("limits") or {}), **(whole.get("requests") or {})}))
    _add(total, amounts(spec.get("overhead")))
    total["pods"] = 1
    return total, (max(usual[0], total.get("cpu", 0)), max(usual[1], total.get("memory", 0)))


def _host_ports(spec: Obj) -> Iterable[tuple[str, str, int]]:
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port.get("containerPort") if spec.get("hostNetwork") else 0)
            if number:
                yield port.get("hostIP") or "0.0.0.0", port.get("protocol", "TCP"), number


def parse_pod(obj: Obj) -> Pod:
    spec, status = obj["spec"], obj.get("status") or {}
    requests, usual = pod_requests(spec)
    owner = meta.controller_of(obj)
    return Pod(
        namespace=meta.namespace(obj),
        name=meta.name(obj),
        uid=meta.uid(obj),
        labels=meta.labels(obj),
        owner=owner["uid"] if owner else "",
        node=spec.get("nodeName") or "",
        deleting=meta.deleting(obj),
        finished=status.get("phase") in ("Succeeded", "Failed"),
        gated=bool(spec.get("schedulingGates")),
        scheduler=spec.get("schedulerName") or "default-scheduler",
        priority=int(spec.get("priority") or 0),
        created=str(meta.metadata(obj).get("creationTimestamp") or ""),
        requests=requests,
        usual=usual,
        ports=frozenset(_host_ports(spec)),
        tolerations=tuple(spec.get("tolerations") or ()),
        selector=spec.get("nodeSelector") or {},
        affinity=spec.get("affinity") or {},
        spread=tuple(spec.get("topologySpreadConstraints") or ()),
        reference=meta.object_reference(obj),
        condition=meta.condition(obj, "PodScheduled") or {},
    )


def parse_node(obj: Obj) -> Node:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    taints = tuple({k: v for k, v in t.items() if k != "timeAdded"} for t in spec.get("taints") or ())
    return Node(
        name=meta.name(obj),
        labels=meta.labels(obj),
        taints=taints,
        unschedulable=bool(spec.get("unschedulable")),
        allocatable=amounts(status.get("allocatable") or status.get("capacity")),
    )
