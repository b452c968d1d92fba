"""VolumeAttachments. Source: pkg/apis/storage/validation (ValidateVolumeAttachment)."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid, required, too_long
from kubette.apiserver.registry import checks, persistentvolumes, storage
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_METADATA_SIZE, _MESSAGE_LONGEST = 256 * 1024, 1024
_ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


class VolumeAttachments(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        out = storage.driver_name(spec.get("attacher"), "spec.attacher")
        out += _source(spec.get("source") or {}, "spec.source")
        out += checks.named(names.dns1123_subdomain, "spec.nodeName", spec.get("nodeName") or "")
        return out + _status(obj.get("status") or {})

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return self.validate(new, ctx) + checks.immutable(new.get("spec"), old.get("spec"), "spec")


def _source(source: Object, path: str) -> list[FieldError]:
    inline, name = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
    if inline is None and name is None:
        return [required(path, _ONE_SOURCE)]
    if inline is not None and name is not None:
        return [forbidden(path, _ONE_SOURCE)]
    if inline is not None:
        return persistentvolumes.validate_spec(inline, "", f"{path}.inlineVolumeSpec", inline=True)
    out = [] if name else [required(f"{path}.persistentVolumeName", "must specify non empty persistentVolumeName")]
    return out + checks.named(names.dns1123_subdomain, f"{path}.persistentVolumeName", name or "")


def _status(status: Object) -> list[FieldError]:
    out: list[FieldError] = []
    metadata = status.get("attachmentMetadata") or {}
    if sum(len(k.encode()) + len(v.encode()) for k, v in metadata.items()) > _METADATA_SIZE:
        out.append(too_long("status.attachmentMetadata", _METADATA_SIZE))
    for field in ("attachError", "detachError"):
        error = status.get(field) or {}
        if len((error.get("message") or "").encode()) > _MESSAGE_LONGEST:
            out.append(too_long(f"status.{field}.message", _METADATA_SIZE))  # upstream names this limit
        code = error.get("errorCode")
        if code is not None and code < 0:
            words = "must be between 0 and 2147483647, inclusive"
            out.append(invalid(f"status.{field}.errorCode", code, words))
    return out
