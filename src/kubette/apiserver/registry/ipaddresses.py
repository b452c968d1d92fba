"""IPAddresses: who holds an address of the Services. Source: networking/validation (ValidateIPAddress)."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, required
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class IPAddresses(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        ref, path = (obj.get("spec") or {}).get("parentRef"), "spec.parentRef"
        if ref is None:
            return [required(path)]
        out = checks.named(names.dns1123_subdomain, f"{path}.group", ref["group"]) if ref.get("group") else []
        for field in ("resource", "name", "namespace"):
            if value := ref.get(field):
                out += checks.named(names.path_segment_name, f"{path}.{field}", value)
            elif field != "namespace":
                out.append(required(f"{path}.{field}"))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        now, before = ((o.get("spec") or {}).get("parentRef") for o in (new, old))
        return checks.immutable(now, before, "spec.parentRef")
