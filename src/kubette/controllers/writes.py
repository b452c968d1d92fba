"""Writes as data: what a controller's decision consists of, and the one place that carries it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from kubette.api import errors, meta
from kubette.api.kinds import Kind
from kubette.api.meta import Object
from kubette.client.events import Recorder
from kubette.client.interface import Api, Propagation


@dataclass(frozen=True, slots=True)
class Note:
    """An event about ``about``: type Normal or Warning, reason, message."""

    about: Object
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True, slots=True)
class Create:
    """AlreadyExists is fine when ``exist_ok``. ``note`` is recorded when it has happened."""

    kind: Kind
    obj: Object
    exist_ok: bool = False
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """The whole object, with the resourceVersion that it was read at."""

    kind: Kind
    obj: Object
    subresource: str | None = None
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """``target`` names the object. NotFound is fine, and so is another object of the name if ``patch`` has the uid."""

    kind: Kind
    target: Object
    patch: Any
    subresource: str | None = None
    type: Literal["merge", "strategic", "json"] = "merge"
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Of exactly ``target`` (its uid); NotFound, or another object of the name, is fine. With ``version``, Conflict is
    raised where the object is no longer at that resourceVersion."""

    kind: Kind
    target: Object
    version: str | None = None
    grace_seconds: int | None = None
    propagation: Propagation | None = None
    note: Note | None = None


Write: TypeAlias = Create | Update | Patch | Delete
Action: TypeAlias = Write | Note


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in order, and in how many seconds to look again."""

    actions: list[Action] = field(default_factory=list)
    again: float | None = None


async def apply(api: Api, write: Write) -> Object | None:
    """Carry one write out. None when there was nothing (left) to do it to."""
    if isinstance(write, Create):
        try:
            typed = {"apiVersion": write.kind.api_version, "kind": write.kind.kind, **write.obj}
            return await api.create(write.kind, typed)
        except errors.AlreadyExists:
            if write.exist_ok:
                return None
            raise
    if isinstance(write, Update):
        return await api.update(write.kind, write.obj, subresource=write.subresource)
    name, namespace = meta.name(write.target), meta.namespace(write.target) or None
    try:
        if isinstance(write, Patch):
            return await api.patch(
                write.kind, name, write.patch, namespace, subresource=write.subresource, type=write.type
            )
        return await api.delete(
            write.kind,
            name,
            namespace,
            uid=meta.uid(write.target),
            resource_version=write.version,
            grace_seconds=write.grace_seconds,
            propagation=write.propagation,
        )
    except errors.NotFound:
        return None
    except errors.Invalid as error:
        if errors.other_uid(error):
            return None
        raise
    except errors.Conflict:
        if isinstance(write, Delete) and write.version is None:  # an object of that name, but another one
            return None
        raise


async def carry_out(
    api: Api, recorder: Recorder, actions: Iterable[Action], learn: Callable[[Kind, Object], None]
) -> None:
    """All actions in order; the first that fails ends it (and is raised). ``learn`` is told each result."""
    for action in actions:
        note = action if isinstance(action, Note) else action.note
        if not isinstance(action, Note):
            written = await apply(api, action)
            if written is None:
                continue
            learn(action.kind, written)
        if note is not None:
            recorder.event(note.about, note.type, note.reason, note.message)


def difference(old: Any, new: Object) -> Object:
    """The JSON merge patch that makes ``new`` of ``old``."""
    if not isinstance(old, dict):
        return new
    out: Object = {k: None for k in old if k not in new}
    for field_, value in new.items():
        if old.get(field_) != value or field_ not in old:
            out[field_] = difference(old.get(field_), value) if isinstance(value, dict) else value
    return out


def status_patch(kind: Kind, obj: Object, status: Object) -> list[Action]:
    """What makes the status of ``obj`` be ``status``: at most one patch of its subresource."""
    change = difference(obj.get("status") or {}, status)
    if not change:
        return []
    return [Patch(kind, obj, {"metadata": {"uid": meta.uid(obj)}, "status": change}, "status")]
