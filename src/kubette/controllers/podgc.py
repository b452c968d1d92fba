"""Clears away pods that nobody else will: of nodes that are gone or out of service, ended before they had a node, or
long finished.

``decide`` is pure. Source: upstream's ``podgc/gc_controller.go``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from kubette.api import errors, meta
from kubette.api.meta import Object
from kubette.controllers import pods as podlib
from kubette.controllers.base import Controller, Key, kind
from kubette.controllers.writes import Action, Delete, Patch

_OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


def decide(
    pods: Iterable[Object], gone: Collection[str], keep: int, now: str, out_of_service: Collection[str] = ()
) -> list[Action]:
    """``gone``: names of nodes that no longer exist; ``keep``: finished pods to keep, the youngest;
    ``out_of_service``: nodes on which nothing runs any more, as somebody has said by a taint."""
    pods = list(pods)
    out: list[Action] = []
    for pod in pods:
        node = pod["spec"].get("nodeName") or ""
        if node in gone:
            out += [*_failed(pod, now), Delete(kind("pods"), pod, grace_seconds=0)]
        elif meta.deleting(pod) and (not node or node in out_of_service):
            out.append(Delete(kind("pods"), pod, grace_seconds=0))
    finished = [p for p in pods if podlib.terminal(p) and (p["spec"].get("nodeName") or "") not in gone]
    finished.sort(key=lambda p: str(p["metadata"].get("creationTimestamp", "")))
    out += [Delete(kind("pods"), p) for p in finished[: max(0, len(finished) - keep)] if not meta.deleting(p)]
    return out


def shut_down(node: Object) -> bool:
    """Somebody vouches that the node is off: https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/."""
    ready = meta.condition(node, "Ready") or {}
    taints = (node.get("spec") or {}).get("taints") or ()
    return ready.get("status") != "True" and any(t.get("key") == _OUT_OF_SERVICE for t in taints)


def _failed(pod: Object, now: str) -> list[Action]:
    if podlib.terminal(pod):
        return []
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByPodGC",
        "message": "PodGC: node no longer exists",
        "lastTransitionTime": now,
    }
    status = {"phase": "Failed", "conditions": [condition]}
    return [Patch(kind("pods"), pod, {"metadata": {"uid": meta.uid(pod)}, "status": status}, "status", "strategic")]


class PodGc(Controller[str]):
    name = "pod-garbage-collector"
    concurrency = 1

    def watch(self) -> None:
        self.nodes, self.pods = self.cluster.informer("nodes"), self.cluster.informer("pods")
        self._missing: dict[str, float] = {}  # nodes that are not there → when that was first seen
        self.pods.subscribe(self._pod_changed)
        self.queue.add("look")

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if new is not None and meta.deleting(new) and not new["spec"].get("nodeName"):
            self.queue.add("look")

    async def reconcile(self, key: str) -> float | None:
        """A node counts as gone when it has been missing for a whole period and the API confirms it."""
        now, period = asyncio.get_running_loop().time(), self.config.pod_gc_seconds
        named = {p["spec"].get("nodeName") or "" for p in self.pods.items.values()} - {""}
        missing = {name for name in named if ("", name) not in self.nodes.items}
        self._missing = {name: self._missing.get(name, now) for name in missing}
        old = [name for name, since in self._missing.items() if now - since >= period]
        gone = {name for name in old if await self._is_gone(name)}
        at = meta.format_time(self.cluster.now())
        off = {meta.name(node) for node in self.nodes.items.values() if shut_down(node)}
        await self.carry_out(decide(self.pods.items.values(), gone, self.config.terminated_pods, at, off))
        return period

    async def _is_gone(self, name: str) -> bool:
        try:
            await self.api.get(kind("nodes"), name)
        except errors.NotFound:
            return True
        return False
