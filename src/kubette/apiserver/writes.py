"""Create and update: the generic pipeline around a kind's strategy, from a decoded body to the log.

A write has two parts. ``prepare_create`` and ``prepare_update`` make the new object and validate it, which for a large
one takes long and may run beside the event loop. ``commit`` allocates and appends without an await, if head is still
what the object was prepared on: every write is atomic against every other. The order of steps is that of
``registry/base.py``. Source: k8s.io/apiserver/pkg/registry/{rest,generic/registry}.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubette.api import meta as m
from kubette.api.errors import (
    BadRequest,
    Conflict,
    InternalError,
    already_exists,
    conflict,
    invalid,
    invalid_object,
    not_found,
)
from kubette.api.kinds import Kind
from kubette.apiserver import actors
from kubette.apiserver.objects import (
    Object,
    Objects,
    Pending,
    encode_stored,
    load,
    served,
    served_object,
    storable,
)  # fmt: skip
from kubette.apiserver.registry import strategy_for
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.objectmeta import validate_meta, validate_meta_update
from kubette.store import Entry

_NAME_TRIES = 8
_WRONG_NAMESPACE = "the namespace of the provided object does not match the namespace sent on the request"
#: Takes the new object and the old one, which is None for a create. Raises an ApiError to refuse the write.
Admit = Callable[[Object, "Object | None"], None]


def _admit_all(new: Object, old: Object | None) -> None:
    """For the server's own writes."""


@dataclass(frozen=True, slots=True)
class Admission:
    """``mutate`` runs after defaulting, before the strategy prepares; ``validate`` on the valid object that will be
    written."""

    mutate: Admit = _admit_all
    validate: Admit = _admit_all


NO_ADMISSION = Admission()


class Written:
    """``created`` tells 201 from 200. ``await finish()`` gives the served bytes, once they are on disk."""

    __slots__ = ("_kind", "_pending", "created")

    def __init__(self, kind: Kind, pending: Pending, created: bool) -> None:
        self._kind, self._pending, self.created = kind, pending, created

    async def finish(self) -> bytes:
        return served(self._kind, await self._pending.wait())


@dataclass(frozen=True, slots=True)
class Prepared:
    """A new state that is ready to be appended. ``old`` and ``entry`` are what it replaces: None for a create."""

    kind: Kind
    new: Object
    old: Object | None
    entry: Entry | None
    ctx: Context
    generated: bool = False  # the name may be changed


def create(
    objects: Objects, kind: Kind, namespace: str, obj: Object, ctx: Context, admission: Admission = NO_ADMISSION
) -> Written:
    """Append a new object. ``obj`` has passed the structural check; it is changed and kept."""
    return commit(objects, prepare_create(kind, namespace, obj, ctx, admission))


