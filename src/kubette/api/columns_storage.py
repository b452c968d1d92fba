"""The cells of storage kinds: volumes, claims, classes, CSI."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kubette.api.columns_text import Cells, Obj, Printer, age, deleting, join, name, spec, status

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def _annotations(obj: Obj) -> Obj:
    return (obj.get("metadata") or {}).get("annotations") or {}


def _modes(modes: Iterable[str] | None) -> str:
    listed = set(modes or ())
    return ",".join(short for mode, short in _MODES.items() if mode in listed)


def _phase(obj: Obj) -> str:
    return "Terminating" if deleting(obj) else status(obj).get("phase", "")


def _class_cells(obj: Obj) -> Cells:
    attributes = spec(obj).get("volumeAttributesClassName")
    storage = _annotations(obj).get(_CLASS) or spec(obj).get("storageClassName") or ""
    return [storage, "<unset>" if attributes is None else attributes]


def _volume(obj: Obj, now: datetime) -> Cells:
    claim = spec(obj).get("claimRef")
    return [
        name(obj), (spec(obj).get("capacity") or {}).get("storage", "0"), _modes(spec(obj).get("accessModes")),
        spec(obj).get("persistentVolumeReclaimPolicy", ""), _phase(obj),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "", *_class_cells(obj),
        status(obj).get("reason", ""), age(obj, now), spec(obj).get("volumeMode") or "<unset>",
    ]  # fmt: skip


def _claim(obj: Obj, now: datetime) -> Cells:
    volume, capacity, modes = spec(obj).get("volumeName") or "", "", ""
    if volume:
        capacity = (status(obj).get("capacity") or {}).get("storage", "0")
        modes = _modes(status(obj).get("accessModes"))
    return [
        name(obj), _phase(obj), volume, capacity, modes, *_class_cells(obj), age(obj, now),
        spec(obj).get("volumeMode") or "<unset>",
    ]  # fmt: skip


def _storage_class(obj: Obj, now: datetime) -> Cells:
    default = " (default)" * any(_annotations(obj).get(key) == "true" for key in _DEFAULT)
    return [
        name(obj) + default, obj.get("provisioner", ""), obj.get("reclaimPolicy") or "Delete",
        obj.get("volumeBindingMode") or "Immediate", bool(obj.get("allowVolumeExpansion")), age(obj, now),
    ]  # fmt: skip


def _attributes_class(obj: Obj, now: datetime) -> Cells:
    return [name(obj), obj.get("driverName", ""), age(obj, now)]


def _attachment(obj: Obj, now: datetime) -> Cells:
    volume = (spec(obj).get("source") or {}).get("persistentVolumeName") or ""
    attached = bool(status(obj).get("attached"))
    return [name(obj), spec(obj).get("attacher", ""), volume, spec(obj).get("nodeName", ""), attached, age(obj, now)]


def _csi_node(obj: Obj, now: datetime) -> Cells:
    return [name(obj), len(spec(obj).get("drivers") or ()), age(obj, now)]


def _csi_driver(obj: Obj, now: datetime) -> Cells:
    s = spec(obj)
    requests = s.get("tokenRequests")
    return [
        name(obj), s.get("attachRequired", True), bool(s.get("podInfoOnMount")), bool(s.get("storageCapacity")),
        "<unset>" if requests is None else ",".join(r.get("audience", "") for r in requests),
        bool(s.get("requiresRepublish")), join(s.get("volumeLifecycleModes") or ()), age(obj, now),
    ]  # fmt: skip


def _csi_capacity(obj: Obj, now: datetime) -> Cells:
    return [name(obj), obj.get("storageClassName", ""), obj.get("capacity") or "<unset>"]


PRINTERS = {
    "persistentvolumes": Printer(
        "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age"
        "|*VolumeMode",
        _volume,
    ),
    "persistentvolumeclaims": Printer(
        "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|*VolumeMode", _claim
    ),
    "storageclasses.storage.k8s.io": Printer(
        "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age", _storage_class
    ),
    "volumeattributesclasses.storage.k8s.io": Printer("Name|DriverName|Age", _attributes_class),
    "volumeattachments.storage.k8s.io": Printer("Name|Attacher|PV|Node|Attached?|Age", _attachment),
    "csinodes.storage.k8s.io": Printer("Name|Drivers#|Age", _csi_node),
    "csidrivers.storage.k8s.io": Printer(
        "Name|AttachRequired?|PodInfoOnMount?|StorageCapacity?|TokenRequests|RequiresRepublish?|Modes|Age", _csi_driver
    ),
    "csistoragecapacities.storage.k8s.io": Printer("Name|StorageClassName|Capacity", _csi_capacity),
}
