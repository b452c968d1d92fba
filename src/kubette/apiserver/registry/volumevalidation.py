"""What a pod's volumes may say. Sources that PersistentVolumes have as well are judged in ``volumesources``.

Source: pkg/apis/core/validation (ValidateVolumes, validateVolumeSource, validateProjectionSources).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kubette.api import names, quantity
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required
from kubette.apiserver.registry import (
    checks,
    containerenv,
    persistentvolumeclaims,
    storage,
    volumesources,
)
from kubette.apiserver.registry.objectmeta import check_annotations, check_labels
from kubette.apiserver.registry.podcontext import PodContext
from kubette.apiserver.registry.volumesources import in_range, needed

Object = dict[str, Any]
_Check = Callable[[Object, str], list[FieldError]]
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_MANY = "may not specify more than 1 volume type"
_INITIATORS = ("iqn", "eui", "naa")
_PORTAL = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
    "specified."
)
_TEMPLATE_META = ("labels", "annotations", "creationTimestamp")


def validate(volumes: list[Object], path: str, pod: PodContext) -> list[FieldError]:
    """All volumes of a pod spec. Enters those that are well-formed in ``pod.volumes``, which mounts refer to."""
    out: list[FieldError] = []
    created = {f"{pod.name}-{v.get('name') or ''}" for v in volumes if pod.name and v.get("ephemeral") is not None}
    for i, volume in enumerate(volumes):
        at, name = f"{path}[{i}]", volume.get("name") or ""
        found = _source(volume, at, pod)
        found += checks.label(name, f"{at}.name") if name else [required(f"{at}.name")]
        if name in pod.volumes:
            found.append(duplicate(f"{at}.name", name))
        if not found:
            pod.volumes[name] = volume
        out += found
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in created:
            words = "must not reference a PVC that gets created for an ephemeral volume"
            out.append(invalid(f"{at}.persistentVolumeClaim.claimName", claim, words))
    return out


def _source(volume: Object, path: str, pod: PodContext) -> list[FieldError]:
    given = [f for f in volume if f in _SOURCES and volume[f] is not None]
    if not given:
        return [required(path, "must specify a volume type")]
    given.sort(key=_ORDER.__getitem__)
    field = given[0]
    source: Object = volume[field]
    out = _image(source, f"{path}.image", pod) if field == "image" else _SOURCES[field](source, f"{path}.{field}")
    out += [forbidden(f"{path}.{_MISNAMED.get(f, f)}", _MANY) for f in given[1:]]
    name = volume.get("name") or ""
    portal = f"{name}:{source.get('targetPortal') or ''}" if source.get("initiatorName") is not None else ""
    if field == "iscsi" and len(portal) > 64:
        out.append(invalid(f"{path}.name", name, _PORTAL))
    if field == "ephemeral" and pod.name and name:
        claim = f"{pod.name}-{name}"
        out += [invalid(f"{path}.name", name, f'PVC name "{claim}": {m}') for m in names.dns1123_subdomain(claim)]
    return out


def mode(value: int | None, path: str) -> list[FieldError]:
    return [invalid(path, value, _MODE)] if value is not None and not 0 <= value <= 0o777 else []


def _file_path(value: str, path: str) -> list[FieldError]:
    """A path inside a volume that the kubelet writes."""
    if not value:
        return [required(path)]
    out = checks.descending_path(value, path)
    if value.startswith("..") and not value.startswith("../"):
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


def _empty_dir(s: Object, path: str) -> list[FieldError]:
    limit = s.get("sizeLimit")
    if limit is not None and quantity.parse(str(limit)) < 0:
        return [forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def _keys_of(field: str) -> _Check:
    """A Secret or ConfigMap, named by ``field``, whose keys become files."""

    def check(s: Object, path: str) -> list[FieldError]:
        out = [] if s.get(field) else [required(f"{path}.{field}")]
        return out + mode(s.get("defaultMode"), f"{path}.defaultMode") + _items(s.get("items"), path)

    return check


def _downward_file(item: Object, path: str) -> list[FieldError]:
    out = _file_path(item.get("path") or "", f"{path}.path")
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        out += containerenv.field_ref(field, f"{path}.fieldRef", containerenv.VOLUME_FIELDS)
        if resource is not None:
            words = "fieldRef and resourceFieldRef can not be specified simultaneously"
            out.append(invalid(path, "resource", words))
    elif resource is not None:
        out += containerenv.resource_ref(resource, f"{path}.resourceFieldRef", volume=True)
    else:
        out.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    return out + mode(item.get("mode"), f"{path}.mode")


def _downward(s: Object, path: str) -> list[FieldError]:
    out = mode(s.get("defaultMode"), f"{path}.defaultMode")
    for item in s.get("items") or ():
        out += _downward_file(item, path)  # upstream's path has no index
    return out


def _projected(s: Object, path: str) -> list[FieldError]:
    out = mode(s.get("defaultMode"), f"{path}.defaultMode")
    paths: set[str] = set()
    for i, source in enumerate(s.get("sources") or ()):
        at = f"{path}.sources[{i}]"
        kinds = [k for k in ("secret", "configMap", "downwardAPI", "serviceAccountToken") if source.get(k) is not None]
        for kind in kinds:
            body = source[kind]
            if kind == "downwardAPI":
                for item in body.get("items") or ():
                    out += _downward_file(item, f"{at}.{kind}")
            elif kind == "serviceAccountToken":
                out += checks.token_seconds(body.get("expirationSeconds"), f"{at}.{kind}.expirationSeconds")
                out += _file_path(body.get("path") or "", f"{path}.path")  # upstream's path
            else:
                out += [] if body.get("name") else [required(f"{at}.{kind}.name")]
                out += _items(body.get("items"), f"{at}.{kind}")
            for wanted in _paths(body) if kind != "serviceAccountToken" else ():
                if wanted in paths:
                    shown = wanted if kind == "downwardAPI" else body.get("name") or ""
                    out.append(invalid(path, shown, "conflicting duplicate paths"))
                paths.add(wanted)
        if len(kinds) > 1:
            out.append(forbidden(at, "may not specify more than 1 volume type per source"))
    return out


def _paths(body: Object) -> Iterator[str]:
    for item in body.get("items") or ():
        if item.get("path"):
            yield item["path"]


def _iscsi(s: Object, path: str) -> list[FieldError]:
    out = [required(f"{path}.targetPortal")] if not s.get("targetPortal") else []
    iqn = s.get("iqn") or ""
    out += _initiator(iqn, f"{path}.iqn") if iqn else [required(f"{path}.iqn")]
    out += in_range(s.get("lun"), 0, 255, f"{path}.lun")
    if (s.get("chapAuthDiscovery") or s.get("chapAuthSession")) and s.get("secretRef") is None:
        out.append(required(f"{path}.secretRef"))
    if (initiator := s.get("initiatorName")) is not None:
        out += _initiator(initiator, f"{path}.initiatorname")
    return out


def _initiator(value: str, path: str) -> list[FieldError]:
    if not value.startswith(_INITIATORS):
        return [invalid(path, value, "must be valid format starting with iqn, eui, or naa")]
    return volumesources.initiator(value, path)


def _secret_named(*fields: str) -> _Check:
    """``fields`` must be there, and a reference to a Secret must name it."""

    def check(s: Object, path: str) -> list[FieldError]:
        out = needed(*fields)(s, path)
        ref = s.get("secretRef")
        return [*out, required(f"{path}.secretRef.name")] if ref is not None and not ref.get("name") else out

    return check


def _storage_os(s: Object, path: str) -> list[FieldError]:
    out = _secret_named("volumeName")(s, path)
    for field in ("volumeName", "volumeNamespace"):
        if value := s.get(field):
            out += checks.named(names.dns1123_label, f"{path}.{field}", value)
    return out


def _git_repo(s: Object, path: str) -> list[FieldError]:
    out = needed("repository")(s, path)
    return out + checks.descending_path(s.get("directory") or "", f"{path}.directory")


def _csi(s: Object, path: str) -> list[FieldError]:
    out = storage.driver_name(s.get("driver"), f"{path}.driver")
    if (ref := s.get("nodePublishSecretRef")) is not None:
        if not ref.get("name"):
            out.append(required(f"{path}.nodePublishSecretRef.name"))
        else:
            out += checks.named(names.dns1123_subdomain, f"{path}.name", ref["name"])
    return out


def _ephemeral(s: Object, path: str) -> list[FieldError]:
    template, at = s.get("volumeClaimTemplate"), f"{path}.volumeClaimTemplate"
    if template is None:
        return [required(at)]
    meta = template.get("metadata") or {}
    out = check_annotations(meta.get("annotations") or {}, f"{at}.metadata.annotations")
    out += check_labels(meta.get("labels") or {}, f"{at}.metadata.labels")
    out += [forbidden(f"{at}.metadata.{f}", "cannot be set") for f in meta if f not in _TEMPLATE_META and meta[f]]
    return out + persistentvolumeclaims.validate_spec(template.get("spec") or {}, f"{at}.spec")


def _image(s: Object, path: str, pod: PodContext) -> list[FieldError]:
    out = [required(f"{path}.reference")] if not pod.template and not s.get("reference") else []
    return out + checks.one_of(s.get("pullPolicy"), ("Always", "IfNotPresent", "Never"), f"{path}.pullPolicy")


#: Field of a volume → its rule, in upstream's order: the first that is set is the volume.
_SOURCES: dict[str, _Check] = {
    "emptyDir": _empty_dir,
    "hostPath": volumesources.host_path,
    "gitRepo": _git_repo,
    "gcePersistentDisk": volumesources.disk("pdName", "persistentDisk"),
    "awsElasticBlockStore": volumesources.disk("volumeID"),
    "secret": _keys_of("secretName"),
    "nfs": volumesources.nfs,
    "iscsi": _iscsi,
    "glusterfs": needed("endpoints", "path"),
    "flocker": volumesources.flocker,
    "persistentVolumeClaim": needed("claimName"),
    "rbd": needed("monitors", "image"),
    "cinder": _secret_named("volumeID"),
    "cephfs": needed("monitors"),
    "quobyte": volumesources.quobyte,
    "downwardAPI": _downward,
    "fc": volumesources.fc,
    "flexVolume": volumesources.flex_volume,
    "configMap": _keys_of("name"),
    "azureFile": needed("secretName", "shareName"),
    "vsphereVolume": needed("volumePath"),
    "photonPersistentDisk": needed("pdID"),
    "portworxVolume": needed("volumeID"),
    "azureDisk": volumesources.azure_disk,
    "storageos": _storage_os,
    "projected": _projected,
    "scaleIO": needed("gateway", "system", "volumeName"),
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": lambda source, path: [],  # depends on the pod: see _source
}
_ORDER = {field: i for i, field in enumerate(_SOURCES)}
#: What upstream's errors call a second source, where it is not the field's name.
_MISNAMED = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
