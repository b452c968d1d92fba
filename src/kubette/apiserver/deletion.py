"""Deleting one object: grace, finalizers, propagation. Runs without an await, as ``writes`` does.

An object that has finalizers or grace is only marked; the update that takes the last of them away removes it
(``writes.finished``). Source: apiserver/pkg/registry/rest/delete.go and generic/registry/store.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kubette.api import meta as m
from kubette.api import schema
from kubette.api.errors import BadRequest, Conflict, FieldError, conflict, invalid, not_found, unsupported
from kubette.api.kinds import Kind
from kubette.apiserver import writes
from kubette.apiserver.objects import Object, Objects, served_object
from kubette.apiserver.registry import strategy_for
from kubette.apiserver.registry.base import Context, Strategy

_ORPHAN, _FOREGROUND = "orphan", "foregroundDeletion"
_POLICIES = ("Orphan", "Background", "Foreground")
_SCHEMA = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
#: Resources whose dependents survive when a client asks for nothing (upstream keeps this for old clients).
_ORPHANED_BY_DEFAULT = frozenset({"replicationcontrollers", "jobs.batch"})
#: Resources that answer a delete with the object itself; the others answer with a Status.
_ANSWERED_WITH_OBJECT = frozenset(
    {"pods", "services", "serviceaccounts", "podtemplates", "persistentvolumes", "persistentvolumeclaims",
     "resourcequotas", "podsecuritypolicies.policy"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """``meta.k8s.io/v1`` DeleteOptions, from body and query."""

    grace_seconds: int | None = None
    propagation: str = ""  # "", Orphan, Background, Foreground
    uid: str = ""
    resource_version: str = ""
    orphan_dependents: bool | None = None
    dry_run: list[str] | None = None

    @staticmethod
    def read(
        body: Any, query_grace: int | None, query_propagation: str, query_orphan: bool | None = None
    ) -> DeleteOptions:
        """Raises BadRequest for what is no DeleteOptions."""
        if not isinstance(body, dict):
            raise BadRequest("the object provided is unrecognized (must be of type DeleteOptions)")
        if body.get("kind", "DeleteOptions") != "DeleteOptions":
            raise BadRequest(f"decoded object cannot be converted to DeleteOptions: {body.get('kind')}")
        result = schema.check(_SCHEMA, body, "Ignore")
        if result.errors:
            raise BadRequest(f"DeleteOptions cannot be handled as a DeleteOptions: {result.message}")
        grace = body.get("gracePeriodSeconds", query_grace)
        pre = body.get("preconditions") or {}
        return DeleteOptions(
            1 if grace is not None and grace < 0 else grace,  # upstream reads a negative grace so
            body.get("propagationPolicy", query_propagation), pre.get("uid") or "", pre.get("resourceVersion") or "",
            body.get("orphanDependents", query_orphan), body.get("dryRun"),
        )  # fmt: skip

    def error(self) -> FieldError | None:
        """What makes no sense about them."""
        if self.orphan_dependents is not None and self.propagation:
            words = "orphanDependents and deletionPropagation cannot be both set"
            return invalid("propagationPolicy", self.propagation, words)
        if self.propagation and self.propagation not in _POLICIES:
            return unsupported("propagationPolicy", self.propagation, (*_POLICIES, "nil"))
        return None

    @property
    def policy(self) -> str:
        """The propagation policy, also where it is said in the old way; empty for the kind's own."""
        if self.propagation or self.orphan_dependents is None:
            return self.propagation
        return "Orphan" if self.orphan_dependents else "Background"


@dataclass(frozen=True, slots=True)
class Deletion:
    """``removed``: gone at once; else it waits for grace or finalizers. ``answer`` says what to send."""

    written: writes.Written
    removed: bool
    as_object: bool
    code: int
    uid: str


