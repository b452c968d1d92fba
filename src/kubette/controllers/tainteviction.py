"""Ends pods on nodes with NoExecute taints, as soon as their tolerations have run out.

``due`` is pure; when an eviction falls due is told by the taint's own ``timeAdded``, so that a restart of the
controller neither hurries nor delays it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kubette.api import meta
from kubette.api.meta import Object
from kubette.api.taints import tolerated_for
from kubette.controllers import pods as podlib
from kubette.controllers.base import Controller, Index, Key, kind
from kubette.controllers.writes import Delete, Note, Patch


def executing(node: Object | None) -> list[Object]:
    """The node's NoExecute taints."""
    return [t for t in ((node or {}).get("spec") or {}).get("taints") or () if t.get("effect") == "NoExecute"]


def due(pod: Object, taints: Sequence[Object], now: datetime) -> float | None:
    """Seconds until the pod must go, 0 or less at once; None: it may stay."""
    waits = []
    for taint in taints:
        seconds = tolerated_for(taint, pod["spec"].get("tolerations") or ())
        if seconds is not None:
            since = meta.parse_time(taint["timeAdded"]) if taint.get("timeAdded") else now
            waits.append(seconds - (now - since).total_seconds() if seconds else 0.0)
    return min(waits) if waits else None


class TaintEviction(Controller[Key]):
    name = "taint-eviction-controller"

    def watch(self) -> None:
        self.nodes, self.pods = self.cluster.informer("nodes"), self.cluster.informer("pods")
        self.by_node = Index(self.pods, lambda pod: (pod["spec"].get("nodeName") or "",))
        self.nodes.subscribe(self._node_changed)
        self.pods.subscribe(self._pod_changed)

    def _node_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if executing(new) and executing(new) != executing(old):
            for pod in self.by_node.get(key[1]):
                self.queue.add(meta.key(pod))

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if new is not None and executing(self.nodes.items.get(("", new["spec"].get("nodeName") or ""))):
            self.queue.add(key)

    async def reconcile(self, key: Key) -> float | None:
        pod = self.pods.items.get(key)
        if pod is None or meta.deleting(pod) or podlib.terminal(pod):
            return None
        now = self.cluster.now()
        left = due(pod, executing(self.nodes.items.get(("", pod["spec"].get("nodeName") or ""))), now)
        if left is None or left > 0:
            return left
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": meta.format_time(now),
        }
        change = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [condition]}}
        await self.carry_out(
            [
                Note(pod, "TaintManagerEviction", f"Marking for deletion Pod {key[0]}/{key[1]}"),
                Patch(kind("pods"), pod, change, "status", "strategic"),
                Delete(kind("pods"), pod),
            ]
        )
        return None
