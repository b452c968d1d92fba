"""Pods for whom others were asked to leave a node: until they are bound, that room is theirs.

It is no promise: a pod of higher priority may still take it, and the pod itself goes where it fits first.
"""

from __future__ import annotations

from kubette.scheduler.model import Nodes, Pod


class Nominations:
    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, Pod]] = {}  # pod uid → node, pod

    def put(self, pod: Pod, node: str) -> list[Pod]:
        """``node`` is to be the pod's. Who is less important and was to have it loses it, and is returned."""
        outdone = [p for where, p in self._rows.values() if where == node and p.priority < pod.priority]
        for other in outdone:
            self.drop(other.uid)
        self._rows[pod.uid] = node, pod
        return outdone

    def drop(self, uid: str) -> None:
        self._rows.pop(uid, None)

    def counted(self, nodes: Nodes, pod: Pod) -> Nodes:
        """``nodes`` as ``pod`` must see them: with those on them who are to come and are no less important."""
        ours = (row for row in self._rows.values() if row[0] in nodes and row[1].uid != pod.uid)
        rows = [(name, other) for name, other in ours if other.priority >= pod.priority]
        if not rows:
            return nodes
        out = dict(nodes)
        for name in {name for name, _ in rows}:
            out[name] = nodes[name].copy()
        for name, other in rows:
            out[name].add(other)
        return out
