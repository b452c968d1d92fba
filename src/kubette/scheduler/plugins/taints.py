"""Taints keep pods away that do not tolerate them; PreferNoSchedule only makes a node less liked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubette.scheduler.model import NodeState, Pod
from kubette.scheduler.rule import Refusal, Rule, fewer_is_better, no


def tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/"""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")
    return False


def tolerated(taint: Mapping[str, Any], tolerations: Iterable[Mapping[str, Any]]) -> bool:
    return any(tolerates(t, taint) for t in tolerations)


class Taints(Rule):
    name = "TaintToleration"
    weight = 3.0

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
