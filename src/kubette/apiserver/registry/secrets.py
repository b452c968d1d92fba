"""Secrets: types with required keys, stringData merged into data. Source: core/validation (ValidateSecret)."""

from __future__ import annotations

import base64
import json
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required, too_long
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.configmaps import MAX_SIZE, decoded_size, immutable_errors

Object = dict[str, Any]
_ACCOUNT = "kubernetes.io/service-account.name"
#: type → keys of ``data`` that must be there.
_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


class Secrets(Strategy):
    selectable_fields = {"type": lambda o: o.get("type") or ""}  # noqa: RUF012

    def default(self, obj: Object) -> None:
        if not obj.get("type"):
            obj["type"] = "Opaque"
        if text := obj.pop("stringData", None):
            data = obj.setdefault("data", {})
            for key, value in text.items():
                data[key] = base64.b64encode((value or "").encode()).decode()

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out: list[FieldError] = []
        data = obj.get("data") or {}
        size = 0
        for key, value in data.items():
            out += checks.named(names.config_map_key, f"data[{key}]", key)
            size += decoded_size(value)
        if size > MAX_SIZE:
            out.append(too_long("data", MAX_SIZE))
        return out + _of_type(obj, data)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        out = checks.immutable(new.get("type"), old.get("type"), "type")
        out += immutable_errors(new, old, ("data",))
        return out + self.validate(new, ctx)


def _of_type(obj: Object, data: Object) -> list[FieldError]:
    kind = obj.get("type") or ""
    if kind == "kubernetes.io/service-account-token":
        if not (obj["metadata"].get("annotations") or {}).get(_ACCOUNT):
            return [required(f"metadata.annotations[{_ACCOUNT}]")]
        return []
    if kind == "kubernetes.io/basic-auth":
        if "username" not in data and "password" not in data:
            return [required("data[username]"), required("data[password]")]
        return []
    missing = [required(f"data[{key}]") for key in _KEYS.get(kind, ()) if key not in data]
    if kind in ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson") and not missing:
        key = _KEYS[kind][0]
        try:
            json.loads(base64.b64decode(data[key] or ""))
        except ValueError as e:
            return [invalid(f"data[{key}]", "<secret contents redacted>", str(e))]
    return missing
