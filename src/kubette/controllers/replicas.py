"""The core of ReplicaSets and ReplicationControllers: as many pods as were asked for, no more, no fewer.

``count`` and ``status_of`` decide purely; ``Replicas`` is the controller around them.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from kubette.api import meta
from kubette.api.kinds import Kind
from kubette.api.meta import Object
from kubette.api.selectors import LabelSelector
from kubette.controllers import pods as podlib
from kubette.controllers.adoption import claim
from kubette.controllers.base import Controller, Index, Key, by_controller, kind
from kubette.controllers.podcontrol import PodControl
from kubette.controllers.writes import Create, Delete, Patch, apply, status_patch

_BURST = 500  # pods one pass creates or deletes


def new_pod(owner: Object) -> Object:
    """The next pod of ``owner``, from its template."""
    template = owner["spec"].get("template") or {}
    given = template.get("metadata") or {}
    m: Object = {"generateName": meta.name(owner) + "-", "namespace": meta.namespace(owner)}
    for field in ("labels", "annotations", "finalizers"):
        if given.get(field):
            m[field] = copy.deepcopy(given[field])
    m["ownerReferences"] = [meta.owner_reference(owner)]
    spec = copy.deepcopy(template.get("spec") or {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": m, "spec": spec}


def count(owner: Object, pods: Sequence[Object], related: Iterable[Object]) -> list[Create | Delete]:
    """The writes that bring ``pods`` (the owner's, active) to ``spec.replicas``; a burst at most.

    ``related``: pods of owners that serve the same purpose, which make a node crowded.
    """
    pod_kind = kind("pods")
    missing = int(owner["spec"].get("replicas", 1)) - len(pods)
    if missing >= 0:
        return [Create(pod_kind, new_pod(owner)) for _ in range(min(missing, _BURST))]
    crowd = Counter(p.get("spec", {}).get("nodeName") or "" for p in related if podlib.active(p))
    chosen = podlib.first_to_go(pods, crowd)[: min(-missing, _BURST)]
    return [Delete(pod_kind, pod) for pod in chosen]


def status_of(
    owner: Object, pods: Sequence[Object], failure: str, now: datetime, terminating: int | None = None
) -> tuple[Object, float | None]:
    """The owner's status, and in how many seconds it changes by the mere passing of time.

    ``failure``: what creating ("FailedCreate: …") or deleting was refused with; empty when all went well."""
    spec, old = owner["spec"], owner.get("status") or {}
    wanted = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    waits = [podlib.available_in(p, spec.get("minReadySeconds", 0), now) for p in pods]
    status: Object = {
        "replicas": len(pods),
        "fullyLabeledReplicas": sum(wanted.items() <= meta.labels(p).items() for p in pods),
        "readyReplicas": sum(podlib.ready(p) for p in pods),
        "availableReplicas": sum(w == 0 for w in waits),
        "observedGeneration": owner["metadata"].get("generation", 0),
    }
    for field in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        if not status[field]:
            del status[field]
    if terminating is not None:
        status["terminatingReplicas"] = terminating
    conditions = [c for c in old.get("conditions") or [] if c.get("type") != "ReplicaFailure"]
    if failure:
        reason, _, message = failure.partition(": ")
        condition = {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": message}
        conditions = meta.set_condition(old.get("conditions") or [], condition, meta.format_time(now))
    if conditions:
        status["conditions"] = conditions
    later = [w for w in waits if w]
    return status, min(later) if later else None


class Replicas(Controller[Key]):
    """Subclasses say which kind, and what its selector is."""

    owner_resource: ClassVar[str]
    concurrency = 16

    def watch(self) -> None:
        self.kind: Kind = kind(self.owner_resource)
        self.pod_control = PodControl(self.cluster, self.recorder)
        self.failures: dict[Key, str] = {}
        owners, pods = self.cluster.informer(self.owner_resource), self.cluster.informer("pods")
        self.owners = owners
        self.pods = Index(pods, by_controller)
        owners.subscribe(self._owner_changed)
        pods.subscribe(self._pod_changed)

    @abstractmethod
    def selector(self, owner: Object) -> LabelSelector: ...

    def related(self, owner: Object, owned: Sequence[Object]) -> Iterable[Object]:
        """Pods that make a node crowded when one must go."""
        return owned

    def terminating(self, owned: Sequence[Object]) -> int | None:
        """``status.terminatingReplicas``, for kinds that have it."""
        return None

    def _owner_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if new is None or (old is not None and meta.uid(old) != meta.uid(new)):
            self.pod_control.forget(key)
            self.failures.pop(key, None)
        self.queue.add(key)

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        before, after = old and self._owner_of(old), new and self._owner_of(new)
        if before:
            if old is not None and (new is None or meta.deleting(new)):
                self.pod_control.pod_deleted(before, old)
            self.queue.add(before)
        if after:
            if old is None:
                self.pod_control.pod_added(after)
            if new is not None and meta.deleting(new):
                self.pod_control.pod_deleted(after, new)
            self.queue.add(after)
        if new is not None and not meta.deleting(new) and meta.controller_of(new) is None:
            for owner_key, owner in self.owners.items.items():  # an orphan: who wants it?
                if owner_key[0] == key[0] and self.selector(owner).matches(meta.labels(new)):
                    self.queue.add(owner_key)

    def _owner_of(self, pod: Object) -> Key | None:
        ref = meta.controller_of(pod)
        if ref is None or ref.get("kind") != self.kind.kind:
            return None
        if meta.group_version(ref.get("apiVersion", ""))[0] != self.kind.group:
            return None
        return meta.namespace(pod), ref["name"]

    async def reconcile(self, key: Key) -> float | None:
        owner = self.owners.items.get(key)
        if owner is None:
            self.pod_control.forget(key)
            return None
        caught_up = self.pod_control.satisfied(key)
        everyone = self.pods.get(meta.uid(owner)) + self.pods.get(meta.namespace(owner) + "/")
        claimed = claim(kind("pods"), owner, self.selector(owner), everyone)
        owned = list(claimed.owned)
        for patch in claimed.release:
            await apply(self.api, patch)
        if claimed.adopt:
            owned += await self._adopt(owner, [p for p in claimed.adopt if podlib.active(p.target)])
        active = [p for p in owned if podlib.active(p)]
        if caught_up and not meta.deleting(owner):
            await self._manage(key, owner, active, self.related(owner, owned))
        now, failure = self.cluster.now(), self.failures.get(key, "")
        status, again = status_of(owner, active, failure, now, self.terminating(owned))
        await self.carry_out(status_patch(self.kind, owner, status))
        if failure and (again is None or again > 1):
            again = 1.0  # try again what was refused
        return again

    async def _adopt(self, owner: Object, patches: Sequence[Patch]) -> list[Object]:
        """Only if the owner is still there and stays: asked of the API, not of the informer."""
        if not patches:
            return []
        fresh = await self.api.get(self.kind, meta.name(owner), meta.namespace(owner))
        if meta.uid(fresh) != meta.uid(owner) or meta.deleting(fresh):
            return []
        out = [await apply(self.api, patch) for patch in patches]
        return [pod for pod in out if pod is not None]

    async def _manage(self, key: Key, owner: Object, active: Sequence[Object], related: Iterable[Object]) -> None:
        writes = count(owner, active, related)
        self.failures.pop(key, None)
        creations = [w.obj for w in writes if isinstance(w, Create)]
        deletions = [w.target for w in writes if isinstance(w, Delete)]
        if creations and (refused := await self.pod_control.create(key, owner, creations)):
            self.failures[key] = f"FailedCreate: {refused.message}"
        if deletions and (refused := await self.pod_control.delete(key, owner, deletions)):
            self.failures[key] = f"FailedDelete: {refused.message}"
