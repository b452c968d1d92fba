"""Rules for ``metadata`` that hold for every kind, and what each kind may be called.

``validate_meta`` and ``validate_meta_update`` are called by the generic verbs, before the kind's own
``validate``. Source: k8s.io/apimachinery/pkg/api/validation/objectmeta.go and each kind's ``ValidateXName``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubette.api import names
from kubette.api.caching import cached_short
from kubette.api.errors import FieldError, forbidden, invalid, required, too_long
from kubette.api.kinds import Kind

Object = dict[str, Any]
NameRule = Callable[[str], list[str]]

_ANNOTATIONS_MAX = 256 * 1024
_IMMUTABLE = "field is immutable"


def path_segment(value: str) -> list[str]:
    """Names that only have to fit into a URL."""
    return names.path_segment_name(value)


#: What differs from a DNS-1123 subdomain.
_NAME_RULES: dict[str, NameRule] = {
    "namespaces": names.dns1123_label,
    "services": names.dns1123_label,
    "statefulsets.apps": names.dns1123_label,
    "poddisruptionbudgets.policy": path_segment,
    "clusterroles.rbac.authorization.k8s.io": path_segment,
    "clusterrolebindings.rbac.authorization.k8s.io": path_segment,
    "roles.rbac.authorization.k8s.io": path_segment,
    "rolebindings.rbac.authorization.k8s.io": path_segment,
    "apiservices.apiregistration.k8s.io": path_segment,  # its strategy ties the name to spec.group and spec.version
    "ipaddresses.networking.k8s.io": names.canonical_ip,
    "certificatesigningrequests.certificates.k8s.io": names.dns1123_subdomain,
}


def validate_meta(kind: Kind, obj: Object) -> list[FieldError]:
    """The errors of a new object's metadata."""
    meta = obj.get("metadata") or {}
    out: list[FieldError] = []
    rule = _NAME_RULES.get(kind.group_resource, names.dns1123_subdomain)
    if base := meta.get("generateName"):
        checked = names.generated_name_base(base)
        out += [invalid("metadata.generateName", base, m) for m in rule(checked)]
    name = meta.get("name") or ""
    if not name:
        out.append(required("metadata.name", "name or generateName is required"))
    else:
        out += [invalid("metadata.name", name, m) for m in rule(name)]
    if kind.namespaced:
        if not meta.get("namespace"):
            out.append(required("metadata.namespace"))
        else:
            namespace = meta["namespace"]
            out += [invalid("metadata.namespace", namespace, m) for m in names.dns1123_label(namespace)]
    elif meta.get("namespace"):
        out.append(forbidden("metadata.namespace", "not allowed on this type"))
    return out + _common(meta)


def validate_meta_update(kind: Kind, new: Object, old: Object) -> list[FieldError]:
    """The errors of changed metadata. Name, uid and creationTimestamp may not change."""
    meta, before = new.get("metadata") or {}, old.get("metadata") or {}
    out = []
    for field in ("name", "namespace", "uid", "creationTimestamp"):
        if meta.get(field) != before.get(field):
            out.append(invalid(f"metadata.{field}", meta.get(field) or "", _IMMUTABLE))
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        if meta.get(field) != before.get(field):
            out.append(invalid(f"metadata.{field}", meta.get(field), _IMMUTABLE))
    if int(meta.get("generation") or 0) < int(before.get("generation") or 0):
        words = "must not be decremented"
        out.append(invalid("metadata.generation", meta.get("generation") or 0, words))
    if before.get("deletionTimestamp"):
        had = set(before.get("finalizers") or ())
        added = [f for f in meta.get("finalizers") or () if f not in had]
        if added:
            listed = ", ".join(f'"{f}"' for f in sorted(added))
            words = "no new finalizers can be added if the object is being deleted, found new finalizers "
            out.append(forbidden("metadata.finalizers", f"{words}[]string{{{listed}}}"))
    return out + _common(meta)


def _common(meta: Object) -> list[FieldError]:
    out: list[FieldError] = []
    if labels := meta.get("labels"):
        out += check_labels(labels, "metadata.labels")
    if annotations := meta.get("annotations"):
        out += check_annotations(annotations, "metadata.annotations")
    if owners := meta.get("ownerReferences"):
        out += _owners(owners)
    if finalizers := meta.get("finalizers"):
        out += _finalizers(finalizers)
    return out


@cached_short(8192, 320)
def qualified_name_errors(key: str) -> tuple[str, ...]:
    """``names.qualified_name``, remembered: the same few keys come in every object."""
    return tuple(names.qualified_name(key))


@cached_short(8192, 320)
def label_value_errors(value: str) -> tuple[str, ...]:
    return tuple(names.label_value(value))


@cached_short(8192, 320)
def dns1123_label_errors(value: str) -> tuple[str, ...]:
    return tuple(names.dns1123_label(value))


def check_labels(labels: dict[str, str], path: str) -> list[FieldError]:
    """Keys are qualified names, values label values."""
    out = []
    for key, value in labels.items():
        out += [invalid(path, key, m) for m in qualified_name_errors(key)]
        out += [invalid(path, value, m) for m in label_value_errors(value)]
    return out


def check_annotations(annotations: dict[str, str], path: str) -> list[FieldError]:
    """Keys are qualified names in any case; 256 KiB in all."""
    out = []
    size = 0
    for key, value in annotations.items():
        out += [invalid(path, key, m) for m in qualified_name_errors(key.lower())]
        size += len(key.encode()) + len(value.encode())
    if size > _ANNOTATIONS_MAX:
        out.append(too_long(path, _ANNOTATIONS_MAX))
    return out


def _owners(owners: list[Object]) -> list[FieldError]:
    out = []
    controllers = []
    path = "metadata.ownerReferences"  # upstream gives no index
    for owner in owners:
        if not (owner.get("apiVersion") or "").rpartition("/")[2]:
            out.append(invalid(f"{path}.apiVersion", owner.get("apiVersion") or "", "version must not be empty"))
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                out.append(invalid(f"{path}.{field}", "", "must not be empty"))
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
            out.append(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"))
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind', '')}/{owner.get('name', '')}")
    for other in controllers[1:]:
        words = (
            "Only one reference can have Controller set to true. "
            f'Found "true" in references for {controllers[0]} and {other}'
        )
        out.append(invalid(path, owners, words))
    return out


#: Finalizers without a prefix that the API itself knows.
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


def _finalizers(finalizers: list[str]) -> list[FieldError]:
    out = []
    for i, f in enumerate(finalizers):
        out += [invalid("metadata.finalizers", f, m) for m in qualified_name_errors(f)]
        out += check_standard_finalizer(f, f"metadata.finalizers[{i}]")
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        words = "finalizer orphan and foregroundDeletion cannot be both set"
        out.append(invalid("metadata.finalizers", finalizers, words))
    return out


def check_standard_finalizer(finalizer: str, path: str) -> list[FieldError]:
    """A finalizer without a prefix is one that the API knows."""
    if "/" in finalizer or finalizer in _STANDARD_FINALIZERS:
        return []
    return [invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified")]
