"""Taints keep pods away that do not tolerate them; PreferNoSchedule only makes a node less liked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubette.api.taints import tolerated
from kubette.scheduler.model import Cluster, NodeState, Pod
from kubette.scheduler.rule import Refusal, Rule, fewer_is_better, no


class Taints(Rule):
    name = "TaintToleration"
    weight = 3.0

    def prepare(self, pod: Pod, cluster: Cluster) -> Any:
        return bool(cluster.tainted) or None

    def refuses(self, state: Any, pod: Pod, node: NodeState) -> Refusal | None:
        for taint in node.node.taints:
            if taint.get("effect") in ("NoSchedule", "NoExecute") and not tolerated(taint, pod.tolerations):
                return no("node(s) had untolerated taint(s)", final=True)
        return None

    def score(self, state: Any, pod: Pod, node: NodeState) -> float:
        soft = [t for t in node.node.taints if t.get("effect") == "PreferNoSchedule"]
        return float(sum(not tolerated(t, pod.tolerations) for t in soft))

    def normalise(self, scores: Sequence[float]) -> list[float]:
        return fewer_is_better(scores)
