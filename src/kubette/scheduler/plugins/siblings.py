"""Pods of one owner are spread over the nodes: losing one should cost few of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubette.scheduler.model import NodeState, Pod
from kubette.scheduler.rule import Rule, fewer_is_better


class Siblings(Rule):
    name = "SelectorSpread"
    weight = 2.0

    def prepare(self, pod: Pod, cluster: Any) -> Any:
        return pod.owner if pod.owner and not pod.spread else None

    def score(self, state: Any, pod: Pod, node: NodeState) -> float:
        return float(node.owners.get(pod.owner, 0))

    def normalise(self, scores: Sequence[float]) -> list[float]:
        return fewer_is_better(scores)
