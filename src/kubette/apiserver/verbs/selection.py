"""Label and field selectors of a list, watch or deletecollection: which objects a request sees. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from kubette.api.errors import BadRequest
from kubette.api.kinds import Kind
from kubette.api.selectors import FieldSelector, LabelSelector, parse_fields, parse_labels
from kubette.apiserver.convert import conversion
from kubette.apiserver.objects import served_object
from kubette.apiserver.registry import strategy_for
from kubette.apiserver.request import RequestInfo
from kubette.store import Event, Topic

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """``everything``: no selector, so that no object need be decoded. ``name``: the only one wanted."""

    kind: Kind
    namespace: str | None
    labels: LabelSelector
    fields: FieldSelector
    getters: dict[str, Callable[[Object], str]]
    name: str | None
    everything: bool
    #: For each requirement on a label's value: texts of which one is in the bytes of every match.
    needles: tuple[tuple[bytes, ...], ...] = ()

    def wants_key(self, namespace: str, name: str) -> bool:
        return (self.namespace is None or namespace == self.namespace) and (self.name is None or name == self.name)

    @property
    def topic(self) -> Topic | None:
        """The one exact condition by which a watch with this selection is indexed: the one that fewest objects meet.
        It is a field of the stored object."""
        if self.name is not None:
            return "metadata.name", self.name
        for field in _INDEXED if conversion(self.kind) is None else ():
            if (value := self.fields.exact(field)) is not None:
                return field, value
        namespace = self.namespace or self.fields.exact("metadata.namespace")
        return ("metadata.namespace", namespace) if namespace else None

    def matches(self, value: bytes) -> bool:
        """Whether the stored object is selected (its namespace is right already)."""
        if self.everything:
            return True
        for texts in self.needles:
            if not any(text in value for text in texts):
                return False  # told without decoding
        obj = served_object(self.kind, orjson.loads(value))
        meta = obj["metadata"]
        if not self.labels.matches(meta.get("labels")):
            return False
        terms = self.fields.terms
        if not terms:
            return True
        values = {field: self.getters[field](obj) for field, _, _ in terms}
        return self.fields.matches(values)

    def change(self, event: Event) -> str | None:
        """What a watcher with this selection sees of an event: ADDED, MODIFIED, DELETED or nothing."""
        _, namespace, name = event.key
        if not self.wants_key(namespace, name):
            return None
        if self.everything:
            return event.type
        before = event.prev is not None and self.matches(event.prev)
        after = not event.deleted and self.matches(event.value)
        if after:
            return "MODIFIED" if before else "ADDED"
        return "DELETED" if before else None


def selection(info: RequestInfo, kind: Kind) -> Selection:
    """Of a request's ``labelSelector`` and ``fieldSelector``. Raises BadRequest."""
    labels, fields = LabelSelector(), FieldSelector()
    if info.query:
        try:
            labels = parse_labels(info.param("labelSelector"))
        except ValueError as e:
            raise BadRequest(
                f"unable to parse requirement: {e}".replace(
                    "unable to parse requirement: unable to parse requirement", "unable to parse requirement"
                )
            ) from e
        try:
            fields = parse_fields(info.param("fieldSelector"))
        except ValueError as e:
            raise BadRequest(str(e)) from e
    getters: dict[str, Callable[[Object], str]] = dict(_ALWAYS)
    if fields.terms:
        getters.update(strategy_for(kind).selectable_fields)
        for field, _, _ in fields.terms:
            if field not in getters:
                raise BadRequest(
                    f"field label not supported: {field}" if len(getters) > len(_ALWAYS) else
                    f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
                )  # fmt: skip
    namespace: str | None = info.namespace or None
    if not kind.namespaced:
        namespace = ""
    name = fields.exact("metadata.name")
    only_name = name is not None and len(fields.terms) == 1
    return Selection(
        kind, namespace, labels, fields, getters, name,
        everything=labels.everything and (not fields.terms or only_name),
        needles=tuple(
            tuple(orjson.dumps(r.key) + b":" + orjson.dumps(v) for v in r.values)
            for r in labels.requirements if r.operator in ("in", "=", "==")
        ),
    )  # fmt: skip


#: Fields whose exact value indexes a watch, the most selective first.
_INDEXED = (
    "spec.nodeName", *(f"involvedObject.{name}" for name in ("uid", "name", "fieldPath", "resourceVersion")),
    *(f"involvedObject.{name}" for name in ("namespace", "kind", "apiVersion")),
)  # fmt: skip
_ALWAYS: dict[str, Callable[[Object], str]] = {
    "metadata.name": lambda obj: str(obj["metadata"].get("name", "")),
    "metadata.namespace": lambda obj: str(obj["metadata"].get("namespace", "")),
}
