"""Whose object is this: adopting orphans that a selector matches, releasing what it no longer does.

Pure. Source: upstream's ``ControllerRefManager``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kubette.api import meta
from kubette.api.kinds import Kind
from kubette.api.meta import Object
from kubette.api.selectors import LabelSelector
from kubette.controllers.writes import Patch


@dataclass(frozen=True, slots=True)
class Claim:
    """``owned``: they are the owner's already; ``adopt`` and ``release``: patches that change it."""

    owned: list[Object] = field(default_factory=list)
    adopt: list[Patch] = field(default_factory=list)
    release: list[Patch] = field(default_factory=list)


def claim(kind: Kind, owner: Object, selector: LabelSelector, objects: Iterable[Object]) -> Claim:
    """``objects``: of ``kind``, those owned by ``owner`` and the orphans of its namespace."""
    out = Claim()
    for obj in objects:
        ref, matches = meta.controller_of(obj), selector.matches(meta.labels(obj))
        if ref is not None:
            if ref.get("uid") != meta.uid(owner):
                continue
            if matches:
                out.owned.append(obj)
            elif not meta.deleting(owner):
                out.release.append(_release(kind, owner, obj))
        elif matches and not meta.deleting(owner) and not meta.deleting(obj):
            out.adopt.append(_adopt(kind, owner, obj))
    return out


def _adopt(kind: Kind, owner: Object, obj: Object) -> Patch:
    reference = meta.owner_reference(owner)
    return Patch(
        kind,
        obj,
        {"metadata": {"ownerReferences": [reference], "uid": meta.uid(obj)}},
        type="strategic",
    )


def _release(kind: Kind, owner: Object, obj: Object) -> Patch:
    gone = {"$patch": "delete", "uid": meta.uid(owner)}
    return Patch(kind, obj, {"metadata": {"ownerReferences": [gone], "uid": meta.uid(obj)}}, type="strategic")
