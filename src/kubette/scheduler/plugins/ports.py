"""Two pods of a node cannot have the same host port at the same address."""

from __future__ import annotations

from typing import Any

from kubette.scheduler.model import NodeState, Pod
from kubette.scheduler.rule import Refusal, Rule, no

_ANY = ("0.0.0.0", "::")


def _clash(a: tuple[str, str, int], b: tuple[str, str, int]) -> bool:
    return a[1:] == b[1:] and (a[0] == b[0] or a[0] in _ANY or b[0] in _ANY)


class HostPorts(Rule):
    name = "NodePorts"

    def prepare(self, pod: Pod, nodes: Any) -> Any:
        return pod.ports or None

    def refuses(self, state: Any, pod: Pod, node: NodeState) -> Refusal | None:
        if any(_clash(mine, other) for p in node.pods.values() for other in p.ports for mine in pod.ports):
            return no("node(s) didn't have free ports for the requested pod ports")
        return None
