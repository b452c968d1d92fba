"""nodeSelector and nodeAffinity: on which nodes a pod must and on which it would like to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubette.api.placement import node_suits, term_matches
from kubette.scheduler.model import NodeState, Pod
from kubette.scheduler.rule import Refusal, Rule, more_is_better, no


class NodeAffinity(Rule):
    name = "NodeAffinity"
    weight = 2.0

    def prepare(self, pod: Pod, cluster: Any) -> Any:
        return pod.affinity.get("nodeAffinity") or ({} if pod.selector else None)

    def refuses(self, state: Any, pod: Pod, node: NodeState) -> Refusal | None:
        suits = node_suits(pod.selector, state, node.node.name, node.node.labels)
        return None if suits else no("node(s) didn't match Pod's node affinity/selector", final=True)

    def score(self, state: Any, pod: Pod, node: NodeState) -> float:
        liked = state.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        own = node.node.name, node.node.labels
        return float(sum(t["weight"] for t in liked if term_matches(t.get("preference") or {}, *own)))

    def normalise(self, scores: Sequence[float]) -> list[float]:
        return more_is_better(scores)
