"""RuntimeClasses. Source: pkg/apis/node/validation, pkg/api/node (warnings)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, required
from kubette.apiserver.registry import checks, nodelabels, resources, scheduling
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.objectmeta import check_labels

Object = dict[str, Any]
_KEY = ("key", "operator", "value", "effect")


class RuntimeClasses(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        handler = obj.get("handler") or ""
        out = checks.named(names.dns1123_label, "handler", handler) if handler else [required("handler")]
        if (overhead := obj.get("overhead")) is not None:
            out += resources.requirements({"limits": overhead.get("podFixed") or {}}, "overhead")
        if (placing := obj.get("scheduling")) is not None:
            out += check_labels(placing.get("nodeSelector") or {}, "scheduling.nodeSelector")
            out += _tolerations(placing.get("tolerations") or [], "scheduling.tolerations")
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return self.validate(new, ctx) + checks.immutable(new.get("handler"), old.get("handler"), "handler")

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        for key in (obj.get("scheduling") or {}).get("nodeSelector") or {}:
            if why := nodelabels.DEPRECATED.get(key):
                yield f"scheduling.nodeSelector: {why}"

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return self.warnings_on_create(new, ctx)


def _tolerations(values: list[Object], path: str) -> list[FieldError]:
    out = scheduling.tolerations(values, path)
    seen: set[tuple[str, ...]] = set()
    for i, toleration in enumerate(values):
        key = tuple(toleration.get(f) or "" for f in _KEY)
        if key in seen:
            out.append(duplicate(f"{path}[{i}]", toleration))
        seen.add(key)
    return out
