"""Events, in both their groups. Source: pkg/registry/core/event, core/validation/events.go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.objectmeta import qualified_name_errors

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
    selectable_fields = _FIELDS

    def default(self, obj: Object) -> None:
        if not self.kind.group:
            obj.setdefault("source", {})
            obj.setdefault("reportingComponent", "")
            obj.setdefault("reportingInstance", "")

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out = _legacy(obj, bool(self.kind.group))
        return out + _strict(obj) if self.kind.group else out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        out = _legacy(new, bool(self.kind.group))
        if not self.kind.group:
            return out
        if new.get("series") != old.get("series"):
            out += _series(new)
        for field, told_as in _FIXED.items():
            if (new.get(field) or None) != (old.get(field) or None):
                out.append(invalid(told_as, new.get(field), checks.IMMUTABLE))
        return out


#: What an event of events.k8s.io keeps: all but its series. Field → the name in upstream's errors.
_FIXED = {
    "regarding": "involvedObject", "reason": "reason", "note": "message", "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp", "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count", "type": "type", "eventTime": "eventTime", "action": "action", "related": "related",
    "reportingController": "reportingController", "reportingInstance": "reportingInstance",
}  # fmt: skip
_LONGEST = 128
_NOTE_LONGEST = 1024


def _legacy(obj: Object, strict: bool) -> list[FieldError]:
    """What holds in both groups: for events that say when they happened, who reports what. ``strict``: of
    events.k8s.io."""
    about, namespace = _about(obj).get("namespace") or "", obj["metadata"].get("namespace") or ""
    new = bool(obj.get("eventTime"))
    out: list[FieldError] = []
    if about != namespace and not (new if about else namespace in _HOMES[new]):
        out.append(invalid("involvedObject.namespace", about, "does not match event.namespace"))
    if not new:
        return out
    controller = _component(obj)
    reporter = "reportingController" if strict else "reportingComponent"
    if not controller:
        out.append(required(reporter))
    out += [invalid(reporter, controller, m) for m in qualified_name_errors(controller)]
    for field in ("reportingInstance", "action", "reason"):
        text = obj.get(field) or ""
        if not text:
            out.append(required(field))
        if len(text) > _LONGEST:
            out.append(invalid(field, "", f"can have at most {_LONGEST} characters"))
    if len(obj.get("message") or obj.get("note") or "") > _NOTE_LONGEST:
        out.append(invalid("message", "", f"can have at most {_NOTE_LONGEST} characters"))
    return out


#: Where an event may be about something without a namespace: without and with an eventTime.
_HOMES = {False: ("default",), True: ("default", "kube-system")}


def _strict(obj: Object) -> list[FieldError]:
    """What events.k8s.io asks of a new event besides."""
    out = _series(obj)
    if not obj.get("eventTime"):
        out.append(required("eventTime"))
    if obj.get("type") not in ("Normal", "Warning"):
        out.append(invalid("type", "", f"has invalid value: {obj.get('type') or ''}"))
    for field, told_as in _FIXED.items():
        if field.startswith("deprecated") and obj.get(field):
            out.append(invalid(told_as, "", "needs to be unset"))
    return out


def _series(obj: Object) -> list[FieldError]:
    series = obj.get("series")
    if series is None:
        return []
    out: list[FieldError] = []
    if (series.get("count") or 0) < 2:
        out.append(invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        out.append(required("series.lastObservedTime"))
    return out
