"""Events, in both their groups. Source: pkg/registry/core/event, core/validation/events.go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubette.api.errors import FieldError, invalid
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_ABOUT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def _about(obj: Object) -> Object:
    """What the event is about: ``involvedObject`` in core, ``regarding`` in events.k8s.io."""
    return obj.get("involvedObject") or obj.get("regarding") or {}


def _reader(field: str) -> Callable[[Object], str]:
    return lambda obj: str(_about(obj).get(field) or "")


def _component(obj: Object) -> str:
    return str(obj.get("reportingComponent") or obj.get("reportingController") or "")


def _source(obj: Object) -> str:
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    return str(source.get("component") or _component(obj))


_FIELDS: dict[str, Callable[[Object], str]] = {
    "reason": lambda o: o.get("reason") or "",
    "type": lambda o: o.get("type") or "",
    "source": _source,
    "reportingComponent": _component,
    "reportingController": _component,
}
for _name in _ABOUT:
    _FIELDS[f"involvedObject.{_name}"] = _FIELDS[f"regarding.{_name}"] = _reader(_name)


class Events(Strategy):
    allow_create_on_update = True
    selectable_fields = _FIELDS

    def default(self, obj: Object) -> None:
        if not self.kind.group:
            obj.setdefault("source", {})
            obj.setdefault("reportingComponent", "")
            obj.setdefault("reportingInstance", "")

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        field = "regarding" if self.kind.group else "involvedObject"
        about = _about(obj).get("namespace") or ""
        namespace = obj["metadata"].get("namespace") or ""
        if about == namespace or (not about and namespace in ("default", "kube-system")):
            return []
        return [invalid(f"{field}.namespace", about, "does not match event.namespace")]

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return self.validate(new, ctx)
