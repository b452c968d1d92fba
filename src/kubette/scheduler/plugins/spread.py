"""topologySpreadConstraints: no domain (zone, node, …) may have many more of a pod's kind than another.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kubette.api.meta import Object
from kubette.api.selectors import LabelSelector, Requirement, from_label_selector
from kubette.scheduler.model import Cluster, NodeState, Pod
from kubette.scheduler.plugins.affinity import NodeAffinity
from kubette.scheduler.plugins.taints import Taints
from kubette.scheduler.rule import Refusal, Rule, fewer_is_better, no

_AFFINITY, _TAINTS = NodeAffinity(), Taints()
_MISMATCH = "node(s) didn't match pod topology spread constraints"


@dataclass(slots=True)
class _Constraint:
    key: str
    max_skew: int
    hard: bool
    itself: bool  # the pod matches its own constraint
    fewest_domains: int
    counts: Counter[str]  # matching pods in each domain that takes part
    counted: Callable[[Pod, NodeState], bool]  # whether another pod, on a node, is one of them
    least: int = 0  # matching pods in the emptiest domain

    def measured(self) -> _Constraint:
        self.least = min(self.counts.values(), default=0) if len(self.counts) >= self.fewest_domains else 0
        return self


class TopologySpread(Rule):
    name = "PodTopologySpread"
    weight = 2.0
    helped_by = frozenset(("node", "left", "placed"))

    def prepare(self, pod: Pod, cluster: Cluster) -> Any:
        return [_constraint(c, pod, cluster) for c in pod.spread] or None

    def copy(self, state: Sequence[_Constraint]) -> list[_Constraint]:
        return [replace(c, counts=c.counts.copy()) for c in state]

    def moved(self, state: Sequence[_Constraint], pod: Pod, other: Pod, node: NodeState, sign: int) -> None:
        for c in state:
            domain = node.node.labels.get(c.key)
            if domain is not None and c.counted(other, node):
                c.counts[domain] += sign
                c.measured()

    def refuses(self, state: Sequence[_Constraint], pod: Pod, node: NodeState) -> Refusal | None:
        for c in state:
            if not c.hard:
                continue
            domain = node.node.labels.get(c.key)
            if domain is None:
                return no(f"{_MISMATCH} (missing required label)", final=True)
            if c.counts[domain] + c.itself - c.least > c.max_skew:
                return no(_MISMATCH)
        return None

    def score(self, state: Sequence[_Constraint], pod: Pod, node: NodeState) -> float:
        soft = [c for c in state if not c.hard]
        return float(sum(c.counts[node.node.labels.get(c.key, "")] for c in soft))

    def normalise(self, scores: Sequence[float]) -> list[float]:
        return fewer_is_better(scores)


def _constraint(given: Object, pod: Pod, cluster: Cluster) -> _Constraint:
    key, selector, included = given["topologyKey"], _selector(given, pod), _inclusion(given, pod, cluster)
    counts = Counter[str]()
    for node in cluster.nodes.values():
        domain = node.node.labels.get(key)
        if domain is not None and included(node):
            counts[domain] += 0
    for name, number in cluster.matching((pod.namespace,), selector, deleting=False):
        node = cluster.nodes[name]
        domain = node.node.labels.get(key)
        if domain is not None and included(node):
            counts[domain] += number

    def counted(other: Pod, node: NodeState) -> bool:
        alike = other.namespace == pod.namespace and not other.deleting and selector.matches(other.labels)
        return alike and included(node)

    hard = given.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule"
    max_skew, fewest = int(given.get("maxSkew", 1)), int(given.get("minDomains") or 1)
    return _Constraint(key, max_skew, hard, selector.matches(pod.labels), fewest, counts, counted).measured()


def _inclusion(given: Object, pod: Pod, cluster: Cluster) -> Callable[[NodeState], bool]:
    """Whether a node's pods count: as the inclusion policies say, whose defaults are to honour affinity, not taints."""
    policies = (_AFFINITY, given.get("nodeAffinityPolicy", "Honor")), (_TAINTS, given.get("nodeTaintsPolicy", "Ignore"))
    honoured = [(rule, rule.prepare(pod, cluster)) for rule, policy in policies if policy == "Honor"]
    asked = [(rule, state) for rule, state in honoured if state is not None]
    return lambda node: not any(rule.refuses(state, pod, node) for rule, state in asked)


def _selector(given: Object, pod: Pod) -> LabelSelector:
    selector = from_label_selector(given.get("labelSelector"))
    extra = [Requirement(k, "in", (pod.labels[k],)) for k in given.get("matchLabelKeys") or () if k in pod.labels]
    return LabelSelector((*selector.requirements, *extra), selector.nothing)
