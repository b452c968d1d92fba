"""ControllerRevisions: the templates that a workload has had, for ``kubectl rollout history`` and ``undo``. Pure.

Source: upstream's ``controller/history`` and ``daemon/update.go``.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers import rollout
from kubette.controllers.base import kind
from kubette.controllers.writes import Action, Create, Delete, Update

HASH = "controller-revision-hash"  # label of revisions and pods


@dataclass(frozen=True, slots=True)
class History:
    """``current``: the hash of the present template; ``writes``: what brings the revisions up to date."""

    current: str
    writes: list[Action] = field(default_factory=list)


def hash_of(obj: Object) -> str:
    return meta.labels(obj).get(HASH, "")


def history(owner: Object, revisions: Iterable[Object], in_use: Collection[str]) -> History:
    """``revisions``: the owner's; ``in_use``: hashes that some of its pods carry."""
    template, revisions = owner["spec"]["template"], list(revisions)
    newest = max((int(r.get("revision", 0)) for r in revisions), default=0)
    same = [r for r in revisions if rollout.same_template(_template(r), template)]
    writes: list[Action] = []
    if same:
        current = max(same, key=lambda r: int(r.get("revision", 0)))
        if current["revision"] < newest:  # somebody went back to it
            writes.append(Update(kind("controllerrevisions.apps"), {**current, "revision": newest + 1}))
    else:
        current = _snapshot(owner, newest + 1)
        writes.append(Create(kind("controllerrevisions.apps"), current))
    live = {hash_of(current), *in_use}
    idle = [r for r in revisions if hash_of(r) not in live and not meta.deleting(r)]
    surplus = len(idle) - int(owner["spec"].get("revisionHistoryLimit", 10))
    oldest = sorted(idle, key=lambda r: int(r.get("revision", 0)))[: max(0, surplus)]
    writes += [Delete(kind("controllerrevisions.apps"), r) for r in oldest]
    return History(hash_of(current), writes)


def _template(revision: Object) -> Object:
    template = ((revision.get("data") or {}).get("spec") or {}).get("template") or {}
    return {k: v for k, v in template.items() if k != "$patch"}


def _snapshot(owner: Object, number: int) -> Object:
    template = copy.deepcopy(owner["spec"]["template"])
    digest = rollout.template_hash(template, int((owner.get("status") or {}).get("collisionCount") or 0))
    m: Object = {
        "name": f"{meta.name(owner)}-{digest}",
        "namespace": meta.namespace(owner),
        "labels": {**((template.get("metadata") or {}).get("labels") or {}), HASH: digest},
        "ownerReferences": [meta.owner_reference(owner)],
    }
    if annotations := meta.annotations(owner):
        m["annotations"] = dict(annotations)
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": m,
        "data": _sorted({"spec": {"template": {**template, "$patch": "replace"}}}),
        "revision": number,
    }


def _sorted(value: Any) -> Any:
    """``value`` with the keys of its objects in order: upstream's clients compare the bytes of ``data``."""
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value)}
    return [_sorted(v) for v in value] if isinstance(value, list) else value
