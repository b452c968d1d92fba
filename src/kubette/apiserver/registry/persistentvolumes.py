"""PersistentVolumes. Source: core/v1/defaults.go, core/validation, pkg/api/persistentvolume (warnings)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Any

from kubette.api import quantity
from kubette.api.errors import FieldError, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import checks, nodelabels, scheduling, storage, volumesources
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.persistentvolumeclaims import VOLUME_MODES, access_modes

Object = dict[str, Any]
_RECLAIM = ("Delete", "Recycle", "Retain")
_INLINE = "in the context of inline volumes"
_MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
#: Sources of which that annotation may speak.
_MOUNTABLE = (
    "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "nfs", "rbd", "quobyte", "iscsi", "cinder", "cephfs",
    "azureFile", "vsphereVolume", "azureDisk", "photonPersistentDisk",
)  # fmt: skip
_AZURE_DISK: Object = {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False}
_DEPRECATED_ANNOTATIONS = {
    "volume.beta.kubernetes.io/storage-class": 'deprecated since v1.8; use "storageClassName" attribute instead',
    _MOUNT_OPTIONS: 'deprecated since v1.31; use "mountOptions" attribute instead',
}
_DEPRECATED_SOURCES = {
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}


class PersistentVolumes(Strategy):
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("persistentVolumeReclaimPolicy"):
            spec["persistentVolumeReclaimPolicy"] = "Retain"
        spec.setdefault("volumeMode", "Filesystem")
        default_source(spec)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": ctx.now()}

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        if ctx.subresource != "status":
            return
        status, before = new.setdefault("status", {}), old.get("status") or {}
        seen = status.get("lastPhaseTransitionTime")
        if status.get("phase") != before.get("phase"):
            if seen is None or seen == before.get("lastPhaseTransitionTime"):
                status["lastPhaseTransitionTime"] = ctx.now()
        elif seen is None and before.get("lastPhaseTransitionTime"):
            status["lastPhaseTransitionTime"] = before["lastPhaseTransitionTime"]

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = validate_spec(spec, obj["metadata"].get("name") or "", "spec")
        if _MOUNT_OPTIONS in (obj["metadata"].get("annotations") or {}) and not volumesources.set_in(spec, _MOUNTABLE):
            words = "may not specify mount options for this volume type"
            out.append(forbidden(f"metadata.annotations.{_MOUNT_OPTIONS}", words))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            return []
        out = self.validate(new, ctx)
        spec, before = new["spec"], old["spec"]
        if any(_comparable(spec, before, s) != before.get(s) for s in volumesources.PERSISTENT):
            words = "spec.persistentvolumesource is immutable after creation"
            out.append(forbidden("spec.persistentvolumesource", words))
        out += checks.immutable(spec.get("volumeMode"), before.get("volumeMode"), "volumeMode")
        had = before.get("nodeAffinity")
        if had is not None and spec.get("nodeAffinity") != had:
            out.append(invalid("nodeAffinity", spec.get("nodeAffinity"), checks.IMMUTABLE))
        if before.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
            out.append(forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden"))
        return out

    def finalizers_on_create(self, obj: Object) -> list[str]:
        return ["kubernetes.io/pv-protection"]

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        spec = obj["spec"]
        for key in obj["metadata"].get("annotations") or {}:
            if why := _DEPRECATED_ANNOTATIONS.get(key):
                yield f"metadata.annotations[{key}]: {why}"
        if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
            yield (
                "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the "
                "recommended approach is to use dynamic provisioning."
            )
        affinity = (spec.get("nodeAffinity") or {}).get("required")
        yield from nodelabels.node_selector(affinity, "spec.nodeAffinity.required")
        for source, why in _DEPRECATED_SOURCES.items():
            if spec.get(source) is not None:
                yield f"spec.{source}: {why}"

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return self.warnings_on_create(new, ctx)


def default_source(spec: Object) -> None:
    """The defaults of a persistent volume's source."""
    if (host := spec.get("hostPath")) is not None:
        host.setdefault("type", "")
    if (iscsi := spec.get("iscsi")) is not None and not iscsi.get("iscsiInterface"):
        iscsi["iscsiInterface"] = "default"
    if (rbd := spec.get("rbd")) is not None:
        for field, value in (("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")):
            rbd[field] = rbd.get(field) or value
    if (disk := spec.get("azureDisk")) is not None:
        for field, default in _AZURE_DISK.items():
            disk.setdefault(field, default)
    if (scale := spec.get("scaleIO")) is not None:
        for field, value in (("storageMode", "ThinProvisioned"), ("fsType", "xfs")):
            scale[field] = scale.get(field) or value


