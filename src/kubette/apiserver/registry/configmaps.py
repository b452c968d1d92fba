"""ConfigMaps. Source: pkg/registry/core/configmap, core/validation (ValidateConfigMap)."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid, too_long
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
MAX_SIZE = 1024 * 1024


def decoded_size(text: str | None) -> int:
    """The number of bytes that base64 ``text`` stands for; null is the empty value."""
    bare = (text or "").rstrip("=")
    return len(bare) * 3 // 4


class ConfigMaps(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out: list[FieldError] = []
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        size = 0
        for key, value in data.items():
            out += checks.named(names.config_map_key, f"data[{key}]", key)
            if key in binary:
                out.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
            size += len(value.encode())
        for key, value in binary.items():
            out += checks.named(names.config_map_key, f"binaryData[{key}]", key)
            size += decoded_size(value)
        if size > MAX_SIZE:
            out.append(too_long("[]", MAX_SIZE))  # upstream: of a path without a name
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return immutable_errors(new, old, ("data", "binaryData")) + self.validate(new, ctx)


def immutable_errors(new: Object, old: Object, fields: tuple[str, ...]) -> list[FieldError]:
    """What ``immutable: true`` forbids, of ConfigMaps and Secrets alike."""
    if not old.get("immutable"):
        return []
    words = "field is immutable when `immutable` is set"
    out = [] if new.get("immutable") else [forbidden("immutable", words)]
    return out + [forbidden(f, words) for f in fields if (new.get(f) or {}) != (old.get(f) or {})]
