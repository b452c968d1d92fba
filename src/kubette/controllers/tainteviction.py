"""Deletes pods on nodes with NoExecute taints when their tolerations have run out.

A toleration runs from the moment when both the taint and the pod are on the node. Where a taint does not carry the
time at which it was added (``kubectl taint`` writes none), that is the time at which this controller first saw it.
``due`` is pure. Source: upstream's ``tainteviction/taint_eviction.go``.
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

TaintKey = tuple[str, str, str]  # key, value, effect

_REASON = "TaintManagerEviction"  # of events


def executing(node: Object | None) -> list[Object]:
    """The node's NoExecute taints."""
    return [t for t in ((node or {}).get("spec") or {}).get("taints") or () if t.get("effect") == "NoExecute"]


def taint_key(taint: Object) -> TaintKey:
    return taint["key"], taint.get("value") or "", taint.get("effect") or ""


def first_seen(taints: Sequence[Object], before: dict[TaintKey, datetime], now: datetime) -> dict[TaintKey, datetime]:
    """Since when each taint is on its node: as it says, or since it was first seen."""
    return {
        key: meta.parse_time(taint["timeAdded"]) if taint.get("timeAdded") else before.get(key, now)
        for taint in taints
        for key in [taint_key(taint)]
    }


def arrival(pod: Object) -> datetime | None:
    """When the pod came to its node."""
    scheduled = meta.condition(pod, "PodScheduled") or {}
    at = scheduled.get("lastTransitionTime") if scheduled.get("status") == "True" else None
    at = at or (pod.get("status") or {}).get("startTime") or meta.metadata(pod).get("creationTimestamp")
    return meta.parse_time(at) if at else None


def due(pod: Object, taints: Sequence[Object], since: dict[TaintKey, datetime], now: datetime) -> float | None:
    """Seconds until the pod must go, 0 or less at once; None: it may stay."""
    came, waits = arrival(pod), []
    for taint in taints:
        seconds = tolerated_for(taint, pod["spec"].get("tolerations") or ())
        if seconds is None:
            continue
        start = max(since.get(taint_key(taint), now), *([came] if came is not None else []))
        waits.append(seconds - (now - start).total_seconds() if seconds else 0.0)
    return min(waits) if waits else None


class TaintEviction(Controller[Key]):
    name = "taint-eviction-controller"

    def watch(self) -> None:
        self.nodes, self.pods = self.cluster.informer("nodes"), self.cluster.informer("pods")
        self._since: dict[str, dict[TaintKey, datetime]] = {}  # by node
        self._scheduled: set[Key] = set()  # pods whose deletion has a time
        self.by_node = Index(self.pods, lambda pod: (pod["spec"].get("nodeName") or "",))
        self.nodes.subscribe(self._node_changed)
        self.pods.subscribe(self._pod_changed)

    def _node_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if executing(new):
            self._since[key[1]] = first_seen(executing(new), self._since.get(key[1], {}), self.cluster.now())
        else:
            self._since.pop(key[1], None)
        if executing(new) != executing(old):
            for pod in self.by_node.get(key[1]):
                self.queue.add(meta.key(pod))

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._scheduled.discard(key)
        elif executing(self.nodes.items.get(("", new["spec"].get("nodeName") or ""))):
            self.queue.add(key)

    async def reconcile(self, key: Key) -> float | None:
        pod = self.pods.items.get(key)
        if pod is None or meta.deleting(pod) or podlib.terminal(pod):
            return None
        now, node = self.cluster.now(), pod["spec"].get("nodeName") or ""
        taints = executing(self.nodes.items.get(("", node)))
        left = due(pod, taints, self._since.get(node, {}), now)
        if left is None:
            if key in self._scheduled:
                self._scheduled.discard(key)
                self.recorder.event(pod, "Normal", _REASON, f"Cancelling deletion of Pod {key[0]}/{key[1]}")
            return None
        if left > 0:
            self._scheduled.add(key)
            return left
        self._scheduled.discard(key)
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
                Note(pod, _REASON, f"Marking for deletion Pod {key[0]}/{key[1]}"),
                Patch(kind("pods"), pod, change, "status", "strategic"),
                Delete(kind("pods"), pod),
            ]
        )
        return None
