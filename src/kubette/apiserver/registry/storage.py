"""Rules that several storage kinds share: provisioners, their parameters, names of CSI drivers, access modes.

Source: pkg/apis/storage/validation and pkg/apis/core/validation. Pure.
"""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required, too_long
from kubette.apiserver.registry import checks

Object = dict[str, Any]
_MAX_PARAMETERS, _PARAMETERS_SIZE = 512, 256 * 1024
_DRIVER_LONGEST = 63


def provisioner(name: str | None, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    return [invalid(path, name.lower(), m) for m in names.qualified_name(name.lower())]


def parameters(values: Object | None, path: str, *, needed: bool = False) -> list[FieldError]:
    values = values or {}
    if len(values) > _MAX_PARAMETERS:
        return [too_long(path, _MAX_PARAMETERS)]
    out = [invalid(path, key, "field can not be empty.") for key in values if not key]
    if sum(len(k.encode()) + len(v.encode()) for k, v in values.items()) > _PARAMETERS_SIZE:
        out.append(too_long(path, _PARAMETERS_SIZE))
    if needed and not values:
        out.append(required(path, "must contain at least one key/value pair"))
    return out


def driver_name(name: str | None, path: str) -> list[FieldError]:
    """The name of a CSI driver: a DNS name in any case, 63 bytes."""
    if not name:
        return [required(path)]
    out = [too_long(path, _DRIVER_LONGEST)] if len(name.encode()) > _DRIVER_LONGEST else []
    return out + [invalid(path, name, m) for m in names.dns1123_subdomain(name.lower())]


def class_name(name: str, path: str) -> list[FieldError]:
    """The name of a StorageClass or VolumeAttributesClass."""
    return checks.named(names.dns1123_subdomain, path, name)
