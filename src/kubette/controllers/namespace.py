"""Ends a namespace: deletes everything in it, pods first, reports what is left, and finalizes it when nothing is.

``remaining`` words the conditions purely. Source: upstream's ``namespaced_resources_deleter.go``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from kubette.api import errors, meta
from kubette.api.kinds import Kind, all_kinds
from kubette.api.meta import Object
from kubette.controllers.base import Controller, Key, kind
from kubette.controllers.writes import Delete, Update, apply, status_patch

_FINALIZER = "kubernetes"
_FIRST_LOOK, _LAST_LOOK = 0.1, 5.0  # seconds
_PARALLEL = 16


def contents() -> list[Kind]:
    """The kinds that a namespace may hold and that can be deleted; pods first."""
    out = [k for k in all_kinds() if k.namespaced and {"list", "delete"} <= set(k.verbs)]
    return sorted(out, key=lambda k: (k.group_resource != "pods", k.group_resource))


def remaining(
    namespace: Object, left: Mapping[str, int], held: Mapping[str, int], failures: Sequence[str], now: datetime
) -> Object:
    """The status while it terminates. ``left``: objects by kind; ``held``: objects by finalizer; ``failures``: why
    kinds could not be deleted."""

    def listed(rows: Mapping[str, int], form: str) -> str:
        return ", ".join(form.format(name, number) for name, number in sorted(rows.items()))

    facts = [
        ("NamespaceDeletionDiscoveryFailure", "", "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            f"Failed to delete all resource types, {len(failures)} remaining: {', '.join(sorted(failures))}"
            if failures
            else "",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            left and "Some resources are remaining: " + listed(left, "{} has {} resource instances"),
            "ContentRemoved",
            "All content successfully removed",
        ),
        (
            "NamespaceFinalizersRemaining",
            held
            and "Some content in the namespace has finalizers remaining: "
            + listed(held, "{} in {} resource instances"),
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ]
    failing = {
        "NamespaceDeletionContentFailure": "ContentDeletionFailed",
        "NamespaceContentRemaining": "SomeResourcesRemain",
        "NamespaceFinalizersRemaining": "SomeFinalizersRemain",
    }
    status = dict(namespace.get("status") or {})
    conditions: list[Object] = list(status.get("conditions") or [])
    for type_, bad, reason, message in facts:
        new = {"type": type_, "status": "True" if bad else "False"}
        new |= {"reason": failing[type_], "message": bad} if bad else {"reason": reason, "message": message}
        conditions = meta.set_condition(conditions, new, meta.format_time(now))
    return {**status, "phase": "Terminating", "conditions": conditions}


def _finalizers(namespace: Object) -> list[str]:
    return list((namespace.get("spec") or {}).get("finalizers") or ())


class Namespace(Controller[Key]):
    name = "namespace-controller"

    def watch(self) -> None:
        self.namespaces = self.cluster.informer("namespaces")
        self._looks: dict[Key, int] = {}
        self.namespaces.subscribe(self._changed)
        self.cluster.informer("pods").subscribe(self._pod_gone)

    def _changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._looks.pop(key, None)
        elif meta.deleting(new) and (old is None or not meta.deleting(old)):
            self.queue.add(key)

    def _pod_gone(self, key: Key, old: Object | None, new: Object | None) -> None:
        if new is None and ("", key[0]) in self._looks:
            self.queue.add(("", key[0]))

    async def reconcile(self, key: Key) -> float | None:
        known = self.namespaces.items.get(key)
        namespace = await self._live(key[1]) if known is not None and meta.deleting(known) else None
        if namespace is None or _FINALIZER not in _finalizers(namespace):
            return None
        left, held, failures = await self._empty(key[1])
        namespace = await self._live(key[1])  # others write finalizers too
        if namespace is None:
            return None
        namespaces = kind("namespaces")
        status = remaining(namespace, left, held, failures, self.cluster.now())
        if not left and not failures:
            others = [f for f in _finalizers(namespace) if f != _FINALIZER]
            changed = {**namespace, "spec": {**(namespace.get("spec") or {}), "finalizers": others}}
            await self.carry_out([Update(namespaces, changed, "finalize")])
            return None
        await self.carry_out(status_patch(namespaces, namespace, status))
        look = self._looks[key] = self._looks.get(key, -1) + 1
        return float(min(_LAST_LOOK, _FIRST_LOOK * 2 ** min(look, 10)))

    async def _live(self, name: str) -> Object | None:
        """The namespace as it is now; None where it is gone, or not deleted."""
        try:
            found = await self.api.get(kind("namespaces"), name)
        except errors.NotFound:
            return None
        return found if meta.deleting(found) else None

    async def _empty(self, name: str) -> tuple[dict[str, int], dict[str, int], list[str]]:
        """Delete what there is. Return what is left afterwards, by kind and by finalizer, and what failed."""
        left: dict[str, int] = {}
        held: dict[str, int] = {}
        failed: list[str] = []
        for each in contents():
            try:
                for obj in await self._clear(each, name):
                    name_ = f"{each.plural}.{each.group}"  # upstream's form, dot and all
                    left[name_] = left.get(name_, 0) + 1
                    for finalizer in meta.metadata(obj).get("finalizers") or ():
                        held[finalizer] = held.get(finalizer, 0) + 1
            except (errors.NotFound, errors.MethodNotAllowed):
                continue  # not served here
            except errors.ApiError as error:
                failed.append(error.message)
            if each.group_resource == "pods" and left:
                break  # pods may need the rest until they have ended
        return left, held, failed

    async def _clear(self, each: Kind, namespace: str) -> list[Object]:
        items: list[Object] = (await self.api.list(each, namespace)).get("items") or []
        slots = asyncio.Semaphore(_PARALLEL)

        async def one(obj: Object) -> errors.ApiError | None:
            async with slots:
                try:
                    if not meta.deleting(obj):
                        await apply(self.api, Delete(each, obj, propagation="Background"))
                except errors.ApiError as error:
                    return error
                return None

        for failure in await asyncio.gather(*(one(obj) for obj in items)):
            if failure is not None:
                raise failure
        return (await self.api.list(each, namespace)).get("items") or [] if items else []
