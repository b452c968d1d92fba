"""What a pod requests must be free on its node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubette.scheduler.model import NodeState, Pod
from kubette.scheduler.rule import Refusal, Rule


class Resources(Rule):
    name = "NodeResourcesFit"
    helped_by = frozenset(("node", "left"))

    def prepare(self, pod: Pod, cluster: Any) -> Any:
        return [(resource, amount) for resource, amount in pod.requests.items() if amount] or None

    def refuses(self, state: Sequence[tuple[str, int]], pod: Pod, node: NodeState) -> Refusal | None:
        offered, used = node.node.allocatable, node.used
        for resource, amount in state:
            if amount > offered.get(resource, 0) - used.get(resource, 0):
                return _shortage(state, node)
        return None


def _shortage(wanted: Sequence[tuple[str, int]], node: NodeState) -> Refusal:
    """All that is short, as refusals list it."""
    reasons, final = [], False
    for resource, amount in wanted:
        offered = node.node.allocatable.get(resource, 0)
        if amount > offered - node.used.get(resource, 0):
            reasons.append("Too many pods" if resource == "pods" else f"Insufficient {resource}")
            final = final or amount > offered
    return Refusal(tuple(reasons), final)
