"""DaemonSets: a pod on every node that suits. Where, and which to replace next, is decided in ``daemonplan``."""

from __future__ import annotations

import asyncio
from typing import Any

from kubette.api import errors, meta
from kubette.api.kinds import Kind
from kubette.api.meta import Object
from kubette.api.selectors import LabelSelector, from_label_selector
from kubette.controllers import pods as podlib
from kubette.controllers.adoption import claim
from kubette.controllers.base import Controller, Index, Key, by_controller, kind
from kubette.controllers.daemonplan import DaemonPlan, daemon, decide, node_of
from kubette.controllers.podcontrol import PodControl
from kubette.controllers.revisions import hash_of, history
from kubette.controllers.writes import Create, apply, status_patch

_REFUSED = 1.0  # seconds until what was refused is tried again
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 900.0  # seconds before a pod that ended is replaced on its node


class DaemonSet(Controller[Key]):
    name = "daemonset-controller"

    def watch(self) -> None:
        self.kind: Kind = kind("daemonsets.apps")
        self.pod_control = PodControl(self.cluster, self.recorder)
        self.owners, self.nodes = self.cluster.informer("daemonsets.apps"), self.cluster.informer("nodes")
        pods, revisions = self.cluster.informer("pods"), self.cluster.informer("controllerrevisions.apps")
        self.pods, self.revisions = Index(pods, by_controller), Index(revisions, by_controller)
        self._pauses: dict[tuple[str, str], tuple[int, float]] = {}  # (uid of the set, node) → failures, not before
        self.owners.subscribe(self._owner_changed)
        self.nodes.subscribe(self._node_changed)
        pods.subscribe(self._pod_changed)
        revisions.subscribe(self._revision_changed)

    def _owner_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if old is not None and (new is None or meta.uid(old) != meta.uid(new)):
            self.pod_control.forget(key)
            self._pauses = {k: v for k, v in self._pauses.items() if k[0] != meta.uid(old)}
        self.queue.add(key)

    def _node_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if _matters(old) != _matters(new):
            for owner in self.owners.items:
                self.queue.add(owner)

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        for pod in (old, new):
            ref = meta.controller_of(pod) if pod is not None else None
            if pod is None or ref is None or ref.get("kind") != "DaemonSet":
                continue
            owner = (key[0], ref["name"])
            if pod is new and old is None:
                self.pod_control.pod_added(owner)
            if new is None or meta.deleting(new):
                self.pod_control.pod_deleted(owner, pod)
            self.queue.add(owner)
        if new is not None and not meta.deleting(new) and meta.controller_of(new) is None:
            for owner, obj in self.owners.items.items():
                if owner[0] == key[0] and _selector(obj).matches(meta.labels(new)):
                    self.queue.add(owner)

    def _revision_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        ref = meta.controller_of(new or old or {})
        if ref is not None and ref.get("kind") == "DaemonSet":
            self.queue.add((key[0], ref["name"]))

    async def reconcile(self, key: Key) -> float | None:
        owner = self.owners.items.get(key)
        if owner is None or meta.deleting(owner):
            return None
        selector = _selector(owner)
        if selector.everything:
            words = "This daemon set is selecting all pods. A non-empty selector is required."
            self.recorder.event(owner, "Warning", "SelectingAll", words)
            return None
        caught_up = self.pod_control.satisfied(key)
        pods = await self._claimed("pods", owner, self.pods, selector)
        revisions = await self._claimed("controllerrevisions.apps", owner, self.revisions, selector)
        past = history(owner, revisions, {hash_of(p) for p in pods})
        try:
            await self.carry_out(past.writes)
        except errors.AlreadyExists:
            await self._collided(owner, next(w.obj for w in past.writes if isinstance(w, Create)))
            return 0.05
        nodes = {name: node for (_, name), node in self.nodes.items.items()}
        plan = decide(owner, nodes, pods, past.current, self.cluster.now())
        refused, again = False, plan.again
        if caught_up:
            paused = await self._clear(key, owner, plan)
            again = min((s for s in (again, paused) if s is not None), default=None)
            pods = [daemon(owner, node, past.current) for node in plan.create]
            refused = await self.pod_control.create(key, owner, pods) is not None
        await self.carry_out(status_patch(self.kind, owner, plan.status))
        return _REFUSED if refused else again

    async def _claimed(self, what: str, owner: Object, index: Index, selector: LabelSelector) -> list[Object]:
        """The owner's objects of a kind, with those that it adopts and without those that it releases."""
        everyone = index.get(meta.uid(owner)) + index.get(meta.namespace(owner) + "/")
        found = claim(kind(what), owner, selector, everyone)
        for patch in found.release:
            await apply(self.api, patch)
        adopted = [await apply(self.api, patch) for patch in found.adopt]
        return [*found.owned, *(obj for obj in adopted if obj is not None)]

    async def _collided(self, owner: Object, wanted: Object) -> None:
        """The name is taken: by our own revision, which the informer has yet to show, or by a stranger."""
        found = await self.api.get(kind("controllerrevisions.apps"), meta.name(wanted), meta.namespace(wanted))
        if meta.controlled_by(found, owner) and found.get("data") == wanted["data"]:
            return
        status = dict(owner.get("status") or {})
        status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
        await self.carry_out(status_patch(self.kind, owner, status))

    async def _clear(self, key: Key, owner: Object, plan: DaemonPlan) -> float | None:
        """Delete what is too much, and what has ended by itself unless that was only just; seconds until then."""
        now, waits = asyncio.get_running_loop().time(), []
        doomed = [(pod, "") for pod in plan.delete]
        for pod in plan.failed:
            at = (meta.uid(owner), node_of(pod))
            count, earliest = self._pauses.get(at, (0, 0.0))
            if now < earliest:
                waits.append(earliest - now)
                continue
            if now > earliest + _LAST_PAUSE:
                count = 0  # it had run well for long
            self._pauses[at] = count + 1, now + min(_LAST_PAUSE, _FIRST_PAUSE * 2 ** min(count, 10))
            doomed.append((pod, podlib.phase(pod)))
        for pod, phase in doomed:
            if phase:
                where = f"daemon pod {meta.namespace(pod)}/{meta.name(pod)} on node {node_of(pod)}"
                bad = phase == "Failed"
                words = f"Found {phase.lower()} {where}, will try to {'kill' if bad else 'delete'} it"
                self.recorder.event(owner, "Warning" if bad else "Normal", f"{phase}DaemonPod", words)
        if refused := await self.pod_control.delete(key, owner, [pod for pod, _ in doomed]):
            raise refused
        return min(waits, default=None)


def _selector(owner: Object) -> LabelSelector:
    return from_label_selector(owner["spec"].get("selector"))


def _matters(node: Object | None) -> Any:
    """What of a node decides whether a daemon runs there."""
    taints = ((node or {}).get("spec") or {}).get("taints") or ()
    return node and (meta.labels(node), [(t["key"], t.get("effect"), t.get("value")) for t in taints])
