"""StorageClasses. Source: pkg/apis/storage/{v1/defaults.go,validation}, pkg/api/storage (warnings)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubette.api.errors import FieldError, duplicate, required
from kubette.apiserver.registry import checks, nodelabels, storage
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_FIXED = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")


class StorageClasses(Strategy):
    def default(self, obj: Object) -> None:
        obj.setdefault("reclaimPolicy", "Delete")
        obj.setdefault("volumeBindingMode", "Immediate")

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out = storage.provisioner(obj.get("provisioner"), "provisioner")
        out += storage.parameters(obj.get("parameters"), "parameters")
        out += checks.if_set(obj.get("reclaimPolicy"), ("Delete", "Retain"), "reclaimPolicy")
        modes = ("Immediate", "WaitForFirstConsumer")
        out += checks.known(obj.get("volumeBindingMode"), modes, "volumeBindingMode")
        return out + _topologies(obj.get("allowedTopologies") or [])

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        out = self.validate(new, ctx)
        for field in _FIXED:
            out += checks.immutable(new.get(field) or None, old.get(field) or None, field)
        return out

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        for i, term in enumerate(obj.get("allowedTopologies") or ()):
            for j, expression in enumerate(term.get("matchLabelExpressions") or ()):
                if why := nodelabels.DEPRECATED.get(expression.get("key") or ""):
                    yield f"allowedTopologies[{i}].matchLabelExpressions[{j}].key: {why}"

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return self.warnings_on_create(new, ctx)


def _topologies(terms: list[Object]) -> list[FieldError]:
    """Terms differ from one another and from the empty one."""
    out: list[FieldError] = []
    seen: list[dict[str, set[str]]] = [{}]
    for i, term in enumerate(terms):
        path = f"allowedTopologies[{i}].matchLabelExpressions"
        values: dict[str, set[str]] = {}
        for j, expression in enumerate(term.get("matchLabelExpressions") or ()):
            key = expression.get("key") or ""
            out += _values(expression.get("values") or [], f"{path}[{j}].values")
            out += checks.qualified_name(key, f"{path}[{j}].key")
            if key in values:
                out.append(duplicate(f"{path}[{j}].key", key))
            values[key] = set(expression.get("values") or ())
        if values in seen:
            out.append(duplicate(path, ""))
        seen.append(values)
    return out


def _values(values: list[str], path: str) -> list[FieldError]:
    if not values:
        return [required(path)]
    return [duplicate(f"{path}[{i}]", value) for i, value in enumerate(values) if value in values[:i]]
