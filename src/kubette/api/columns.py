"""``kubectl get``: objects as a ``metav1.Table`` with upstream's printed columns.

A server prints, so that every client shows the same. What a kind's cells say is in ``columns_pods``,
``columns_workloads``, ``columns_network``, ``columns_storage`` and ``columns_cluster``, each a table of printers; a
kind in none of them has NAME and CREATED AT, a custom kind NAME and AGE. Pure but for the default clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from kubette.api.columns_text import Cells, Obj, Printer, age, name
from kubette.api.kinds import Kind, by_resource

Include = Literal["None", "Metadata", "Object"]

_PHASES = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}
_DESCRIPTIONS = {
    "Name": "Name must be unique within a namespace.",
    "Age": "The time since the object was created.",
    "Created At": "The time at which the object was created.",
}


def _created_at(obj: Obj, now: datetime) -> Cells:
    return [name(obj), (obj.get("metadata") or {}).get("creationTimestamp")]


def _custom(obj: Obj, now: datetime) -> Cells:
    return [name(obj), age(obj, now)]


_BUILT_IN = Printer("Name|Created At", _created_at)
_CUSTOM = Printer("Name|Age", _custom)


def table(
    kind: Kind,
    objs: Sequence[Obj],
    wide: bool = True,
    *,
    include: Include | str = "None",
    now: datetime | None = None,
) -> dict[str, Any]:
    """A Table with one row an object, in their order; metadata is the caller's to add.

    ``wide``: the columns of ``-o wide`` too. A server always sends them; clients hide columns of priority 1.
    ``include`` is the client's ``includeObject``: what each row carries in ``object``."""
    printer = _printer(kind, objs)
    moment = now or datetime.now(UTC)
    columns = [c for c in printer.columns.split("|") if wide or not c.startswith("*")]
    kept = None if wide else [not c.startswith("*") for c in printer.columns.split("|")]
    rows = []
    for obj in objs:
        cells = printer.cells(obj, moment)
        row: dict[str, Any] = {"cells": cells if kept is None else _compress(cells, kept)}
        if kind.group_resource == "pods" and (phase := (obj.get("status") or {}).get("phase")) in _PHASES:
            row["conditions"] = [
                {"type": "Completed", "status": "True", "reason": phase, "message": _PHASES[phase]}
            ]  # fmt: skip
        if include == "Object":
            row["object"] = obj
        elif include == "Metadata":
            row["object"] = {
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj.get("metadata") or {},
            }  # fmt: skip
        rows.append(row)
    return {
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": [_definition(column) for column in columns], "rows": rows,
    }  # fmt: skip


def _compress(cells: Iterable[Any], kept: Sequence[bool]) -> Cells:
    return [cell for cell, keep in zip(cells, kept, strict=True) if keep]


def _printer(kind: Kind, objs: Sequence[Obj]) -> Printer:
    if objs and objs[0].get("kind") == "Scale":  # a subresource of several kinds
        return _printers()["Scale"]
    if by_resource(kind.group, kind.version, kind.plural) is None:
        return _CUSTOM
    return _printers().get(kind.group_resource, _BUILT_IN)


@cache
def _printers() -> dict[str, Printer]:
    from kubette.api import columns_cluster, columns_network, columns_pods, columns_storage, columns_workloads

    out: dict[str, Printer] = {}
    for module in (columns_pods, columns_workloads, columns_network, columns_storage, columns_cluster):
        out |= module.PRINTERS
    return out


@cache
def _definition_parts(column: str) -> tuple[str, str, str, int]:
    title = column.strip("*#?")
    kind = {"#": "integer", "?": "boolean"}.get(column[-1], "date" if title == "Created At" else "string")
    return title, kind, "name" if title == "Name" else "", int(column.startswith("*"))


def _definition(column: str) -> dict[str, Any]:
    title, kind, form, priority = _definition_parts(column)
    description = _DESCRIPTIONS.get(title, f"{title}.")
    return {"name": title, "type": kind, "format": form, "description": description, "priority": priority}
