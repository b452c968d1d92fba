"""What a pod's volumes may say. Source: pkg/apis/core/validation (ValidateVolumes)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubette.api import names, quantity
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import checks

Object = dict[str, Any]
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_HOST_PATH_TYPES = ("", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice")
FIELD_PATHS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
#: Fields that exist on a pod, whether or not a place may refer to them.
_POD_FIELDS = frozenset(
    {
        *FIELD_PATHS, "spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "spec.schedulerName",
        "status.phase", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
    }
)  # fmt: skip
_RESOURCES = tuple(f"{a}.{b}" for a in ("limits", "requests") for b in ("cpu", "ephemeral-storage", "memory"))


def validate(volumes: list[Object], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, volume in enumerate(volumes):
        at, name = f"{path}[{i}]", volume.get("name") or ""
        out += _source(volume, at)
        if not name:
            out.append(required(f"{at}.name"))
            continue
        out += checks.named(names.dns1123_label, f"{at}.name", name)
        if name in seen:
            out.append(duplicate(f"{at}.name", name))
        seen.add(name)
    return out


def _source(volume: Object, path: str) -> list[FieldError]:
    sources = [k for k, v in volume.items() if k != "name" and isinstance(v, dict)]
    if not sources:
        return [required(path, "must specify a volume type")]
    out = [forbidden(f"{path}.{s}", "may not specify more than 1 volume type") for s in sources[1:]]
    check = _SOURCES.get(sources[0])
    if check:
        out += check(volume[sources[0]], f"{path}.{sources[0]}")
    else:
        for field in _REQUIRED.get(sources[0], ()):
            if not volume[sources[0]].get(field):
                out.append(required(f"{path}.{sources[0]}.{field}"))
    return out


def mode(value: int | None, path: str) -> list[FieldError]:
    return [invalid(path, value, _MODE)] if value is not None and not 0 <= value <= 0o777 else []


def dots(value: str) -> list[str]:
    """Why a path leads out of its directory, if it does."""
    return ["must not contain '..'"] if ".." in value.split("/") else []


def relative(value: str, path: str) -> list[FieldError]:
    out = [invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    return out + [invalid(path, value, m) for m in dots(value)]


def _file_path(value: str, path: str) -> list[FieldError]:
    """A path inside a volume that the kubelet writes."""
    if not value:
        return [required(path)]
    out = relative(value, path)
    if value.startswith("..") and not out:
        out.append(invalid(path, value, "must not start with '..'"))
    return out


def _items(items: list[Object] | None, path: str) -> list[FieldError]:
    out = []
    for i, item in enumerate(items or ()):
        at = f"{path}.items[{i}]"
        if not item.get("key"):
            out.append(required(f"{at}.key"))
        out += _file_path(item.get("path") or "", f"{at}.path")
        out += mode(item.get("mode"), f"{at}.mode")
    return out


def _secret(s: Object, path: str) -> list[FieldError]:
    out = [] if s.get("secretName") else [required(f"{path}.secretName")]
    return out + mode(s.get("defaultMode"), f"{path}.defaultMode") + _items(s.get("items"), path)


def _config_map(s: Object, path: str) -> list[FieldError]:
    out = [] if s.get("name") else [required(f"{path}.name")]
    return out + mode(s.get("defaultMode"), f"{path}.defaultMode") + _items(s.get("items"), path)


def _host_path(s: Object, path: str) -> list[FieldError]:
    host = s.get("path") or ""
    if not host:
        return [required(f"{path}.path")]
    out = [invalid(f"{path}.path", host, m) for m in dots(host)]
    if (s.get("type") or "") not in _HOST_PATH_TYPES:
        out.append(unsupported(f"{path}.type", s["type"], _HOST_PATH_TYPES))
    return out


def _empty_dir(s: Object, path: str) -> list[FieldError]:
    limit = s.get("sizeLimit")
    if limit is not None and quantity.parse(str(limit)) < 0:
        return [forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def _downward_items(s: Object, path: str) -> list[FieldError]:
    out = []
    for i, item in enumerate(s.get("items") or ()):
        at = f"{path}[{i}]"
        out += _file_path(item.get("path") or "", f"{at}.path")
        if field := item.get("fieldRef"):
            out += field_ref(field, f"{at}.fieldRef", FIELD_PATHS)
            if item.get("resourceFieldRef"):
                words = "fieldRef and resourceFieldRef can not be specified simultaneously"
                out.append(invalid(at, "resource", words))
        elif resource := item.get("resourceFieldRef"):
            out += resource_ref(resource, f"{at}.resourceFieldRef", volume=True)
        else:
            out.append(required(at, "one of fieldRef and resourceFieldRef is required"))
        out += mode(item.get("mode"), f"{at}.mode")
    return out


def _downward(s: Object, path: str) -> list[FieldError]:
    return mode(s.get("defaultMode"), f"{path}.defaultMode") + _downward_items(s, f"{path}.items")


def field_ref(ref: Object, path: str, allowed: tuple[str, ...]) -> list[FieldError]:
    """An ObjectFieldSelector; ``metadata.labels['k']`` needs a well-formed key."""
    if not ref.get("apiVersion"):
        return [required(f"{path}.apiVersion")]
    wanted = ref.get("fieldPath") or ""
    if not wanted:
        return [required(f"{path}.fieldPath")]
    base, bracket, key = wanted.partition("['")
    if bracket and base in ("metadata.annotations", "metadata.labels") and key.endswith("']"):
        found = names.qualified_name(key[:-2].lower() if base.endswith("annotations") else key[:-2])
        return [invalid(path, key[:-2], m) for m in found]
    if wanted in allowed:
        return []
    if wanted not in _POD_FIELDS:
        words = f"error converting fieldPath: field label not supported: {wanted}"
        return [invalid(f"{path}.fieldPath", wanted, words)]
    return [unsupported(f"{path}.fieldPath", wanted, allowed)]


def resource_ref(ref: Object, path: str, *, volume: bool = False) -> list[FieldError]:
    """A ResourceFieldSelector; in a volume it must name its container."""
    resource = ref.get("resource") or ""
    if volume and not ref.get("containerName"):
        return [required(f"{path}.containerName")]
    if not resource:
        return [required(f"{path}.resource")]
    if resource not in _RESOURCES and ".hugepages-" not in resource:
        return [unsupported(f"{path}.resource", resource, _RESOURCES)]
    return []


def _projected(s: Object, path: str) -> list[FieldError]:
    out = mode(s.get("defaultMode"), f"{path}.defaultMode")
    paths: set[str] = set()
    for i, source in enumerate(s.get("sources") or ()):
        at = f"{path}.sources[{i}]"
        kinds = [k for k, v in source.items() if isinstance(v, dict)]
        if not kinds:
            continue
        out += [forbidden(f"{at}.{k}", "may not specify more than 1 volume type per source") for k in kinds[1:]]
        kind = kinds[0]
        body, at = source[kind], f"{at}.{kind}"
        if kind in ("secret", "configMap"):
            out += [] if body.get("name") else [required(f"{at}.name")]
            out += _items(body.get("items"), at)
        elif kind == "downwardAPI":
            out += _downward_items(body, at)
        elif kind == "serviceAccountToken":
            out += _token(body, at)
        for wanted in _paths(kind, body):
            if wanted in paths:
                out.append(invalid(path, wanted, "conflicting duplicate paths"))
            paths.add(wanted)
    return out


def _paths(kind: str, body: Object) -> Iterator[str]:
    if kind in ("serviceAccountToken", "clusterTrustBundle"):
        yield body.get("path") or ""
    for item in body.get("items") or ():
        yield item.get("path") or ""


def _token(s: Object, path: str) -> list[FieldError]:
    seconds = s.get("expirationSeconds")
    out = []
    if seconds is not None and seconds < 600:
        out.append(invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    elif seconds is not None and seconds > 1 << 32:
        out.append(invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"))
    return out + _file_path(s.get("path") or "", f"{path}.path")


def _nfs(s: Object, path: str) -> list[FieldError]:
    out = [required(f"{path}.{f}") for f in ("server", "path") if not s.get(f)]
    if s.get("path") and not s["path"].startswith("/"):
        out.append(invalid(f"{path}.path", s["path"], "must be an absolute path"))
    return out


_SOURCES = {
    "secret": _secret,
    "configMap": _config_map,
    "hostPath": _host_path,
    "emptyDir": _empty_dir,
    "downwardAPI": _downward,
    "projected": _projected,
    "nfs": _nfs,
}
_REQUIRED = {
    "persistentVolumeClaim": ("claimName",),
    "csi": ("driver",),
    "iscsi": ("targetPortal", "iqn"),
    "cephfs": ("monitors",),
    "rbd": ("monitors", "image"),
    "glusterfs": ("endpoints", "path"),
    "gitRepo": ("repository",),
    "awsElasticBlockStore": ("volumeID",),
    "gcePersistentDisk": ("pdName",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "ephemeral": ("volumeClaimTemplate",),
}
