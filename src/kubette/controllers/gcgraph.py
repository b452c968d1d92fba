"""The graph of owners and dependents that garbage collection decides by. Pure.

Source: https://kubernetes.io/docs/concepts/architecture/garbage-collection/ and upstream's
``controller/garbagecollector``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kubette.api import meta
from kubette.api.kinds import Kind, all_kinds, by_kind
from kubette.api.meta import Object

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
Fate = Literal["keep", "unlink", "Background", "Foreground", "Orphan"]
Identity = tuple[str, str, str, str, str]  # apiVersion, kind, namespace, name, uid


@dataclass(frozen=True, slots=True)
class Owner:
    """One owner reference. An owner is the object of this apiVersion, kind, name and uid, in the dependent's namespace
    or, where its kind has none, in no namespace."""

    uid: str
    name: str
    api_version: str
    kind_name: str
    kind: Kind | None  # None: a kind that is not served here
    blocks: bool  # blockOwnerDeletion

    def identity(self, namespace: str) -> Identity:
        """``namespace``: the dependent's."""
        cluster_wide = self.kind is not None and not self.kind.namespaced
        return self.api_version, self.kind_name, "" if cluster_wide else namespace, self.name, self.uid


@dataclass(frozen=True, slots=True)
class Item:
    """An object as far as collection is concerned."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    version: str
    owners: tuple[Owner, ...]
    deleting: bool
    finalizers: tuple[str, ...]

    @property
    def identity(self) -> Identity:
        return self.kind.api_version, self.kind.kind, self.namespace, self.name, self.uid

    @property
    def foreground(self) -> bool:
        """It waits, deleted, for its dependents to go first."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def target(self) -> Object:
        """Enough of an object to write to it."""
        return {"metadata": {"name": self.name, "namespace": self.namespace, "uid": self.uid}}

    @property
    def reference(self) -> Object:
        """For events."""
        of = {"apiVersion": self.kind.api_version, "kind": self.kind.kind, "name": self.name, "uid": self.uid}
        return {**of, "namespace": self.namespace} if self.namespace else of


def narrow(kind: Kind, obj: Object) -> Item:
    m = meta.metadata(obj)
    return Item(
        kind=kind,
        namespace=m.get("namespace") or "",
        name=m.get("name") or "",
        uid=m.get("uid") or "",
        version=m.get("resourceVersion") or "",
        owners=tuple(_owner(ref) for ref in m.get("ownerReferences") or ()),
        deleting=meta.deleting(obj),
        finalizers=tuple(m.get("finalizers") or ()),
    )


def _owner(ref: Object) -> Owner:
    group, version = meta.group_version(ref.get("apiVersion", ""))
    kind = by_kind(group, version, ref.get("kind", ""))
    blocks = bool(ref.get("blockOwnerDeletion"))
    return Owner(ref.get("uid", ""), ref.get("name", ""), ref.get("apiVersion", ""), ref.get("kind", ""), kind, blocks)


def collected() -> list[Kind]:
    """The kinds that take part: what can be listed, watched and deleted; events expire by themselves."""
    verbs = {"list", "watch", "delete"}
    return [k for k in all_kinds() if verbs <= set(k.verbs) and k.plural != "events"]


class Graph:
    """All items by uid, and who depends on whom."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self._dependents: dict[str, set[str]] = {}

    def put(self, item: Item) -> None:
        self._unlink(item.uid)
        self.items[item.uid] = item
        for owner in item.owners:
            self._dependents.setdefault(owner.uid, set()).add(item.uid)

    def drop(self, uid: str) -> None:
        self._unlink(uid)
        self.items.pop(uid, None)

    def dependents(self, uid: str) -> list[Item]:
        return [self.items[d] for d in self._dependents.get(uid, ()) if d in self.items]

    def blocking(self, uid: str) -> list[Item]:
        """Dependents that must go before an owner which is deleted in the foreground."""
        return [d for d in self.dependents(uid) if any(o.uid == uid and o.blocks for o in d.owners)]

    def held_by_cycle(self, uid: str) -> bool:
        """Only owners that wait for each other in a cycle keep this one, which is part of that cycle, from going."""
        seen: set[str] = set()
        open_ = [uid]
        while open_:
            for dependent in self.blocking(open_.pop()):
                if dependent.uid in seen:
                    continue
                if not dependent.foreground or not self.blocking(dependent.uid):
                    return False  # it goes by itself, and its owner after it
                seen.add(dependent.uid)
                open_.append(dependent.uid)
        return uid in seen

    def _unlink(self, uid: str) -> None:
        old = self.items.get(uid)
        for owner in old.owners if old is not None else ():
            row = self._dependents.get(owner.uid)
            if row is not None:
                row.discard(uid)
                if not row:
                    del self._dependents[owner.uid]


def fate(
    item: Item, solid: Iterable[Owner], absent: Iterable[Owner], waiting: Iterable[Owner], has_dependents: bool
) -> Fate:
    """What becomes of an item. Its owners: ``solid`` stay, ``absent`` are gone, ``waiting`` want it gone first."""
    absent, waiting = list(absent), list(waiting)
    if item.deleting or not (absent or waiting):
        return "keep"
    if list(solid):
        return "unlink"
    if waiting and has_dependents:
        return "Foreground"
    if ORPHAN in item.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in item.finalizers else "Background"
