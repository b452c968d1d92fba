"""Pods and nodes narrowed to what a scheduling decision depends on, and the cluster as the scheduler sees it. Pure.

``Cluster`` is prepared state: each change of a node or pod updates what the rules ask for (how many pods with these
labels run where, which pods keep others away), so that a decision does not look at every pod. Source: upstream's
``framework/types.go`` and https://kubernetes.io/docs/concepts/scheduling-eviction/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kubette.api import meta
from kubette.api.meta import Object
from kubette.api.placement import Amounts, amounts, host_ports, pod_requests
from kubette.api.selectors import LabelSelector, from_label_selector

PREEMPTION = "PreemptionByScheduler"  # the reason of a DisruptionTarget condition
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


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
    preempts: bool  # it may have pods of lower priority deleted
    preempted: bool  # it is being deleted to make room for another
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
    """A node and the pods that count on it, also those whose binding is under way."""

    node: Node
    pods: dict[str, Pod] = field(default_factory=dict)  # by uid
    used: Amounts = field(default_factory=dict)
    usual: list[int] = field(default_factory=lambda: [0, 0])
    owners: Counter[str] = field(default_factory=Counter)  # pods by controller, without those being deleted

    def add(self, pod: Pod) -> None:
        if pod.uid not in self.pods:
            self.pods[pod.uid] = pod
            self._count(pod, 1)

    def remove(self, uid: str) -> Pod | None:
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self._count(pod, -1)
        return pod

    def _count(self, pod: Pod, sign: int) -> None:
        used = self.used
        for resource, amount in pod.requests.items():
            used[resource] = used.get(resource, 0) + sign * amount
        self.usual[0] += sign * pod.usual[0]
        self.usual[1] += sign * pod.usual[1]
        if pod.owner and not pod.deleting:
            self.owners[pod.owner] += sign
            if not self.owners[pod.owner]:
                del self.owners[pod.owner]

    def copy(self) -> NodeState:
        return NodeState(self.node, dict(self.pods), dict(self.used), list(self.usual), self.owners.copy())


@dataclass(frozen=True, slots=True)
class Claim:
    """A PersistentVolumeClaim."""

    bound: bool
    deleting: bool


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget. ``disrupted``: names of pods that it counts as gone."""

    namespace: str
    selector: LabelSelector
    allowed: int
    disrupted: frozenset[str]


@dataclass(slots=True)
class Group:
    """Pods that no term of affinity or spreading can tell apart. ``nodes``: how many of them count where."""

    sample: Pod
    nodes: dict[str, int] = field(default_factory=dict)


GroupKey = tuple[frozenset[tuple[str, str]], bool, str]


def repelling_terms(pod: Pod) -> Sequence[Object]:
    """The required anti-affinity terms of a pod: they hold for the pods that come after it, too."""
    return (pod.affinity.get("podAntiAffinity") or {}).get(_REQUIRED) or () if pod.affinity else ()


