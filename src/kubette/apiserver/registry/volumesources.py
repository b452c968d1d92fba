"""What a PersistentVolume's source may say, one function a source. Source: pkg/apis/core/validation. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required, unsupported
from kubette.apiserver.registry import checks, storage

Object = dict[str, Any]
_Check = Callable[[Object, str], list[FieldError]]
_HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_CACHING = ("None", "ReadOnly", "ReadWrite")
_DISK_KINDS = ("Dedicated", "Managed", "Shared")
_MANAGED_URI = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_URI = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$", re.ASCII),
    "eui": re.compile(r"^eui.[A-Za-z0-9]{16}$"),
    "naa": re.compile(r"^naa.[A-Za-z0-9]{32}$"),
}


def needed(*fields: str) -> _Check:
    """A source that only has fields that must be there."""
    return lambda source, path: [required(f"{path}.{f}") for f in fields if not source.get(f)]


def in_range(value: int | None, low: int, high: int, path: str) -> list[FieldError]:
    if value is None or low <= value <= high:
        return []
    return [invalid(path, value, f"must be between {low} and {high}, inclusive")]


def no_backsteps(value: str, path: str) -> list[FieldError]:
    return [invalid(path, value, "must not contain '..'")] if ".." in value.split("/") else []


def secret_reference(ref: Object | None, path: str) -> list[FieldError]:
    """A reference to a Secret of any namespace; both parts must be there."""
    if ref is None:
        return []
    return [required(f"{path}.{f}") for f in ("name", "namespace") if not ref.get(f)]


def host_path(source: Object, path: str) -> list[FieldError]:
    if not source.get("path"):
        return [required(f"{path}.path")]
    out = no_backsteps(source["path"], f"{path}.path")
    if (kind := source.get("type") or "") not in _HOST_PATH_TYPES:
        out.append(unsupported(f"{path}.type", kind, _HOST_PATH_TYPES))
    return out


def _local(source: Object, path: str) -> list[FieldError]:
    if not source.get("path"):
        return [required(f"{path}.path")]
    return no_backsteps(source["path"], f"{path}.path")


def nfs(source: Object, path: str) -> list[FieldError]:
    out = [required(f"{path}.{f}") for f in ("server", "path") if not source.get(f)]
    if not (value := source.get("path") or "").startswith("/"):
        out.append(invalid(f"{path}.path", value, "must be an absolute path"))
    return out


def disk(field: str, at: str = "") -> _Check:
    """A cloud's disk with a partition; ``at`` is the name that upstream's errors give it."""

    def check(source: Object, path: str) -> list[FieldError]:
        path = f"{path.rpartition('.')[0]}.{at}" if at else path
        out = [] if source.get(field) else [required(f"{path}.{field}")]
        partition = source.get("partition") or 0
        if not 0 <= partition <= 255:
            out.append(invalid(f"{path}.partition", partition, "must be between 1 and 255, inclusive"))
        return out

    return check


def initiator(value: str, path: str) -> list[FieldError]:
    """The name of an iSCSI node."""
    pattern = _INITIATORS.get(value[:3])
    if pattern is None or not pattern.search(value):
        return [invalid(path, value, "must be valid format")]
    return []


def iscsi(source: Object, path: str, volume: str = "") -> list[FieldError]:
    """``volume``: the name of the PersistentVolume, which an initiator's interface is named after."""
    out: list[FieldError] = []
    portal, iqn, name = source.get("targetPortal") or "", source.get("iqn") or "", source.get("initiatorName")
    if not portal:
        out.append(required(f"{path}.targetPortal"))
    if name is not None and len(f"{volume}:{portal}") > 64:
        words = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName "
            "is specified."
        )
        out.append(invalid(f"{path}.targetportal", portal, words))
    out += initiator(iqn, f"{path}.iqn") if iqn else [required(f"{path}.iqn")]
    out += in_range(source.get("lun"), 0, 255, f"{path}.lun")
    secret = source.get("secretRef")
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and secret is None:
        out.append(required(f"{path}.secretRef"))
    if secret is not None and not secret.get("name"):
        out.append(required(f"{path}.secretRef.name"))
    return out + (initiator(name, f"{path}.initiatorname") if name is not None else [])


