"""A cordoned node takes no new pods, unless they tolerate that."""

from __future__ import annotations

from typing import Any

from kubette.api.taints import tolerated
from kubette.scheduler.model import Cluster, NodeState, Pod
from kubette.scheduler.rule import Refusal, Rule, no

_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class Unschedulable(Rule):
    name = "NodeUnschedulable"

    def prepare(self, pod: Pod, cluster: Cluster) -> Any:
        return bool(cluster.cordoned) or None

    def refuses(self, state: Any, pod: Pod, node: NodeState) -> Refusal | None:
        if node.node.unschedulable and not tolerated(_TAINT, pod.tolerations):
            return no("node(s) were unschedulable", final=True)
        return None
