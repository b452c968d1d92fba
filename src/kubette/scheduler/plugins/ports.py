"""Two pods of a node cannot have the same host port at the same address."""

from __future__ import annotations

from typing import Any

from kubette.api.placement import ports_clash
from kubette.scheduler.model import NodeState, Pod
from kubette.scheduler.rule import Refusal, Rule, no


class HostPorts(Rule):
    name = "NodePorts"
    helped_by = frozenset(("node", "left"))

    def prepare(self, pod: Pod, cluster: Any) -> Any:
        return pod.ports or None

    def refuses(self, state: Any, pod: Pod, node: NodeState) -> Refusal | None:
        if any(ports_clash(mine, other) for p in node.pods.values() for other in p.ports for mine in pod.ports):
            return no("node(s) didn't have free ports for the requested pod ports")
        return None