def fc(source: Object, path: str) -> list[FieldError]:
    targets, ids, lun = source.get("targetWWNs") or [], source.get("wwids") or [], source.get("lun")
    out: list[FieldError] = []
    if not targets and not ids:
        out.append(required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both"))
    if targets and ids:
        words = "targetWWNs and wwids can not be specified simultaneously"
        out.append(invalid(f"{path}.targetWWNs", targets, words))
    if targets and lun is None:
        out.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
    return out + (in_range(lun, 0, 255, f"{path}.lun") if targets else [])


def quobyte(source: Object, path: str) -> list[FieldError]:
    words = "must be a host:port pair or multiple pairs separated by commas"
    registry, out = source.get("registry") or "", list[FieldError]()
    if not registry:
        out.append(required(f"{path}.registry", words))
    elif len((source.get("tenant") or "").encode()) >= 65:
        out.append(required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters"))
    else:
        bad = (p for p in registry.split(",") if not re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*", p))
        out += [invalid(f"{path}.registry", registry, words) for _ in bad]
    return out + ([] if source.get("volume") else [required(f"{path}.volume")])


def _glusterfs(source: Object, path: str) -> list[FieldError]:
    out = needed("endpoints", "path")(source, path)
    namespace = source.get("endpointsNamespace")
    if namespace == "":
        words = "if the endpointnamespace is set, it must be a valid namespace name"
        out.append(invalid(f"{path}.endpointsNamespace", "", words))
    elif namespace is not None:
        out += checks.named(names.dns1123_label, f"{path}.endpointsNamespace", namespace)
    return out


def flocker(source: Object, path: str) -> list[FieldError]:
    name, uid = source.get("datasetName") or "", source.get("datasetUUID") or ""
    out: list[FieldError] = []
    if not name and not uid:
        out.append(required(path, "one of datasetName and datasetUUID is required"))
    if name and uid:
        out.append(invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
    if "/" in name:
        out.append(invalid(f"{path}.datasetName", name, "must not contain '/'"))
    return out


def _cinder(source: Object, path: str) -> list[FieldError]:
    return needed("volumeID")(source, path) + secret_reference(source.get("secretRef"), f"{path}.secretRef")


def flex_volume(source: Object, path: str) -> list[FieldError]:
    out = needed("driver")(source, path)
    for key in source.get("options") or {}:
        if f".{key.partition('/')[0].lower()}".endswith((".kubernetes.io", ".k8s.io")):
            out.append(invalid(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved"))
    return out


def _azure_file(source: Object, path: str) -> list[FieldError]:
    out = needed("secretName", "shareName")(source, path)
    return out + ([required(f"{path}.secretNamespace")] if source.get("secretNamespace") == "" else [])


def azure_disk(source: Object, path: str) -> list[FieldError]:
    out = needed("diskName", "diskURI")(source, path)
    caching, kind, uri = source.get("cachingMode"), source.get("kind"), source.get("diskURI") or ""
    if caching is not None:
        out += checks.known(caching, _CACHING, f"{path}.cachingMode")
    if kind is not None:
        out += checks.known(kind, _DISK_KINDS, f"{path}.kind")
        if kind == "Managed" and not uri.startswith("/subscriptions/"):
            out.append(unsupported(f"{path}.diskURI", uri, (_MANAGED_URI,)))
        if kind != "Managed" and not uri.startswith("https://"):
            out.append(unsupported(f"{path}.diskURI", uri, (_BLOB_URI,)))
    return out


def _storage_os(source: Object, path: str) -> list[FieldError]:
    name, namespace = source.get("volumeName") or "", source.get("volumeNamespace") or ""
    out = [] if name else [required(f"{path}.volumeName")]
    if name:
        out += checks.named(names.dns1123_label, f"{path}.volumeName", name)
    if namespace:
        out += checks.named(names.dns1123_label, f"{path}.volumeNamespace", namespace)
    return out + secret_reference(source.get("secretRef"), f"{path}.secretRef")


_CSI_SECRETS = (
    "controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef",
)  # fmt: skip


def _csi(source: Object, path: str) -> list[FieldError]:
    out = storage.driver_name(source.get("driver"), f"{path}.driver")
    if not source.get("volumeHandle"):
        out.append(required(f"{path}.volumeHandle"))
    for field in _CSI_SECRETS:
        if (ref := source.get(field)) is not None:
            out += _named_secret(ref, f"{path}.{field}")
    return out


def _named_secret(ref: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for field, rule in (("name", names.dns1123_subdomain), ("namespace", names.dns1123_label)):
        value = ref.get(field) or ""
        out += checks.named(rule, f"{path}.{field}", value) if value else [required(f"{path}.{field}")]
    return out


#: Field of a PersistentVolume's spec → its rule, in upstream's order: the first that is set is the volume.
PERSISTENT: dict[str, _Check] = {
    "hostPath": host_path,
    "gcePersistentDisk": disk("pdName", "persistentDisk"),
    "awsElasticBlockStore": disk("volumeID"),
    "glusterfs": _glusterfs,
    "flocker": flocker,
    "nfs": nfs,
    "rbd": needed("monitors", "image"),
    "quobyte": quobyte,
    "cephfs": needed("monitors"),
    "iscsi": iscsi,
    "cinder": _cinder,
    "fc": fc,
    "flexVolume": flex_volume,
    "azureFile": _azure_file,
    "vsphereVolume": needed("volumePath"),
    "photonPersistentDisk": needed("pdID"),
    "portworxVolume": needed("volumeID"),
    "azureDisk": azure_disk,
    "scaleIO": needed("gateway", "system", "volumeName"),
    "local": _local,
    "storageos": _storage_os,
    "csi": _csi,
}


def set_in(spec: Object, fields: Iterable[str] = PERSISTENT) -> list[str]:
    """The sources that ``spec`` sets."""
    return [f for f in fields if spec.get(f) is not None]
