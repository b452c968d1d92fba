"""topologySpreadConstraints: no domain (zone, node, …) may have many more of a pod's kind than another.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubette.api.selectors import LabelSelector, Requirement, from_label_selector
from kubette.scheduler.model import Cluster, NodeState, Pod
from kubette.scheduler.plugins.affinity import NodeAffinity
from kubette.scheduler.plugins.taints import Taints
from kubette.scheduler.rule import Refusal, Rule, fewer_is_better, no

_AFFINITY, _TAINTS = NodeAffinity(), Taints()
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
    helped_by = frozenset(("node", "left", "placed"))

    def prepare(self, pod: Pod, cluster: Cluster) -> Any:
        return [_constraint(c, pod, cluster) for c in pod.spread] or None

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


def _constraint(given: dict[str, Any], pod: Pod, cluster: Cluster) -> _Constraint:
    key, selector = given["topologyKey"], _selector(given, pod)
    counts = Counter[str]()
    for node in cluster.nodes.values():
        domain = node.node.labels.get(key)
        if domain is None or not _included(given, pod, node, cluster):
            continue
        counts[domain] += sum(
            p.namespace == pod.namespace and not p.deleting and selector.matches(p.labels) for p in node.pods.values()
        )
    hard = given.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule"
    least = min(counts.values(), default=0)
    if len(counts) < (given.get("minDomains") or 1):
        least = 0
    return _Constraint(key, int(given.get("maxSkew", 1)), hard, least, selector.matches(pod.labels), counts)


def _included(given: dict[str, Any], pod: Pod, node: NodeState, cluster: Cluster) -> bool:
    """The node's pods count: as the inclusion policies say, whose defaults are to honour affinity, not taints."""
    for rule, policy in (
        (_AFFINITY, given.get("nodeAffinityPolicy", "Honor")),
        (_TAINTS, given.get("nodeTaintsPolicy", "Ignore")),
    ):
        state = rule.prepare(pod, cluster) if policy == "Honor" else None
        if state is not None and rule.refuses(state, pod, node):
            return False
    return True


def _selector(given: dict[str, Any], pod: Pod) -> LabelSelector:
    selector = from_label_selector(given.get("labelSelector"))
    extra = [Requirement(k, "in", (pod.labels[k],)) for k in given.get("matchLabelKeys") or () if k in pod.labels]
    return LabelSelector((*selector.requirements, *extra), selector.nothing)
