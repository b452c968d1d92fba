"""topologySpreadConstraints: no domain (zone, node, …) may have many more of a pod's kind than another.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/. Node
inclusion policies are the defaults: affinity honoured, taints ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubette.api.selectors import LabelSelector, Requirement, from_label_selector
from kubette.scheduler.model import Nodes, NodeState, Pod
from kubette.scheduler.plugins.affinity import NodeAffinity
from kubette.scheduler.rule import Refusal, Rule, fewer_is_better, no

_MISMATCH = "node(s) didn't match pod topology spread constraints"


@dataclass(frozen=True, slots=True)
class _Constraint:
    key: str
    max_skew: int
    hard: bool
    least: int  # matching pods in the emptiest domain
    itself: bool  # the pod matches its own constraint
    counts: Counter[str]


class TopologySpread(Rule):
    name = "PodTopologySpread"
    weight = 2.0

    def prepare(self, pod: Pod, nodes: Nodes) -> Any:
        return [_constraint(c, pod, nodes) for c in pod.spread] or None

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


def _constraint(given: dict[str, Any], pod: Pod, nodes: Nodes) -> _Constraint:
    key, selector = given["topologyKey"], _selector(given, pod)
    affinity, counts = NodeAffinity(), Counter[str]()
    terms = affinity.prepare(pod, nodes)
    for node in nodes.values():
        domain = node.node.labels.get(key)
        if domain is None or (terms is not None and affinity.refuses(terms, pod, node)):
            continue
        counts[domain] += sum(
            p.namespace == pod.namespace and not p.deleting and selector.matches(p.labels) for p in node.pods.values()
        )
    hard = given.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule"
    least = min(counts.values(), default=0)
    if len(counts) < (given.get("minDomains") or 1):
        least = 0
    return _Constraint(key, int(given.get("maxSkew", 1)), hard, least, selector.matches(pod.labels), counts)


def _selector(given: dict[str, Any], pod: Pod) -> LabelSelector:
    selector = from_label_selector(given.get("labelSelector"))
    extra = [Requirement(k, "in", (pod.labels[k],)) for k in given.get("matchLabelKeys") or () if k in pod.labels]
    return LabelSelector((*selector.requirements, *extra), selector.nothing)