def _comparable(spec: Object, before: Object, source: str) -> Any:
    """A source as an update compares it: a CSI volume may be given its secret for expansion once."""
    now, was = spec.get(source), before.get(source)
    if source == "csi" and now and was and was.get("controllerExpandSecretRef") is None:
        return {k: v for k, v in now.items() if k != "controllerExpandSecretRef"}
    return now


def validate_spec(spec: Object, name: str, path: str, *, inline: bool = False) -> list[FieldError]:
    """A PersistentVolumeSpec. ``inline``: it stands in a VolumeAttachment, for a volume of the CSI alone."""
    out = _inline(spec, path) if inline else []
    out += access_modes(spec.get("accessModes"), f"{path}.accessModes", "")
    if not inline:
        out += _capacity(spec.get("capacity") or {}, f"{path}.capacity")
        out += checks.if_set(
            spec.get("persistentVolumeReclaimPolicy"), _RECLAIM, f"{path}.persistentVolumeReclaimPolicy"
        )
        if (affinity := spec.get("nodeAffinity")) is not None:
            out += _affinity(affinity, f"{path}.nodeAffinity")
    out += _source(spec, name, path)
    if (klass := spec.get("storageClassName")) and not inline:
        out += storage.class_name(klass, f"{path}.storageClassName")
    if (mode := spec.get("volumeMode")) is not None and not inline:
        out += checks.known(mode, VOLUME_MODES, f"{path}.volumeMode")
    if (attributes := spec.get("volumeAttributesClassName")) is not None and not inline:
        at = f"{path}.volumeAttributesClassName"
        out += storage.class_name(attributes, at) if attributes else [required(at, "an empty string is disallowed")]
        if spec.get("csi") is None:
            out.append(required(f"{path}.csi", "has to be specified when using volumeAttributesClassName"))
    return out


def _inline(spec: Object, path: str) -> list[FieldError]:
    out = [
        forbidden(f"{path}.{field}", f"may not be specified {_INLINE}")
        for field in ("claimRef", "capacity", "nodeAffinity", "storageClassName") if spec.get(field)
    ]  # fmt: skip
    if spec.get("csi") is None:
        out.append(required(f"{path}.csi", f"has to be specified {_INLINE}"))
    if (spec.get("persistentVolumeReclaimPolicy") or "Retain") != "Retain":
        out.append(forbidden(f"{path}.persistentVolumeReclaimPolicy", f"may only be Retain {_INLINE}"))
    if (spec.get("volumeMode") or "Filesystem") != "Filesystem":
        out.append(forbidden(f"{path}.volumeMode", f"may not specify volumeMode other than Filesystem {_INLINE}"))
    return out


def _capacity(capacity: Object, path: str) -> list[FieldError]:
    """``storage``, positive, and nothing else."""
    out = [] if capacity else [required(path)]
    if set(capacity) != {"storage"}:
        out.append(unsupported(path, capacity, ("storage",)))
    for name, value in capacity.items():
        amount = quantity.parse(str(value))
        if amount < 0:
            out.append(invalid(f"{path}[{name}]", quantity.to_int(str(value)), "must be a valid resource quantity"))
        if amount <= 0:
            out.append(invalid(f"{path}[{name}]", str(value), "must be greater than zero"))
    return out


def _affinity(affinity: Object, path: str) -> list[FieldError]:
    needed = affinity.get("required")
    if needed is None:
        return [required(f"{path}.required", "must specify required node constraints")]
    return scheduling.node_selector(needed, f"{path}.required")


def _source(spec: Object, name: str, path: str) -> list[FieldError]:
    """Exactly one source."""
    found = volumesources.set_in(spec)
    if not found:
        return [required(path, "must specify a volume type")]
    at = f"{path}.{found[0]}"
    if found[0] == "iscsi":
        out = volumesources.iscsi(spec["iscsi"], at, name)
    else:
        out = volumesources.PERSISTENT[found[0]](spec[found[0]], at)
    out += [forbidden(f"{path}.{s}", "may not specify more than 1 volume type") for s in found[1:]]
    if found[0] == "local" and spec.get("nodeAffinity") is None:
        out.append(required(f"{path}.nodeAffinity", "Local volume requires node affinity"))
    host = spec.get("hostPath") or {}
    if posixpath.normpath(host.get("path") or ".") in ("/", "//") and spec.get(
        "persistentVolumeReclaimPolicy"
    ) == "Recycle":
        words = "may not be 'recycle' for a hostPath mount of '/'"
        out.append(forbidden(f"{path}.persistentVolumeReclaimPolicy", words))
    return out
