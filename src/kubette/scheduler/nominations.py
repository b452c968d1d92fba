"""Pods for whom others were asked to leave a node: until they are bound, that room is theirs.

It is no promise: a pod of higher priority may still take it, and the pod itself goes where it fits first.
"""

from __future__ import annotations

from kubette.scheduler.model import Pod


class Nominations:
    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, Pod]] = {}  # pod uid → node, pod
        self.by_node: dict[str, list[Pod]] = {}

    def put(self, pod: Pod, node: str) -> list[Pod]:
        """Nominate the pod for the node. Return the lower-priority pods whose nomination this replaces."""
        self.drop(pod.uid)
        replaced = [p for p in self.by_node.get(node, ()) if p.priority < pod.priority]
        for other in replaced:
            self.drop(other.uid)
        self._rows[pod.uid] = node, pod
        self.by_node.setdefault(node, []).append(pod)
        return replaced

    def drop(self, uid: str) -> None:
        row = self._rows.pop(uid, None)
        if row is None:
            return
        left = [p for p in self.by_node[row[0]] if p.uid != uid]
        if left:
            self.by_node[row[0]] = left
        else:
            del self.by_node[row[0]]
