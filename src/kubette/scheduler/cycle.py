"""One pod's decision: which node, or why none. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kubette.scheduler.model import Cluster, NodeState, Pod
from kubette.scheduler.rule import Change, Hopeless, Refusal, Rule

Prepared = Sequence[tuple[Rule, Any]]  # rules that have something to say about the pod, and their states

_ALL_BELOW = 100  # of so few nodes all are looked at
_LEAST_PERCENT = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """``node``: the chosen one. Or None, and ``refusals`` by node name, ``hopeless`` if one reason holds for all;
    ``helped_by``: what may change that. ``looked``: how many nodes were looked at."""

    node: str | None
    refusals: dict[str, Refusal] = field(default_factory=dict)
    hopeless: str = ""
    helped_by: frozenset[Change] = frozenset(("node",))
    prepared: Prepared = ()
    looked: int = 0

    def message(self, preemption: str) -> str:
        """Upstream's FitError, as ``kubectl describe pod`` shows it. ``preemption``: why no pod makes room; empty when
        some do."""
        if not self.refusals:
            return "no nodes available to schedule pods"
        why = self.hopeless or listed(Counter(reason for r in self.refusals.values() for reason in r.reasons))
        out = f"0/{len(self.refusals)} nodes are available: {why}."
        return f"{out} no new claims to deallocate, preemption: {preemption}" if preemption else out


def listed(why: Counter[str]) -> str:
    """``1 Too many pods, 2 Insufficient cpu``: in the order of the text."""
    return ", ".join(sorted(f"{number} {reason}" for reason, number in why.items()))


def enough(nodes: int) -> int:
    """How many fitting nodes are compared: all of a small cluster, a share of a large one (upstream's default)."""
    if nodes <= _ALL_BELOW:
        return nodes
    percent = max(_LEAST_PERCENT, 50 - nodes // 125)
    return max(_ALL_BELOW, nodes * percent // 100)


def choose(pod: Pod, cluster: Cluster, rules: Sequence[Rule], start: int = 0) -> Choice:
    """The best of the nodes that no rule refuses; of equals the one with the fewest pods, then by name.

    The node that was made free for the pod comes before all others. ``start``: where the look at the nodes begins; a
    large cluster is not looked at as a whole, and each decision goes on where the last one ended."""
    nodes = list(cluster.nodes.values())
    try:
        prepared = [(rule, state) for rule in rules if (state := rule.prepare(pod, cluster)) is not None]
    except Hopeless as why:
        helped = frozenset[Change]().union(*(rule.helped_by for rule in rules))
        return Choice(None, dict.fromkeys(cluster.nodes, Refusal((), final=True)), str(why), helped)
    nominated = cluster.nodes.get(pod.nominated) if pod.nominated else None
    if nominated is not None and refusal_of(pod, nominated, cluster, prepared) is None:
        return Choice(pod.nominated)
    if start and nodes:
        start %= len(nodes)
        nodes = nodes[start:] + nodes[:start]
    refusals: dict[str, Refusal] = {}
    helped_by: set[Change] = {"node"}
    fitting: list[NodeState] = []
    wanted, promised, looked = enough(len(nodes)), cluster.nominated, 0
    for node in nodes:
        looked += 1
        for rule, state in prepared:
            if (refusal := rule.refuses(state, pod, node)) is not None:
                refusals[node.node.name] = refusal
                helped_by |= rule.helped_by
                break
        else:
            if node.node.name in promised and (refusal := _beside(pod, node, cluster, prepared)) is not None:
                refusals[node.node.name] = refusal
                helped_by.add("left")
                continue
            fitting.append(node)
            if len(fitting) >= wanted:
                break
    if not fitting:
        return Choice(None, refusals, "", frozenset(helped_by), prepared, looked)
    if len(fitting) == 1:
        return Choice(fitting[0].node.name, looked=looked)
    totals = [0.0] * len(fitting)
    for rule, state in prepared:
        if weight := rule.weight:
            score = rule.score
            scores = rule.normalise([score(state, pod, node) for node in fitting])
            totals = [t + weight * s for t, s in zip(totals, scores, strict=True)]
    best = min(range(len(fitting)), key=lambda i: (-round(totals[i], 3), len(fitting[i].pods), fitting[i].node.name))
    return Choice(fitting[best].node.name, looked=looked)


def refusal_of(pod: Pod, node: NodeState, cluster: Cluster, prepared: Prepared) -> Refusal | None:
    """Why this one node will not do; None if it will, also beside the pods that wait for room there."""
    for rule, state in prepared:
        if (refusal := rule.refuses(state, pod, node)) is not None:
            return refusal
    return _beside(pod, node, cluster, prepared) if node.node.name in cluster.nominated else None


def _beside(pod: Pod, node: NodeState, cluster: Cluster, prepared: Prepared) -> Refusal | None:
    others = waiting(pod, node, cluster)
    if not others:
        return None
    imagined = Imagined(pod, node, prepared)
    for other in others:
        imagined.add(other)
    return imagined.refusal()


def waiting(pod: Pod, node: NodeState, cluster: Cluster) -> list[Pod]:
    """The other pods, no less important, for which room is made on the node."""
    nominated = cluster.nominated.get(node.node.name, ())
    return [p for p in nominated if p.uid != pod.uid and p.priority >= pod.priority]


class Imagined:
    """A node with other pods on it than it has."""

    def __init__(self, pod: Pod, node: NodeState, prepared: Prepared) -> None:
        self.node = node.copy()
        self._pod = pod
        self._rules = [(rule, rule.copy(state)) for rule, state in prepared]

    def add(self, other: Pod) -> None:
        self.node.add(other)
        self._moved(other, 1)

    def remove(self, other: Pod) -> None:
        self.node.remove(other.uid)
        self._moved(other, -1)

    def refusal(self) -> Refusal | None:
        for rule, state in self._rules:
            if (refusal := rule.refuses(state, self._pod, self.node)) is not None:
                return refusal
        return None

    def _moved(self, other: Pod, sign: int) -> None:
        for rule, state in self._rules:
            rule.moved(state, self._pod, other, self.node, sign)