def prepare_create(kind: Kind, namespace: str, obj: Object, ctx: Context, admission: Admission) -> Prepared:
    """See ``create``."""
    strategy = strategy_for(kind)
    meta = obj.setdefault("metadata", {})
    _scope(kind, namespace, meta)
    version = meta.pop("resourceVersion", None) or ""
    generated = not meta.get("name") and bool(meta.get("generateName"))
    if generated:
        meta["name"] = m.generate_name(meta["generateName"])
    for name in ("selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "generation"):
        meta.pop(name, None)
    _drop_empty(meta)
    _unique_owners(meta, ctx)
    meta["uid"] = m.new_uid()
    meta["creationTimestamp"] = ctx.now()
    strategy.default(obj)
    admission.mutate(obj, None)
    strategy.prepare_create(obj, ctx)
    if extra := [f for f in strategy.finalizers_on_create(obj) if f not in meta.get("finalizers", ())]:
        meta["finalizers"] = [*meta.get("finalizers", ()), *extra]
    errors = validate_meta(kind, obj)
    errors += strategy.validate(obj, ctx)
    _refuse(kind, meta, errors)
    ctx.warnings += strategy.warnings_on_create(obj, ctx)
    ctx.warnings += actors.warnings(kind)
    admission.validate(obj, None)
    if not ctx.dry_run and version.isdecimal() and version.strip("0"):
        raise InternalError("resourceVersion should not be set on objects to be created")
    return Prepared(kind, obj, None, None, ctx, generated)


def commit(objects: Objects, ready: Prepared) -> Written:
    """Append what was prepared. Raises Stale when head has changed since, AlreadyExists, Invalid."""
    kind, new, old, ctx = ready.kind, ready.new, ready.old, ready.ctx
    strategy, meta = strategy_for(kind), new["metadata"]
    if ready.entry is None or old is None:
        for _ in range(_NAME_TRIES):
            if objects.head(kind, meta.get("namespace", ""), meta["name"]) is None:
                return _append(objects, kind, strategy, new, None, ctx)
            if not ready.generated:
                break
            meta["name"] = m.generate_name(meta["generateName"])
        raise already_exists(kind.plural, meta["name"], kind.group)
    head = objects.head(kind, meta.get("namespace", ""), meta["name"])
    if head is None or head.rev != ready.entry.rev:
        raise Stale(conflict(kind.plural, meta["name"], kind.group).message)
    if new == old:
        return unchanged(objects, kind, ready.entry)
    if finished(kind, new):
        return _gone(objects, kind, strategy, new, old, ctx)
    return _append(objects, kind, strategy, new, old, ctx)


class Stale(Conflict):
    """Another write came between the two parts: prepare again."""


def update(
    objects: Objects,
    kind: Kind,
    namespace: str,
    name: str,
    change: Callable[[Object], Object],
    ctx: Context,
    admission: Admission = NO_ADMISSION,
    check: Callable[[Object], None] = lambda obj: None,
    admission_of_create: Admission | None = None,
) -> Written:
    """Append a new state of an object. ``change`` maps the served old object to the wanted one (a PUT ignores
    its argument, a PATCH applies itself); ``check`` is the structural check of what comes out."""
    ready = prepare_update(
        objects.head(kind, namespace, name), kind, namespace, name, change, ctx, admission, check, admission_of_create
    )
    return commit(objects, ready)


def prepare_update(
    entry: Entry | None,
    kind: Kind,
    namespace: str,
    name: str,
    change: Callable[[Object], Object],
    ctx: Context,
    admission: Admission,
    check: Callable[[Object], None] = lambda obj: None,
    admission_of_create: Admission | None = None,
) -> Prepared:
    """See ``update``. ``entry`` is the object in head."""
    strategy = strategy_for(kind)
    if entry is None:
        if not (strategy.allow_create_on_update and admission_of_create and not ctx.subresource):
            raise not_found(kind.plural, name, kind.group)
        new = change({})
        check(new)
        new.get("metadata", {}).pop("resourceVersion", None)
        new.setdefault("metadata", {})["name"] = name
        return prepare_create(kind, namespace, new, ctx, admission_of_create)
    old = served_object(kind, load(entry))
    new = change(served_object(kind, load(entry)))
    check(new)
    meta = new.setdefault("metadata", {})
    _scope(kind, namespace, meta)
    if meta.get("name") != name:
        raise BadRequest(
            f"the name of the object ({meta.get('name', '')}) does not match the name on the URL ({name})"
        )
    _preconditions(kind, strategy, name, meta, old["metadata"])
    _restore(new, old, strategy, ctx)
    strategy.default(new)
    admission.mutate(new, old)
    if new != old:
        strategy.prepare_update(new, old, ctx)
        errors = validate_meta_update(kind, new, old)
        _refuse(kind, meta, errors + strategy.validate_update(new, old, ctx))
    if not ctx.subresource:
        ctx.warnings += strategy.warnings_on_update(new, old, ctx)
    admission.validate(new, old)
    return Prepared(kind, new, old, entry, ctx)


def finished(kind: Kind, obj: Object) -> bool:
    """Whether a deleted object has nothing left to wait for: no finalizers, no grace."""
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"):
        return False
    return not (kind.kind == "Namespace" and (obj.get("spec") or {}).get("finalizers"))


def remove(objects: Objects, kind: Kind, obj: Object, ctx: Context) -> Written:
    """Append the deletion of the served object ``obj``."""
    return _gone(objects, kind, strategy_for(kind), obj, obj, ctx)


def rewrite(objects: Objects, kind: Kind, obj: Object, ctx: Context) -> Written:
    """Append a state that only the server makes (deletion marks), without validation."""
    if ctx.dry_run:
        return Written(kind, _dry(kind, obj), False)
    return Written(kind, objects.put(kind, storable(kind, obj)), False)


def unchanged(objects: Objects, kind: Kind, entry: Entry) -> Written:
    """Nothing to write: head is already what was wanted. It is shown once it is on disk."""
    return Written(kind, objects.shown(entry), False)


def _gone(objects: Objects, kind: Kind, strategy: Strategy, obj: Object, old: Object, ctx: Context) -> Written:
    if ctx.dry_run:
        return Written(kind, _dry(kind, obj), False)
    pending = objects.put(kind, storable(kind, obj), delete=True)
    # What the object held is free once the deletion is on disk, not before.
    pending.on_outcome(lambda: strategy.deleted(old), None)
    return Written(kind, pending, False)


def _append(
    objects: Objects, kind: Kind, strategy: Strategy, new: Object, old: Object | None, ctx: Context
) -> Written:
    created = old is None
    errors = strategy.allocate(new, old, ctx)
    if errors:
        strategy.release(new, old, ctx)
        _refuse(kind, new["metadata"], errors)
    if ctx.dry_run:
        strategy.release(new, old, ctx)
        return Written(kind, _dry(kind, new), created)
    pending = objects.put(kind, storable(kind, new))
    pending.on_outcome(None, lambda: strategy.release(new, old, ctx))
    return Written(kind, pending, created)


def _dry(kind: Kind, obj: Object) -> Pending:
    return Pending(None, encode_stored(storable(kind, obj)))


def _drop_empty(meta: Object) -> None:
    """Empty collections in metadata are nothing: upstream's types leave them out."""
    for field in ("labels", "annotations", "finalizers", "ownerReferences"):
        if field in meta and not meta[field]:
            del meta[field]


def _scope(kind: Kind, namespace: str, meta: Object) -> None:
    """The object's namespace is the URL's."""
    if not kind.namespaced:
        if meta.get("namespace"):
            raise BadRequest(_WRONG_NAMESPACE)
        meta.pop("namespace", None)
        return
    if meta.get("namespace") and meta["namespace"] != namespace:
        raise BadRequest(_WRONG_NAMESPACE)
    meta["namespace"] = namespace


def _preconditions(kind: Kind, strategy: Strategy, name: str, meta: Object, old: Object) -> None:
    version = (meta.get("resourceVersion") or "").lstrip("0")  # zero asks for no version, as an empty one does
    if not version and not strategy.allow_unconditional_update:
        error = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid_object(kind.kind, name, [error], kind.group)
    if version and version != old["resourceVersion"]:
        raise conflict(kind.plural, name, kind.group)


def uid_conflict(kind: Kind, name: str, wanted: str, found: str) -> Conflict:
    why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    return conflict(kind.plural, name, kind.group, why)


_OWNERS_TWICE = (
    ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject "
    "such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
)


def _unique_owners(meta: Object, ctx: Context) -> None:
    """Keep each owner once, with a warning."""
    owners = meta.get("ownerReferences") or []
    if len(owners) < 2:
        return
    seen: dict[bytes, Object] = {}
    twice = []
    for owner in owners:
        if seen.setdefault(encode_stored(owner), owner) is not owner:
            twice.append(str(owner.get("uid", "")))
    if twice:
        meta["ownerReferences"] = list(seen.values())
        ctx.warnings.append(_OWNERS_TWICE + ", ".join(twice))


#: What a request never changes, and what it changes only in an object that is not being deleted: there it is refused.
_KEPT = ("uid", "creationTimestamp", "generation", "resourceVersion")
_KEPT_IN_DELETION = ("deletionTimestamp", "deletionGracePeriodSeconds")


def _restore(new: Object, old: Object, strategy: Strategy, ctx: Context) -> None:
    """Put back what this request may not change."""
    meta, before = new["metadata"], old["metadata"]
    uid = meta.get("uid")
    for field in _KEPT:
        if field in before:
            meta[field] = before[field]
        else:
            meta.pop(field, None)
    if uid:
        meta["uid"] = uid  # another uid is refused by the validation
    for field in _KEPT_IN_DELETION:
        if field in before:
            meta[field] = before[field]
    meta.pop("managedFields", None)
    meta.pop("selfLink", None)
    _drop_empty(meta)
    _unique_owners(meta, ctx)
    new["apiVersion"], new["kind"] = old["apiVersion"], old["kind"]
    if ctx.subresource:
        _keep_all_but(new, old, ctx.subresource)
    elif strategy.has_status:
        _keep(new, old, "status")


def _keep_all_but(new: Object, old: Object, sub: str) -> None:
    """A subresource writes its own part of the object and nothing else (labels and the like with status)."""
    written = {"finalize": "spec", "resize": "spec", "ephemeralcontainers": "spec"}.get(sub, "status")
    for key in {*new, *old} - {"apiVersion", "kind", "metadata", written}:
        _keep(new, old, key)
    _keep(new["metadata"], old["metadata"], "ownerReferences")
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if sub == "finalize":
        new["spec"] = {**before, "finalizers": spec.get("finalizers") or []}
    elif sub == "ephemeralcontainers":
        new["spec"] = {**before, "ephemeralContainers": spec.get("ephemeralContainers") or []}


def _keep(new: Object, old: Object, key: str) -> None:
    if key in old:
        new[key] = old[key]
    else:
        new.pop(key, None)


def _refuse(kind: Kind, meta: Object, errors: list[Any]) -> None:
    if errors:
        raise invalid_object(kind.kind, meta.get("name") or meta.get("generateName") or "", errors, kind.group)
