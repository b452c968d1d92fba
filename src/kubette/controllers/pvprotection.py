"""Lets a deleted PersistentVolume go when it is no longer bound. Source: upstream's ``volume/pvprotection``."""

from __future__ import annotations

from kubette.controllers.base import Controller, Key, kind
from kubette.controllers.pvcprotection import candidate, without_finalizer
from kubette.controllers.writes import Patch

FINALIZER = "kubernetes.io/pv-protection"


class PvProtection(Controller[Key]):
    name = "persistentvolume-protection-controller"

    def watch(self) -> None:
        self.volumes = self.cluster.informer("persistentvolumes")
        self.volumes.subscribe(lambda key, old, new: self.queue.add(key) if new is not None else None)

    async def reconcile(self, key: Key) -> float | None:
        volume = self.volumes.items.get(key)
        if volume is None or not candidate(volume, FINALIZER):
            return None
        if (volume.get("status") or {}).get("phase") == "Bound":
            return None
        await self.carry_out([Patch(kind("persistentvolumes"), volume, without_finalizer(volume, FINALIZER))])
        return None
