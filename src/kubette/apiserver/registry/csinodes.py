"""CSINodes. Source: pkg/apis/storage/validation (ValidateCSINode, ValidateCSINodeUpdate)."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, duplicate, invalid, required
from kubette.apiserver.registry import checks, storage
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_NODE_ID_LONGEST = 256


class CSINodes(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out: list[FieldError] = []
        seen: set[str] = set()
        for i, driver in enumerate(_drivers(obj)):
            path, name, node = f"spec.drivers[{i}]", driver.get("name") or "", driver.get("nodeID") or ""
            out += storage.driver_name(name, f"{path}.name")
            if not node:
                out.append(required(f"{path}.nodeID"))
            if len(node.encode()) > _NODE_ID_LONGEST:
                out.append(invalid(f"{path}.nodeID", node, f"must be {_NODE_ID_LONGEST} characters or less"))
            out += checks.non_negative((driver.get("allocatable") or {}).get("count"), f"{path}.allocatable.count")
            if name in seen:
                out.append(duplicate(f"{path}.name", name))
            seen.add(name)
            out += _topology(driver.get("topologyKeys") or [], path)
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """A driver that stays keeps all but what it can attach."""
        out = self.validate(new, ctx)
        for before in _drivers(old):
            for now in _drivers(new):
                if before.get("name") == now.get("name"):
                    kept = {**now, "allocatable": None}
                    out += checks.immutable(kept, {**before, "allocatable": None}, "spec.drivers")
        return out


def _drivers(obj: Object) -> list[Object]:
    return (obj.get("spec") or {}).get("drivers") or []


def _topology(keys: list[str], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for i, key in enumerate(keys):
        if not key:
            out.append(required(path))
        if key in keys[:i]:
            out.append(duplicate(path, key))
        out += checks.qualified_name(key, path)
    return out
