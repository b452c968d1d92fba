"""Of two nodes, the one with more to spare."""

from __future__ import annotations

from typing import Any

from kubette.scheduler.model import NodeState, Pod
from kubette.scheduler.rule import BEST, Rule


class LeastAllocated(Rule):
    name = "NodeResourcesLeastAllocated"
    weight = 1.0

    def score(self, state: Any, pod: Pod, node: NodeState) -> float:
        shares = []
        for i, resource in enumerate(("cpu", "memory")):
            offered = node.node.allocatable.get(resource, 0)
            used = node.usual[i] + pod.usual[i]
            shares.append(max(0, offered - used) / offered if offered else 0.0)
        return BEST * sum(shares) / len(shares)
