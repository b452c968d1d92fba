"""Fitting endpoints into EndpointSlices with few writes: shared by the slices of pods and of hand-made Endpoints.

Pure. What is in a slice already stays there; a slice holds a hundred.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers.base import kind
from kubette.controllers.servicepods import Port
from kubette.controllers.triggertime import annotate
from kubette.controllers.writes import Create, Delete, Update

Group = tuple[str, tuple[Port, ...]]  # addressType, ports

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
PER_SLICE = 100


def group_of(slice_: Object) -> Group:
    ports = tuple(
        sorted(
            Port(p.get("name") or "", p.get("port") or 0, p.get("protocol") or "TCP", p.get("appProtocol") or "")
            for p in slice_.get("ports") or ()
        )
    )
    return slice_["addressType"], ports


def identity(endpoint: Object) -> tuple[str, str]:
    """The same endpoint, though its conditions change: address and pod."""
    return endpoint["addresses"][0], (endpoint.get("targetRef") or {}).get("uid", "")


def reconcile(
    template: Object, wanted: Mapping[Group, Sequence[Object]], present: Iterable[Object], trigger: str = ""
) -> list[Create | Update | Delete]:
    """The writes that make ``present`` hold exactly ``wanted``. ``template``: metadata of every slice
    (generateName, namespace, labels, annotations, ownerReferences); ``trigger``: when what changes them happened."""
    creates: list[Create] = []
    updates: list[Update] = []
    deletes: list[Delete] = []
    slice_kind = kind("endpointslices.discovery.k8s.io")
    by_group: dict[Group, list[Object]] = {}
    for slice_ in present:
        by_group.setdefault(group_of(slice_), []).append(slice_)
    for group in sorted({*wanted, *by_group}):
        left = {identity(e): e for e in wanted.get(group, ())}
        old = sorted(by_group.get(group, []), key=meta.name)
        contents = [_keep(slice_, left) for slice_ in old]
        changed = [_differs(s, c, template) for s, c in zip(old, contents, strict=True)]
        # Newcomers go to slices that are written anyway, then to the fullest with room, then to new ones.
        order = sorted(range(len(old)), key=lambda i: (not changed[i], -len(contents[i])))
        for i in order:
            while left and len(contents[i]) < PER_SLICE:
                contents[i].append(left.pop(next(iter(left))))
                changed[i] = True
        empty_wanted = group in wanted and not wanted[group]  # a placeholder
        for slice_, endpoints, change in zip(old, contents, changed, strict=True):
            if not endpoints and not empty_wanted:
                deletes.append(Delete(slice_kind, slice_))
            elif change:
                updates.append(Update(slice_kind, _filled(slice_, template, endpoints, trigger)))
            if not endpoints:
                empty_wanted = False
        rest = list(left.values())
        starts = range(0, len(rest), PER_SLICE) if rest else ([0] if empty_wanted and not old else [])
        creates += [Create(slice_kind, _new(template, group, rest[i : i + PER_SLICE], trigger)) for i in starts]
    return [*creates, *updates, *deletes]


def _keep(slice_: Object, left: dict[tuple[str, str], Object]) -> list[Object]:
    """What of the slice is still wanted, as it is wanted; taken out of ``left``."""
    out = []
    for endpoint in slice_.get("endpoints") or ():
        fresh = left.pop(identity(endpoint), None)
        if fresh is not None:
            out.append(fresh)
    return out


def _differs(slice_: Object, endpoints: list[Object], template: Object) -> bool:
    m = slice_["metadata"]
    return (
        (slice_.get("endpoints") or []) != endpoints
        or (m.get("labels") or {}) != template["labels"]
        or (m.get("ownerReferences") or []) != template["ownerReferences"]
        or any((m.get("annotations") or {}).get(k) != v for k, v in template.get("annotations", {}).items())
    )


def _filled(slice_: Object, template: Object, endpoints: list[Object], trigger: str) -> Object:
    m = {**slice_["metadata"], "labels": template["labels"], "ownerReferences": template["ownerReferences"]}
    if annotations := {**meta.annotations(slice_), **template.get("annotations", {})}:
        m["annotations"] = annotations
    return {**slice_, "metadata": annotate(m, trigger), "endpoints": endpoints}


def _new(template: Object, group: Group, endpoints: list[Object], trigger: str) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": annotate(copy.deepcopy(template), trigger),
        "addressType": group[0],
        "endpoints": endpoints,
        "ports": [p.as_json(slice=True) for p in group[1]],
    }