class Cluster:
    """All that a decision looks at."""

    def __init__(
        self,
        nodes: Iterable[NodeState] = (),
        namespaces: Mapping[str, Mapping[str, str]] | None = None,
        claims: Mapping[tuple[str, str], Claim] | None = None,
        budgets: Sequence[Budget] = (),
    ) -> None:
        self.nodes: dict[str, NodeState] = {}
        self.namespaces: dict[str, Mapping[str, str]] = dict(namespaces or {})  # labels by name
        self.claims: Mapping[tuple[str, str], Claim] = claims if claims is not None else {}
        self.budgets: Collection[Budget] = budgets
        self.tainted: set[str] = set()  # names of nodes with taints
        self.cordoned: set[str] = set()
        self.groups: dict[str, dict[GroupKey, Group]] = {}  # by namespace
        self.repelling: dict[tuple[str, GroupKey], Group] = {}  # those with required anti-affinity
        self.nominated: Mapping[str, Sequence[Pod]] = {}  # pods that wait for room on a node, by node
        self._placed: dict[str, str] = {}  # pod uid → node
        self._lost: dict[str, dict[str, Pod]] = {}  # pods of nodes that are not (yet) known
        for state in nodes:
            self.put_node(state.node)
            for pod in state.pods.values():
                self.place(pod, state.node.name)

    def put_node(self, node: Node) -> None:
        """Add a node, or replace it; the pods that count on it stay."""
        name = node.name
        state = self.nodes.get(name)
        if state is None:
            state = self.nodes[name] = NodeState(node)
            for pod in self._lost.pop(name, {}).values():
                state.add(pod)
                self._count(pod, name, 1)
        state.node = node
        for names, member in ((self.tainted, bool(node.taints)), (self.cordoned, node.unschedulable)):
            (names.add if member else names.discard)(name)

    def drop_node(self, name: str) -> None:
        state = self.nodes.pop(name, None)
        if state is None:
            return
        self.tainted.discard(name)
        self.cordoned.discard(name)
        for pod in state.pods.values():
            self._count(pod, name, -1)
        if state.pods:
            self._lost[name] = state.pods

    def place(self, pod: Pod, node: str) -> None:
        """The pod counts on the node from now on, and nowhere else."""
        state = self.nodes.get(node)
        if self._placed.get(pod.uid) == node and state is not None and state.pods.get(pod.uid) == pod:
            return
        self.unplace(pod.uid)
        self._placed[pod.uid] = node
        if state is not None:
            state.add(pod)
            self._count(pod, node, 1)
        else:
            self._lost.setdefault(node, {})[pod.uid] = pod

    def unplace(self, uid: str) -> bool:
        """The pod counts nowhere. Whether it did."""
        node = self._placed.pop(uid, None)
        if node is None:
            return False
        state, lost = self.nodes.get(node), self._lost.get(node)
        if state is not None and (pod := state.remove(uid)) is not None:
            self._count(pod, node, -1)
        elif lost is not None:
            lost.pop(uid, None)
            if not lost:
                del self._lost[node]
        return True

    def placed(self, uid: str) -> bool:
        return uid in self._placed

    def matching(
        self, namespaces: Iterable[str], selector: LabelSelector, *, deleting: bool = True
    ) -> Iterator[tuple[str, int]]:
        """(node, number) of the pods there with such labels; a node may come several times. ``deleting``: with those
        that are being deleted."""
        for namespace in namespaces:
            for group in self.groups.get(namespace, {}).values():
                if (deleting or not group.sample.deleting) and selector.matches(group.sample.labels):
                    yield from group.nodes.items()

    def _count(self, pod: Pod, node: str, sign: int) -> None:
        terms = repelling_terms(pod)
        key = frozenset(pod.labels.items()), pod.deleting, repr(terms) if terms else ""
        rows = self.groups.setdefault(pod.namespace, {})
        group = rows.get(key)
        if group is None:
            group = rows[key] = Group(pod)
            if terms:
                self.repelling[pod.namespace, key] = group
        number = group.nodes.get(node, 0) + sign
        if number:
            group.nodes[node] = number
            return
        group.nodes.pop(node, None)
        if not group.nodes:
            self.repelling.pop((pod.namespace, key), None)
            del rows[key]
            if not rows:
                del self.groups[pod.namespace]


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
        preempted=_preempted(obj),
        nominated=status.get("nominatedNodeName") or "",
        started=str(status.get("startTime") or meta.metadata(obj).get("creationTimestamp") or ""),
        reference=meta.object_reference(obj),
        condition=meta.condition(obj, "PodScheduled") or {},
    )


def _preempted(obj: Object) -> bool:
    condition = meta.condition(obj, "DisruptionTarget") or {}
    return meta.deleting(obj) and (condition.get("status"), condition.get("reason")) == ("True", PREEMPTION)


def _claims(pod: Object) -> Iterable[str]:
    for volume in pod["spec"].get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            yield claim["claimName"]
        elif volume.get("ephemeral") is not None:
            yield f"{meta.name(pod)}-{volume['name']}"


def parse_claim(obj: Object) -> Claim:
    return Claim((obj.get("status") or {}).get("phase") == "Bound", meta.deleting(obj))


def parse_budget(obj: Object) -> Budget:
    status = obj.get("status") or {}
    selector = from_label_selector((obj.get("spec") or {}).get("selector"))
    allowed = int(status.get("disruptionsAllowed") or 0)
    return Budget(meta.namespace(obj), selector, allowed, frozenset(status.get("disruptedPods") or ()))


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
