"""Lets a deleted PersistentVolumeClaim go when no pod uses it any more.

``uses`` is pure. Source: upstream's ``volume/pvcprotection``.
"""

from __future__ import annotations

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers.base import Controller, Index, Key, kind
from kubette.controllers.writes import Patch

FINALIZER = "kubernetes.io/pvc-protection"


def claims_of(pod: Object) -> tuple[str, ...]:
    """``NAMESPACE/CLAIM`` of each claim that the pod's volumes name."""
    namespace, out = meta.namespace(pod), []
    for volume in pod["spec"].get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            out.append(f"{namespace}/{claim['claimName']}")
        elif volume.get("ephemeral") is not None:
            out.append(f"{namespace}/{meta.name(pod)}-{volume['name']}")
    return tuple(dict.fromkeys(out))


def uses(pod: Object, claim: Object) -> bool:
    """A pod on a node uses the claims it names; its ephemeral ones only until the node is done with it."""
    if not pod["spec"].get("nodeName"):
        return False
    m = pod["metadata"]
    ended = meta.deleting(pod) and m.get("deletionGracePeriodSeconds") == 0
    for volume in pod["spec"].get("volumes") or ():
        if (volume.get("persistentVolumeClaim") or {}).get("claimName") == meta.name(claim):
            return True
        own = volume.get("ephemeral") is not None and f"{meta.name(pod)}-{volume['name']}" == meta.name(claim)
        if own and not ended and meta.controlled_by(claim, pod):
            return True
    return False


def without_finalizer(obj: Object, finalizer: str) -> Object:
    """The merge patch that takes the finalizer from the object as it was read."""
    left = [f for f in obj["metadata"].get("finalizers") or () if f != finalizer]
    at = {"uid": meta.uid(obj), "resourceVersion": meta.resource_version(obj)}
    return {"metadata": {**at, "finalizers": left or None}}


def candidate(obj: Object, finalizer: str) -> bool:
    """Deleted, and held by the finalizer."""
    return meta.deleting(obj) and finalizer in (obj["metadata"].get("finalizers") or ())


class PvcProtection(Controller[Key]):
    name = "persistentvolumeclaim-protection-controller"

    def watch(self) -> None:
        self.claims, pods = self.cluster.informer("persistentvolumeclaims"), self.cluster.informer("pods")
        self.pods = Index(pods, claims_of)
        self.claims.subscribe(lambda key, old, new: self.queue.add(key) if new is not None else None)
        pods.subscribe(self._pod_changed)

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        for name in claims_of(old) if old is not None else ():
            namespace, _, claim = name.partition("/")
            if (namespace, claim) in self.claims.items:
                self.queue.add((namespace, claim))

    async def reconcile(self, key: Key) -> float | None:
        claim = self.claims.items.get(key)
        if claim is None or not candidate(claim, FINALIZER):
            return None
        if any(uses(pod, claim) for pod in self.pods.get("/".join(key))):
            return None
        for pod in (await self.api.list(kind("pods"), key[0])).get("items") or ():  # what the informer lacks yet
            if uses(pod, claim):
                return None
        await self.carry_out([Patch(kind("persistentvolumeclaims"), claim, without_finalizer(claim, FINALIZER))])
        return None
