"""Of two nodes, the one with more to spare."""

from __future__ import annotations

from typing import Any

from kubette.scheduler.model import NodeState, Pod
from kubette.scheduler.rule import BEST, Rule


class LeastAllocated(Rule):
    name = "NodeResourcesLeastAllocated"
    weight = 1.0

    def score(self, state: Any, pod: Pod, node: NodeState) -> float:
        offered, usual, wanted = node.node.allocatable, node.usual, pod.usual
        cpu, memory = offered.get("cpu", 0), offered.get("memory", 0)
        share = max(0, cpu - usual[0] - wanted[0]) / cpu if cpu else 0.0
        share += max(0, memory - usual[1] - wanted[1]) / memory if memory else 0.0
        return BEST * share / 2
