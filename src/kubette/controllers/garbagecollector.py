"""Deletes objects whose owners have gone, and lets owners go that wait for their dependents.

Watches every kind that takes part, through the other controllers' informers where they exist; the rest start one by one
a moment after the cluster does. The graph of the watches only says what to look at: before anything is deleted, the
object and its owners are read from the API, and the deletion holds only for the state that was read.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from kubette.api import errors
from kubette.api.kinds import Kind
from kubette.api.meta import Object
from kubette.client.informer import Informer
from kubette.client.interface import Propagation
from kubette.controllers.base import Controller, Key
from kubette.controllers.gcgraph import FOREGROUND, ORPHAN, Graph, Identity, Item, Owner, collected, fate, narrow
from kubette.controllers.writes import Delete, Patch

_START_DELAY = 1.0  # seconds: let the cluster come up first
_STAGGER = 0.01  # seconds between two informers
_REMEMBERED = 4096  # owners known to be gone
_SYNC_PATIENCE = 30.0  # seconds for kinds that may not be listed here


class GarbageCollector(Controller[str]):
    """Keyed by uid."""

    name = "garbage-collector-controller"
    concurrency = 16

    def watch(self) -> None:
        self.graph = Graph()
        self._own: list[Informer[Item]] = []
        self._absent: OrderedDict[Identity, None] = OrderedDict()  # gone, and as a uid is unique, for ever
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
        """Wait until all kinds are listed: an owner's dependents count from the first decision on."""
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
                self._enqueue_waiting(owner.uid)
        held = new.deleting and (FOREGROUND in new.finalizers or ORPHAN in new.finalizers)
        if held or (new.owners and not all(self._solid(new, owner) for owner in new.owners)):
            self.queue.add(new.uid)
        for dependent in self.graph.dependents(new.uid) if before is None else ():
            if not all(self._solid(dependent, owner) for owner in dependent.owners):
                self.queue.add(dependent.uid)  # it names this object otherwise than it is

    def _gone(self, item: Item) -> None:
        dependents = self.graph.dependents(item.uid)
        self.graph.drop(item.uid)
        if dependents:
            self._remember_absent(item.identity)
        for dependent in dependents:
            self.queue.add(dependent.uid)
        for owner in item.owners:
            self._enqueue_waiting(owner.uid)

    def _enqueue_waiting(self, uid: str) -> None:
        owner = self.graph.items.get(uid)
        if owner is not None and owner.foreground:
            self.queue.add(uid)

    def _remember_absent(self, identity: Identity) -> None:
        self._absent[identity] = None
        if len(self._absent) > _REMEMBERED:
            self._absent.popitem(last=False)

    def _solid(self, item: Item, owner: Owner) -> bool:
        """The graph shows the owner as the reference names it, and the owner does not wait for its dependents."""
        known = self.graph.items.get(owner.uid)
        return known is not None and known.identity == owner.identity(item.namespace) and not known.foreground

    async def reconcile(self, key: str) -> float | None:
        item = self.graph.items.get(key)
        if item is None:
            return None
        if item.deleting:
            await self._release(item)
        elif not all(self._solid(item, owner) for owner in item.owners):
            await self._collect(item)
        return None

    async def _release(self, item: Item) -> None:
        """A deleted owner: orphan its dependents, or wait until they have gone."""
        if ORPHAN in item.finalizers:
            for dependent in self.graph.dependents(item.uid):
                await self._unlink(dependent, {item.uid})
            await self._drop_finalizer(item, ORPHAN)
        elif FOREGROUND in item.finalizers:
            if not self.graph.blocking(item.uid) or self.graph.held_by_cycle(item.uid):
                await self._drop_finalizer(item, FOREGROUND)
            for dependent in self.graph.dependents(item.uid):
                if not dependent.deleting:
                    self.queue.add(dependent.uid)

    async def _collect(self, known: Item) -> None:
        """Decide on the object as it is now, by its owners as they are now."""
        try:
            item = narrow(known.kind, await self.api.get(known.kind, known.name, known.namespace or None))
        except errors.NotFound:
            return
        if item.uid != known.uid or item.deleting:
            return
        solid, absent, waiting = [], [], []
        for owner in item.owners:
            match await self._state(item, owner):
                case "absent":
                    absent.append(owner)
                case "waiting":
                    waiting.append(owner)
                case "solid":
                    solid.append(owner)
                case _:
                    return  # an owner that cannot be looked up: leave the object alone
        dependents = self.graph.dependents(item.uid)
        decided = fate(item, solid, absent, waiting, bool(dependents))
        if decided == "keep":
            return
        if decided == "unlink":
            await self._unlink(item, {o.uid for o in [*absent, *waiting]})
            return
        if decided == "Foreground" and any(d.foreground for d in dependents):
            item = await self._unblock(item)
        await self._delete(item, decided)

    async def _delete(self, item: Item, propagation: Propagation) -> None:
        """Delete the object as it was judged. A change that leaves its owners the same does not save it."""
        try:
            await self.carry_out([Delete(item.kind, item.target, item.version, propagation=propagation)])
        except errors.Conflict:
            live = narrow(item.kind, await self.api.get(item.kind, item.name, item.namespace or None))
            if live.uid != item.uid:
                return
            if live.owners != item.owners or live.version == item.version:
                raise
            await self.carry_out([Delete(item.kind, item.target, propagation=propagation)])

    async def _state(self, item: Item, owner: Owner) -> str:
        """``solid``, ``absent``, ``waiting`` for its dependents to go, or ``unknown``; asked of the API."""
        self._report_misplaced(item, owner)
        identity = owner.identity(item.namespace)
        if identity in self._absent:
            return "absent"
        if owner.kind is None or (owner.kind.namespaced and not item.namespace):
            return "unknown"
        try:
            found = narrow(owner.kind, await self.api.get(owner.kind, owner.name, identity[2] or None))
        except errors.NotFound:
            found = None
        if found is None or found.uid != owner.uid:
            self._remember_absent(identity)
            return "absent"
        return "waiting" if found.foreground else "solid"

    def _report_misplaced(self, item: Item, owner: Owner) -> None:
        """An event for a dependent whose owner is in another namespace, where it does not count."""
        known = self.graph.items.get(owner.uid)
        if known is None or known.namespace in ("", item.namespace):
            return
        of = f"{owner.api_version}/{owner.kind_name}"
        ref = f"[{of}, namespace: {item.namespace}, name: {owner.name}, uid: {owner.uid}]"
        message = f'ownerRef {ref} does not exist in namespace "{item.namespace}"'
        self.recorder.event(item.reference, "Warning", "OwnerRefInvalidNamespace", message)

    async def _unblock(self, item: Item) -> Item:
        """Have the object no longer block its owners: a dependent of it waits already, perhaps in a cycle."""
        references = [{"uid": o.uid, "blockOwnerDeletion": False} for o in item.owners if o.blocks]
        if not references:
            return item
        change = {"metadata": {"uid": item.uid, "ownerReferences": references}}
        written = await self.api.patch(item.kind, item.name, change, item.namespace or None, type="strategic")
        return narrow(item.kind, written)

    async def _unlink(self, item: Item, uids: set[str]) -> None:
        """Remove owners from an object's references."""
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