def delete(
    objects: Objects, kind: Kind, namespace: str, name: str, options: DeleteOptions, ctx: Context
) -> Deletion:
    """Mark or remove an object."""
    entry = objects.head(kind, namespace, name)
    if entry is None:
        raise not_found(kind.plural, name, kind.group)
    obj = served_object(kind, objects.load(entry))
    meta = obj["metadata"]
    check_preconditions(kind, obj, options)
    strategy = strategy_for(kind)
    strategy.check_delete(obj, ctx)

    before = dict(meta)
    grace = _grace(strategy, obj, options)
    _mark(meta, grace)
    _finalizers(kind, meta, options)
    if kind.kind == "Namespace" and not before.get("deletionTimestamp"):
        obj.setdefault("status", {})["phase"] = "Terminating"
    if writes.finished(kind, obj):
        written = writes.remove(objects, kind, obj, ctx)
        removed = True
    else:
        removed = False
        if meta == before:
            written = writes.unchanged(objects, kind, entry)
        else:
            if strategy.has_generation and not before.get("deletionTimestamp"):
                meta["generation"] = int(meta.get("generation") or 0) + 1
            written = writes.rewrite(objects, kind, obj, ctx)
    as_object = not removed or kind.group_resource in _ANSWERED_WITH_OBJECT
    code = 202 if not removed and options.orphan_dependents is False else 200
    return Deletion(written, removed, as_object, code, meta["uid"])


def check_preconditions(kind: Kind, obj: Object, options: DeleteOptions) -> None:
    """Raises Conflict when the object is not the one that the options are about."""
    meta = obj["metadata"]
    if options.uid and options.uid != meta["uid"]:
        raise writes.uid_conflict(kind, meta["name"], options.uid, meta["uid"])
    if options.resource_version and options.resource_version != meta["resourceVersion"]:
        raise _version_conflict(kind, meta["name"], options.resource_version, meta["resourceVersion"])


def _grace(strategy: Strategy, obj: Object, options: DeleteOptions) -> int:
    if strategy.default_grace_period is None:
        return 0
    grace = options.grace_seconds
    spec, phase = obj.get("spec") or {}, (obj.get("status") or {}).get("phase")
    if grace is None:
        configured = spec.get("terminationGracePeriodSeconds")
        grace = strategy.default_grace_period if configured is None else int(configured)
    if not spec.get("nodeName") or phase in ("Succeeded", "Failed"):
        return 0  # nothing runs that could stop gracefully
    return max(0, grace)


def _mark(meta: Object, grace: int) -> None:
    """Set or shorten the deletion marks."""
    if meta.get("deletionTimestamp"):
        left = int(meta.get("deletionGracePeriodSeconds") or 0)
        if grace >= left:
            return
        begun = m.parse_time(meta["deletionTimestamp"]) - timedelta(seconds=left)
        meta["deletionTimestamp"] = m.format_time(begun + timedelta(seconds=grace))
    else:
        meta["deletionTimestamp"] = m.format_time(datetime.now(UTC) + timedelta(seconds=grace))
    meta["deletionGracePeriodSeconds"] = grace


def _finalizers(kind: Kind, meta: Object, options: DeleteOptions) -> None:
    """The finalizers through which the garbage collector orphans dependents, or deletes them first."""
    had = list(meta.get("finalizers") or [])
    policy = options.policy
    if not policy:
        if _ORPHAN in had or _FOREGROUND in had or kind.group_resource not in _ORPHANED_BY_DEFAULT:
            return
        policy = "Orphan"
    wanted = [f for f in had if f not in (_ORPHAN, _FOREGROUND)]
    if policy == "Orphan":
        wanted.append(_ORPHAN)
    elif policy == "Foreground":
        wanted.append(_FOREGROUND)
    if wanted:
        meta["finalizers"] = wanted
    else:
        meta.pop("finalizers", None)


def _version_conflict(kind: Kind, name: str, wanted: str, found: str) -> Conflict:
    why = (
        "Precondition failed: ResourceVersion in precondition: "
        f"{wanted}, ResourceVersion in object meta: {found}"
    )
    return conflict(kind.plural, name, kind.group, why)


def success(kind: Kind, name: str, uid: str) -> Object:
    """The Status of a finished delete."""
    details = {"name": name, "kind": kind.plural, "uid": uid}
    if kind.group:
        details["group"] = kind.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
