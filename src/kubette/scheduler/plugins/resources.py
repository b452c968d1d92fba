"""What a pod requests must be free on its node."""

from __future__ import annotations

from typing import Any

from kubette.scheduler.model import NodeState, Pod
from kubette.scheduler.rule import Refusal, Rule


class Resources(Rule):
    name = "NodeResourcesFit"
    helped_by = frozenset(("node", "left"))

    def refuses(self, state: Any, pod: Pod, node: NodeState) -> Refusal | None:
        reasons, final = [], False
        for resource, amount in pod.requests.items():
            offered = node.node.allocatable.get(resource, 0)
            if amount and amount > offered - node.used.get(resource, 0):
                reasons.append("Too many pods" if resource == "pods" else f"Insufficient {resource}")
                final = final or amount > offered
        return Refusal(tuple(reasons), final) if reasons else None
