"""Nodes that fall silent: Ready becomes Unknown, taints keep new pods away, pods there count as not ready.

A sign of life is a renewed Lease or a fresh heartbeat, judged by when it was seen here, not by anyone's
clock; time in which this process itself did not run does not count. ``conditions`` and ``taints`` are pure.
Source: upstream's ``nodelifecycle/node_lifecycle_controller.go``.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers import pods as podlib
from kubette.controllers.base import Controller, Index, Key, kind
from kubette.controllers.writes import Action, Note, Patch

log = logging.getLogger(__name__)

LEASES = "kube-node-lease"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"

_PRESSURES = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_TICK = 0.5  # seconds, at most: how often this process notes that it runs
_REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_OURS = {NOT_READY, UNREACHABLE, "node.kubernetes.io/unschedulable", *_PRESSURES.values()}


def readiness(node: Object) -> str:
    """``True``, ``False`` or ``Unknown``."""
    return str((meta.condition(node, "Ready") or {}).get("status") or "Unknown")


def conditions(node: Object, now: datetime) -> list[Object]:
    """The conditions of a silent node that have to change."""
    at, out = meta.format_time(now), []
    for type_ in _REPORTED:
        old = meta.condition(node, type_)
        if old is not None and old.get("status") == "Unknown":
            continue
        words = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
        if old is None:
            words = ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
        new = {"type": type_, "status": "Unknown", "reason": words[0], "message": words[1], "lastTransitionTime": at}
        new["lastHeartbeatTime"] = old["lastHeartbeatTime"] if old and old.get("lastHeartbeatTime") else at
        out.append(new)
    return out


def taints(node: Object, now: datetime) -> list[Object]:
    """All the node's taints, as its conditions and its cordon would have them; others' are kept."""
    wanted: list[tuple[str, str]] = []
    match readiness(node), meta.condition(node, "Ready"):
        case "True", _:
            pass
        case "Unknown", condition if condition is not None:
            wanted += [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]
        case _, None:
            wanted.append((NOT_READY, "NoSchedule"))  # it has only just come
        case _:
            wanted += [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]
    for type_, key in _PRESSURES.items():
        if (meta.condition(node, type_) or {}).get("status") == "True":
            wanted.append((key, "NoSchedule"))
    spec = node.get("spec") or {}
    if spec.get("unschedulable"):
        wanted.append(("node.kubernetes.io/unschedulable", "NoSchedule"))
    old = spec.get("taints") or []
    kept = [t for t in old if t["key"] not in _OURS or (t["key"], t.get("effect")) in wanted]
    have = {(t["key"], t.get("effect")) for t in kept}
    at = meta.format_time(now)
    fresh = [{"key": k, "effect": e, "timeAdded": at} for k, e in wanted if (k, e) not in have]
    return [*kept, *fresh]


class NodeLifecycle(Controller[Key]):
    name = "node-controller"

    def watch(self) -> None:
        self.nodes, leases = self.cluster.informer("nodes"), self.cluster.informer("leases.coordination.k8s.io")
        pods = self.cluster.informer("pods")
        self.pods = Index(pods, lambda pod: (pod["spec"].get("nodeName") or "",))
        self._seen: dict[str, float] = {}  # loop time of the last sign of life
        self._tick = min(_TICK, self.config.node_grace_seconds / 8)
        self._ticked: float | None = None  # loop time at which this process is known to have run
        self.nodes.subscribe(self._node_changed)
        leases.subscribe(self._lease_changed)
        pods.subscribe(self._pod_changed)

    def _node_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        name = key[1]
        if new is None:
            self._seen.pop(name, None)
            if old is not None:
                words = f"Node {name} event: Removing Node {name} from Controller"
                self.recorder.event(_reference(old), "Normal", "RemovingNode", words)
            return
        if old is None:
            words = f"Node {name} event: Registered Node {name} in Controller"
            self.recorder.event(_reference(new), "Normal", "RegisteredNode", words)
        if old is None or _heartbeat(old) != _heartbeat(new):
            self._alive(name)
        self.queue.add(key)

    def _lease_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if new is None or key[0] != LEASES:
            return
        if old is None or old.get("spec", {}).get("renewTime") != new.get("spec", {}).get("renewTime"):
            self._alive(key[1])

    def _alive(self, name: str) -> None:
        self._seen[name] = asyncio.get_running_loop().time()

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        """A pod of a lost node that claims to be ready."""
        node = self.nodes.items.get(("", new["spec"].get("nodeName") or "")) if new is not None else None
        if node is not None and new is not None and readiness(node) == "Unknown" and podlib.ready(new):
            self.queue.add(("", meta.name(node)))

    async def background(self) -> None:
        """Notice when this process was stopped, or starved: nobody could be heard then."""
        loop = asyncio.get_running_loop()
        while True:
            self._ticked = loop.time()
            await asyncio.sleep(self._tick)
            if self._held_up():
                late = loop.time() - self._ticked - self._tick
                log.info("held up for %.1f s", late)
                for name in self._seen:
                    self._seen[name] += late

    def _held_up(self) -> bool:
        return self._ticked is not None and asyncio.get_running_loop().time() - self._ticked > 2 * self._tick

    async def reconcile(self, key: Key) -> float | None:
        node = self.nodes.items.get(key)
        if node is None:
            return None
        loop, name, now = asyncio.get_running_loop(), key[1], self.cluster.now()
        if self._held_up():
            return self._tick  # what came meanwhile has to be read first
        left = self._seen.setdefault(name, loop.time()) + self.config.node_grace_seconds - loop.time()
        if left <= 0:
            node = await self._silent(node, now)
        actions: list[Action] = []
        wanted = taints(node, now)
        if wanted != ((node.get("spec") or {}).get("taints") or []):
            at = {"uid": meta.uid(node), "resourceVersion": meta.resource_version(node)}
            change = {"metadata": at, "spec": {"taints": wanted or None}}
            actions.append(Patch(kind("nodes"), node, change))
        if left <= 0:
            actions += self._not_ready(node, now)
        await self.carry_out(actions)
        # Looked at again when the grace is over; a sign of life meanwhile only moves that further.
        return max(left, 0.01) if left > 0 else None

    async def _silent(self, node: Object, now: datetime) -> Object:
        changed = conditions(node, now)
        if not changed:
            return node
        patch = {"metadata": {"uid": meta.uid(node)}, "status": {"conditions": changed}}
        await self.carry_out([Patch(kind("nodes"), node, patch, "status", "strategic")])
        if readiness(node) == "True":
            words = f"Node {meta.name(node)} status is now: NodeNotReady"
            await self.carry_out([Note(_reference(node), "NodeNotReady", words)])
        return self.nodes.items.get(meta.key(node), node)

    def _not_ready(self, node: Object, now: datetime) -> list[Action]:
        out: list[Action] = []
        for pod in self.pods.get(meta.name(node)):
            if podlib.terminal(pod) or not podlib.ready(pod):
                continue
            condition = {"type": "Ready", "status": "False", "lastTransitionTime": meta.format_time(now)}
            change = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [condition]}}
            note = Note(pod, "NodeNotReady", "Node is not ready", "Warning")
            out.append(Patch(kind("pods"), pod, change, "status", "strategic", note))
        return out


def _heartbeat(node: Object) -> str:
    return str((meta.condition(node, "Ready") or {}).get("lastHeartbeatTime") or "")


def _reference(node: Object) -> Object:
    """Events of nodes carry the name as uid: that is what ``kubectl describe node`` asks for."""
    return {"apiVersion": "v1", "kind": "Node", "name": meta.name(node), "uid": meta.name(node)}
