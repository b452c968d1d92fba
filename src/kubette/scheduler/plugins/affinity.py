"""nodeSelector and nodeAffinity: on which nodes a pod must and on which it would like to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubette.api.selectors import Requirement
from kubette.scheduler.model import NodeState, Pod
from kubette.scheduler.rule import Refusal, Rule, more_is_better, no

_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    operator = _OPERATORS.get(expression.get("operator", ""))
    if operator is None:
        return False
    return Requirement(expression["key"], operator, tuple(expression.get("values") or ())).matches(labels)


def term_matches(term: Mapping[str, Any], node: NodeState) -> bool:
    """A NodeSelectorTerm; one that says nothing matches nothing."""
    by_label, by_field = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not by_label and not by_field:
        return False
    fields = {"metadata.name": node.node.name}
    return all(_holds(e, node.node.labels) for e in by_label) and all(_holds(e, fields) for e in by_field)


class NodeAffinity(Rule):
    name = "NodeAffinity"
    weight = 2.0

    def prepare(self, pod: Pod, nodes: Any) -> Any:
        return pod.affinity.get("nodeAffinity") or ({} if pod.selector else None)

    def refuses(self, state: Any, pod: Pod, node: NodeState) -> Refusal | None:
        required = state.get("requiredDuringSchedulingIgnoredDuringExecution")
        suits = pod.selector.items() <= node.node.labels.items()
        if suits and required is not None:
            suits = any(term_matches(t, node) for t in required.get("nodeSelectorTerms") or ())
        return None if suits else no("node(s) didn't match Pod's node affinity/selector", final=True)

    def score(self, state: Any, pod: Pod, node: NodeState) -> float:
        liked = state.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        return float(sum(t["weight"] for t in liked if term_matches(t.get("preference") or {}, node)))

    def normalise(self, scores: Sequence[float]) -> list[float]:
        return more_is_better(scores)
