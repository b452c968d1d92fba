"""PersistentVolumeClaims. Source: core/v1/defaults.go, core/validation (ValidatePersistentVolumeClaim),
pkg/api/persistentvolumeclaim, pkg/registry/core/persistentvolumeclaim.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kubette.api import names, quantity
from kubette.api.errors import FieldError, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import checks, storage
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
_RESIZING = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizePending", "NodeResizeInProgress",
    "NodeResizeInfeasible",
)  # fmt: skip
_IMMUTABLE_SPEC = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)


def access_modes(
    modes: list[str] | None, path: str, lacking: str = "at least 1 access mode is required"
) -> list[FieldError]:
    """``lacking``: what to say where there is none."""
    if not modes:
        return [required(path, lacking)]
    out = [unsupported(path, m, ACCESS_MODES) for m in modes if m not in ACCESS_MODES]
    if "ReadWriteOncePod" in modes and any(m != "ReadWriteOncePod" for m in modes if m in ACCESS_MODES):
        out.append(forbidden(path, "may not use ReadWriteOncePod with other access modes"))
    return out


class PersistentVolumeClaims(Strategy):
    def default(self, obj: Object) -> None:
        default_spec(obj.setdefault("spec", {}))

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"phase": "Pending"}
        normalize_sources(obj["spec"], None)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        if ctx.subresource != "status":
            normalize_sources(new["spec"], old["spec"])

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return validate_spec(obj["spec"], "spec")

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return _status(new.get("status") or {})
        spec, before = new["spec"], old["spec"]
        known_group = any((before.get(f) or {}).get("apiGroup") is not None for f in ("dataSource", "dataSourceRef"))
        out = validate_spec(spec, "spec", any_group=known_group)
        out += _class_annotation(new, old)
        if _changed(new, old):
            out.append(forbidden("spec", _IMMUTABLE_SPEC))
        out += _size(spec, before, new.get("status") or {})
        out += checks.immutable(spec.get("volumeMode"), before.get("volumeMode"), "volumeMode")
        name, at = spec.get("volumeAttributesClassName"), "spec.volumeAttributesClassName"
        applied = (old.get("status") or {}).get("currentVolumeAttributesClassName")
        if name != before.get("volumeAttributesClassName") and applied is not None and not name:
            what = "nil" if name is None else "empty string"
            words = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
            out.append(forbidden(at, words))
        return out

    def finalizers_on_create(self, obj: Object) -> list[str]:
        return ["kubernetes.io/pvc-protection"]

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        if _OLD_CLASS in (obj["metadata"].get("annotations") or {}):
            yield f'metadata.annotations[{_OLD_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead'
        yield from spec_warnings(obj["spec"], "spec")

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return () if ctx.subresource else self.warnings_on_create(new, ctx)


def default_spec(spec: Object) -> None:
    """SetDefaults_PersistentVolumeClaimSpec; templates of claims have it too."""
    spec.setdefault("volumeMode", "Filesystem")


def spec_warnings(spec: Object, path: str) -> Iterator[str]:
    for field in ("requests", "limits"):
        value = ((spec.get("resources") or {}).get(field) or {}).get("storage")
        if value is not None and quantity.to_milli(str(value)) % 1000:
            words = f'fractional byte value "{quantity.canonical(str(value))}" is invalid, must be an integer'
            yield f"{path}.resources.{field}[storage]: {words}"


def normalize_sources(spec: Object, old: Object | None) -> None:
    """Keep ``dataSource`` and ``dataSourceRef`` in step (KEP-1495); an unknown ``dataSource`` alone is dropped."""
    was_used = bool(old) and any((old or {}).get(f) is not None for f in ("dataSource", "dataSourceRef"))
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    if ref is not None and ref.get("namespace") and not (old or {}).get("dataSourceRef"):
        spec.pop("dataSourceRef")  # its feature gate is off
        ref = None
    if source is not None and ref is None and not was_used:
        kind = source.get("apiGroup") or "", source.get("kind")
        if kind not in (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")):
            spec.pop("dataSource")
            return
    if source is not None and ref is None:
        spec["dataSourceRef"] = _reference(source)
    elif ref is not None and source is None and not ref.get("namespace"):
        spec["dataSource"] = _reference(ref)


def _reference(source: Object) -> Object:
    return {k: source[k] for k in ("apiGroup", "kind", "name") if k in source}


def validate_spec(spec: Object, path: str, *, any_group: bool = False) -> list[FieldError]:
    """A PersistentVolumeClaimSpec. ``any_group``: groups of data sources are as malformed as they were."""
    out = access_modes(spec.get("accessModes"), f"{path}.accessModes")
    out += checks.label_selector(spec.get("selector"), f"{path}.selector")
    amount = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    at = f"{path}.resources[storage]"
    if amount is None:
        out.append(required(at))
    elif quantity.parse(str(amount)) <= 0:
        out.append(invalid(at, str(amount), "must be greater than zero"))
    for field in ("storageClassName", "volumeAttributesClassName"):
        if name := spec.get(field):
            out += storage.class_name(name, f"{path}.{field}")
    if (mode := spec.get("volumeMode")) is not None:
        out += checks.known(mode, VOLUME_MODES, f"{path}.volumeMode")
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    for field, value in (("dataSource", source), ("dataSourceRef", ref)):
        if value is not None:
            out += _data_source(value, f"{path}.{field}", any_group)
    if source is not None and ref is not None:
        if ref.get("namespace"):
            words = "may not be specified when dataSourceRef.namespace is specified"
            out.append(invalid(path, f"{path}.dataSource", words))
        elif _reference(source) != _reference(ref):
            out.append(invalid(path, f"{path}.dataSource", "must match dataSourceRef"))
    return out


def _data_source(source: Object, path: str, any_group: bool) -> list[FieldError]:
    out = [required(f"{path}.{f}") for f in ("name", "kind") if not source.get(f)]
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    if not group and kind != "PersistentVolumeClaim":
        words = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        out.append(invalid(path, kind, words))
    if group and not any_group:
        out += checks.named(names.dns1123_subdomain, f"{path}.apiGroup", group)
    if namespace := source.get("namespace"):
        out += checks.named(names.dns1123_label, f"{path}.namespace", namespace)
    return out


def _annotation(obj: Object) -> str | None:
    value = (obj["metadata"].get("annotations") or {}).get(_OLD_CLASS)
    return None if value is None else str(value)


def _moved_from_annotation(new: Object, old: Object) -> bool:
    """The class moves from the old annotation into the spec."""
    was = _annotation(old)
    return (
        was is not None and old["spec"].get("storageClassName") is None
        and new["spec"].get("storageClassName") == was and _annotation(new) in (None, was)
    )  # fmt: skip


def _class_annotation(new: Object, old: Object) -> list[FieldError]:
    if _moved_from_annotation(new, old):
        return []
    return checks.immutable(_annotation(new) or "", _annotation(old) or "", f"metadata.annotations.{_OLD_CLASS}")


def _changed(new: Object, old: Object) -> bool:
    """Whether the spec differs in what may not change: a volume and a class may be given once, and a bound claim
    may ask for another size and another class of attributes."""
    spec, before = dict(new["spec"]), dict(old["spec"])
    if not before.get("volumeName"):
        spec.pop("volumeName", None)
        before.pop("volumeName", None)
    if before.get("storageClassName") is None and _annotation(old) in (None, spec.get("storageClassName")):
        spec.pop("storageClassName", None)
    if (new.get("status") or {}).get("phase") == "Bound":
        for one in (spec, before):
            one.pop("volumeAttributesClassName", None)
            one["resources"] = _without_size(one.get("resources") or {})
    return _canonical(spec) != _canonical(before)


def _without_size(resources: Object) -> Object:
    requests = {k: v for k, v in (resources.get("requests") or {}).items() if k != "storage"}
    return {**resources, "requests": requests}


def _canonical(spec: Object) -> Object:
    """Equal for equal quantities and for empty values."""
    resources = {
        field: {k: quantity.parse(str(v)) for k, v in (values or {}).items()}
        for field, values in (spec.get("resources") or {}).items()
    }
    out = {**spec, "resources": {k: v for k, v in resources.items() if v}}
    return {k: v for k, v in out.items() if v not in (None, [], {}) and (v != "" or k == "storageClassName")}


def _size(spec: Object, before: Object, status: Object) -> list[FieldError]:
    """A smaller size must still be above what the volume has (recovery from a failed expansion)."""

    def asked(of: Object) -> Any:
        return quantity.parse(str(((of.get("resources") or {}).get("requests") or {}).get("storage", 0)))

    has = quantity.parse(str((status.get("capacity") or {}).get("storage", 0)))
    if asked(spec) < asked(before) and asked(spec) <= has:
        return [forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")]
    return []


def _status(status: Object) -> list[FieldError]:
    out: list[FieldError] = []
    for name, value in (status.get("capacity") or {}).items():
        out += _basic(value, f"status.capacity[{name}]")
    for name, state in (status.get("allocatedResourceStatuses") or {}).items():
        out += _resource_key(name, "status.allocatedResourceStatuses")
        if state not in _RESIZING:
            out.append(unsupported("status.allocatedResourceStatuses", name, _RESIZING))
    for name, value in (status.get("allocatedResources") or {}).items():
        found = _resource_key(name, "status.allocatedResources")
        out += found or _basic(value, f"status.allocatedResources[{name}]")
    return out


def _basic(value: Any, path: str) -> list[FieldError]:
    whole = quantity.to_int(str(value))
    return [invalid(path, whole, "must be a valid resource quantity")] if whole < 0 else []


def _resource_key(name: str, path: str) -> list[FieldError]:
    if found := checks.qualified_name(name, path):
        return found
    native = "/" not in name or "kubernetes.io/" in name
    return [unsupported(path, name, ("storage",))] if native and name != "storage" else []
