"""Rules for ``metadata`` that hold for every kind: names, labels, annotations, owners, finalizers.

Source: apimachinery/pkg/api/validation/objectmeta.go. Stricter name rules of single kinds are theirs.
"""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid, required, too_long
from kubette.api.kinds import Kind

_ANNOTATIONS_MAX = 256 * 1024
_OBJECT = dict[str, Any]
#: Kinds whose names may be anything that fits in a URL.
_PATH_NAMES = frozenset({"roles", "clusterroles", "rolebindings", "clusterrolebindings"})
#: Kinds whose registry checks names itself, by a rule of its own.
_OWN_NAMES = frozenset({"namespaces", "services", "certificatesigningrequests", "ipaddresses", "apiservices"})


def on_create(kind: Kind, meta: _OBJECT) -> list[FieldError]:
    out = []
    name = meta.get("name") or ""
    if not name:
        out.append(required("metadata.name", "name or generateName is required"))
    elif kind.plural in _PATH_NAMES:
        out += [invalid("metadata.name", name, msg) for msg in names.path_segment_name(name)]
    elif kind.plural not in _OWN_NAMES:
        out += [invalid("metadata.name", name, msg) for msg in names.dns1123_subdomain(name)]
    return out + _common(meta)


def on_update(kind: Kind, meta: _OBJECT, old: _OBJECT) -> list[FieldError]:
    out = _common(meta)
    if old.get("deletionTimestamp"):
        added = sorted(set(meta.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            quoted = ", ".join(f'"{f}"' for f in added)
            detail = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{quoted}}}"
            )
            out.append(forbidden("metadata.finalizers", detail))
    return out


def _common(meta: _OBJECT) -> list[FieldError]:
    out: list[FieldError] = []
    for key, value in (meta.get("labels") or {}).items():
        out += [invalid("metadata.labels", key, msg) for msg in names.qualified_name(key)]
        out += [invalid("metadata.labels", value, msg) for msg in names.label_value(value)]
    size = 0
    for key, value in (meta.get("annotations") or {}).items():
        out += [invalid("metadata.annotations", key, msg) for msg in names.qualified_name(key.lower())]
        size += len(key) + len(value)
    if size > _ANNOTATIONS_MAX:
        out.append(too_long("metadata.annotations", _ANNOTATIONS_MAX))
    for i, finalizer in enumerate(meta.get("finalizers") or ()):
        out += [invalid(f"metadata.finalizers[{i}]", finalizer, msg) for msg in names.qualified_name(finalizer)]
    controllers = 0
    for i, owner in enumerate(meta.get("ownerReferences") or ()):
        path = f"metadata.ownerReferences[{i}]"
        for field, words in (("apiVersion", "version"), ("kind", "kind"), ("name", "name"), ("uid", "uid")):
            if not owner.get(field):
                out.append(invalid(f"{path}.{field}", "", f"{words} must not be empty"))
        controllers += owner.get("controller") is True
    if controllers > 1:
        words = "Only one reference can have Controller set to true"
        out.append(invalid("metadata.ownerReferences", meta["ownerReferences"], words))
    return out
