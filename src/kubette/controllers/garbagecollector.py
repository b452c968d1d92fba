"""Deletes what its owners have left behind, and lets owners go that wait for their dependents.

Watches every kind that takes part, through the other controllers' informers where they exist; the rest
start one by one a moment after the cluster does. Whether an owner is gone is always asked of the API.
"""

from __future__ import annotations

import asyncio

from kubette.api import errors
from kubette.api.kinds import Kind
from kubette.api.meta import Object
from kubette.client.informer import Informer
from kubette.controllers.base import Controller, Key
from kubette.controllers.gcgraph import FOREGROUND, ORPHAN, Graph, Item, Owner, collected, fate, narrow
from kubette.controllers.writes import Delete, Patch

_START_DELAY = 1.0  # seconds: let the cluster come up first
_STAGGER = 0.01  # seconds between two informers
_REMEMBERED = 4096  # uids known to be gone
_SYNC_PATIENCE = 30.0  # seconds for kinds that may not be listed here


class GarbageCollector(Controller[str]):
    """Keyed by uid."""

    name = "garbage-collector-controller"
    concurrency = 16

    def watch(self) -> None:
        self.graph = Graph()
        self._own: list[Informer[Item]] = []
        self._absent: set[str] = set()  # uids that the API said are gone: they never come back
        for kind in collected():
            shared = self.cluster.informers.get(kind.group_resource)
            if shared is not None:
                shared.subscribe(lambda key, old, new, kind=kind: self._shared_changed(kind, old, new))  # type: ignore[misc]
                continue
            informer = Informer(self.api, kind, transform=lambda obj, kind=kind: narrow(kind, obj))  # type: ignore[misc]
            informer.subscribe(self._changed)
            self._own.append(informer)

    async def run(self) -> None:
        await self.cluster.synced()
        try:
            async with asyncio.TaskGroup() as group:
                await asyncio.sleep(_START_DELAY)
                for informer in self._own:
                    group.create_task(informer.run(), name=f"gc informer {informer.kind.plural}")
                    await asyncio.sleep(_STAGGER)
                await self._all_known()
                self.queue.start()
        finally:
            await self.queue.stop()
            await self.recorder.close()

    async def _all_known(self) -> None:
        """Nobody's dependents are gone only because they have not been listed yet."""
        try:
            async with asyncio.timeout(_SYNC_PATIENCE):
                for informer in self._own:
                    await informer.wait_synced()
        except TimeoutError:
            pass

    def _shared_changed(self, kind: Kind, old: Object | None, new: Object | None) -> None:
        before, after = old and narrow(kind, old), new and narrow(kind, new)
        self._changed(("", ""), before or None, after or None)

    def _changed(self, key: Key, old: Item | None, new: Item | None) -> None:
        if old is not None and (new is None or new.uid != old.uid):
            self._gone(old)
        if new is None:
            return
        before = self.graph.items.get(new.uid)
        self.graph.put(new)
        for owner in before.owners if before is not None else ():
            if owner not in new.owners:
                self._look_at_waiting(owner.uid)
        held = new.deleting and (FOREGROUND in new.finalizers or ORPHAN in new.finalizers)
        if held or (new.owners and any(not self._is_solid(new, owner) for owner in new.owners)):
            self.queue.add(new.uid)

    def _gone(self, item: Item) -> None:
        self._absent.discard(item.uid)
        dependents = self.graph.dependents(item.uid)
        self.graph.drop(item.uid)
        if dependents:
            self._absent.add(item.uid)
        for dependent in dependents:
            self.queue.add(dependent.uid)
        for owner in item.owners:
            self._look_at_waiting(owner.uid)

    def _look_at_waiting(self, uid: str) -> None:
        owner = self.graph.items.get(uid)
        if owner is not None and owner.foreground:
            self.queue.add(uid)

    def _is_solid(self, item: Item, owner: Owner) -> bool:
        known = self.graph.items.get(owner.uid)
        return known is not None and not known.foreground and known.namespace in ("", item.namespace)

    async def reconcile(self, key: str) -> float | None:
        item = self.graph.items.get(key)
        if item is None:
            return None
        if item.deleting:
            await self._let_go(item)
        elif item.owners:
            await self._judge(item)
        return None

    async def _let_go(self, item: Item) -> None:
        """A deleted owner: orphan its dependents, or wait until they have gone."""
        if ORPHAN in item.finalizers:
            for dependent in self.graph.dependents(item.uid):
                await self._unlink(dependent, {item.uid})
            await self._drop_finalizer(item, ORPHAN)
        elif FOREGROUND in item.finalizers:
            blocking = self.graph.blocking(item.uid)
            if not blocking:
                await self._drop_finalizer(item, FOREGROUND)
            for dependent in self.graph.dependents(item.uid):
                if not dependent.deleting:
                    self.queue.add(dependent.uid)

    async def _judge(self, item: Item) -> None:
        solid, absent, waiting = [], [], []
        for owner in item.owners:
            match await self._state(item, owner):
                case "absent":
                    absent.append(owner)
                case "waiting":
                    waiting.append(owner)
                case _:
                    solid.append(owner)
        decided = fate(item, solid, absent, waiting, bool(self.graph.dependents(item.uid)))
        if decided == "keep":
            return
        if decided == "unlink":
            await self._unlink(item, {o.uid for o in [*absent, *waiting]})
            return
        await self.carry_out([Delete(item.kind, item.target, propagation=decided)])

    async def _state(self, item: Item, owner: Owner) -> str:
        known = self.graph.items.get(owner.uid)
        if known is not None:
            if known.namespace not in ("", item.namespace):
                self._misplaced(item, owner)
                return "absent" if item.namespace else "solid"  # an owner must be of the same namespace, or of none
            return "waiting" if known.foreground else "solid"
        if owner.uid in self._absent:
            return "absent"
        if owner.kind is None:
            return "solid"  # cannot be known: leave it alone
        if owner.kind.namespaced and not item.namespace:
            self._misplaced(item, owner)
            return "solid"  # not resolvable, which is no reason to delete
        try:
            obj = await self.api.get(owner.kind, owner.name, item.namespace if owner.kind.namespaced else None)
        except errors.NotFound:
            if len(self._absent) >= _REMEMBERED:
                self._absent.clear()
            self._absent.add(owner.uid)
            return "absent"
        found = narrow(owner.kind, obj)
        if found.uid != owner.uid:
            return "absent"
        return "waiting" if found.foreground else "solid"

    def _misplaced(self, item: Item, owner: Owner) -> None:
        """Tell the dependent that an owner in another namespace counts for nothing."""
        of = f"{owner.kind.api_version}/{owner.kind.kind}" if owner.kind is not None else ""
        ref = f"[{of}, namespace: {item.namespace}, name: {owner.name}, uid: {owner.uid}]"
        words = f'ownerRef {ref} does not exist in namespace "{item.namespace}"'
        self.recorder.event(item.reference, "Warning", "OwnerRefInvalidNamespace", words)

    async def _unlink(self, item: Item, uids: set[str]) -> None:
        """Take owners out of an object's references."""
        gone = [{"$patch": "delete", "uid": uid} for uid in sorted(uids)]
        change = {"metadata": {"uid": item.uid, "ownerReferences": gone}}
        await self.carry_out([Patch(item.kind, item.target, change, type="strategic")])

    async def _drop_finalizer(self, item: Item, finalizer: str) -> None:
        fresh = await self.api.get(item.kind, item.name, item.namespace or None)
        m = fresh["metadata"]
        if m.get("uid") != item.uid or finalizer not in (m.get("finalizers") or ()):
            return
        left = [f for f in m["finalizers"] if f != finalizer]
        version = {"uid": item.uid, "resourceVersion": m["resourceVersion"]}
        change = {"metadata": {**version, "finalizers": left or None}}
        await self.carry_out([Patch(item.kind, item.target, change)])
