"""Pods and nodes narrowed to what a scheduling decision depends on. Pure.

Source: upstream's ``framework/types.go`` and https://kubernetes.io/docs/concepts/scheduling-eviction/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubette.api import meta
from kubette.api.meta import Object
from kubette.api.placement import Amounts, amounts, host_ports, pod_requests


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
    tolerations: tuple[Object, ...]
    selector: Mapping[str, str]
    affinity: Object
    spread: tuple[Object, ...]
    claims: tuple[str, ...]  # names of PersistentVolumeClaims
    preempts: bool  # it may push pods of lower priority out
    nominated: str = field(compare=False)  # the node that was made free for it
    started: str = field(compare=False)
    reference: Object = field(compare=False)  # for events
    condition: Object = field(compare=False)  # PodScheduled, as it is

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    labels: Mapping[str, str]
    taints: tuple[Object, ...]
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

    def copy(self) -> NodeState:
        return NodeState(self.node, dict(self.pods), dict(self.used), list(self.usual))


Nodes = Mapping[str, NodeState]


@dataclass(frozen=True, slots=True)
class Cluster:
    """All that a decision looks at."""

    nodes: Nodes
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # labels by name
    claims: Mapping[tuple[str, str], Claim] = field(default_factory=dict)  # by (namespace, name)


@dataclass(frozen=True, slots=True)
class Claim:
    """A PersistentVolumeClaim."""

    bound: bool
    deleting: bool


def parse_pod(obj: Object) -> Pod:
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
        ports=frozenset(host_ports(spec)),
        tolerations=tuple(spec.get("tolerations") or ()),
        selector=spec.get("nodeSelector") or {},
        affinity=spec.get("affinity") or {},
        spread=tuple(spec.get("topologySpreadConstraints") or ()),
        claims=tuple(_claims(obj)),
        preempts=spec.get("preemptionPolicy") != "Never",
        nominated=status.get("nominatedNodeName") or "",
        started=str(status.get("startTime") or meta.metadata(obj).get("creationTimestamp") or ""),
        reference=meta.object_reference(obj),
        condition=meta.condition(obj, "PodScheduled") or {},
    )


def _claims(pod: Object) -> Iterable[str]:
    for volume in pod["spec"].get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            yield claim["claimName"]
        elif volume.get("ephemeral") is not None:
            yield f"{meta.name(pod)}-{volume['name']}"


def parse_claim(obj: Object) -> Claim:
    return Claim((obj.get("status") or {}).get("phase") == "Bound", meta.deleting(obj))


def parse_namespace(obj: Object) -> Mapping[str, str]:
    return meta.labels(obj)


def parse_node(obj: Object) -> Node:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    taints = tuple({k: v for k, v in t.items() if k != "timeAdded"} for t in spec.get("taints") or ())
    return Node(
        name=meta.name(obj),
        labels=meta.labels(obj),
        taints=taints,
        unschedulable=bool(spec.get("unschedulable")),
        allocatable=amounts(status.get("allocatable") or status.get("capacity")),
    )
