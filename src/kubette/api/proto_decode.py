"""Protobuf read: the bytes of a message into a JSON dict, bounded against hostile input.

Used by ``protobuf.py`` only, which turns the errors raised here (ValueError, IndexError at a cut-off body,
OverflowError, struct.error) into one.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

import orjson

from kubette.api.meta import format_micro, format_time
from kubette.api.proto_rows import SCHEMA_OR, Message, message, message_of
from kubette.api.quantity import canonical

Obj = dict[str, Any]

MAGIC = b"k8s\x00"
MAX_DEPTH = 64  # nested messages; the deepest real ones, CRD schemas, stay far below
MAX_FIELDS = 500_000  # in one body: two bytes on the wire may cost a hundred in memory
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Budget:
    """How many fields may still be read; keeps a small body from becoming a large tree."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_FIELDS

    def spend(self, count: int = 1) -> None:
        self.left -= count
        if self.left < 0:
            raise ValueError("too many fields")


def envelope(data: bytes, default: tuple[str, str] | None, budget: Budget | None = None, depth: int = 0) -> Obj:
    """The object in the envelope ``data``; ``default`` is (apiVersion, kind) where it names none."""
    budget = budget or Budget()
    if not data.startswith(MAGIC):
        raise ValueError("provided data does not appear to be a protobuf message, expected prefix 6b 38 73 00")
    view = memoryview(data)[len(MAGIC) :]
    api_version, kind = default or ("", "")
    raw, content_type = memoryview(b""), ""
    for number, wire, value in _fields(view):
        if wire != 2:
            continue
        if number == 1:
            for n, w, text in _fields(value):
                if w == 2 and n == 1:
                    api_version = _text(text) or api_version
                elif w == 2 and n == 2:
                    kind = _text(text) or kind
        elif number == 2:
            raw = value
        elif number == 3 and len(value):
            raise ValueError(f"unsupported content encoding {_text(value)!r}")
        elif number == 4:
            content_type = _text(value)
    if content_type == "application/json":
        obj = orjson.loads(raw)
        if not isinstance(obj, dict):
            raise ValueError("the body is not an object")
        return obj
    name = message_of(api_version, kind)
    if name is None:
        raise ValueError(f'no kind "{kind}" is registered for version "{api_version}" in protobuf')
    out: Obj = {"apiVersion": api_version, "kind": kind}
    _read(message(name), raw, out, budget, depth)
    return out


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    out = shift = 0
    while True:
        byte = view[at]
        at += 1
        out |= (byte & 0x7F) << shift
        if byte < 0x80:
            return out & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise ValueError("integer overflow")


def _fields(view: memoryview) -> Iterator[tuple[int, int, Any]]:
    """Number, wire type and value (int, or the bytes of types 1, 2 and 5) of each field."""
    at, end = 0, len(view)
    while at < end:
        tag, at = _varint(view, at)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise ValueError(f"illegal tag {number}")
        if wire == 0:
            value, at = _varint(view, at)
            yield number, wire, value
            continue
        if wire == 2:
            size, at = _varint(view, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"illegal wire type {wire}")
        if size > end - at:
            raise ValueError("unexpected EOF")
        yield number, wire, view[at : at + size]
        at += size


def _read(row: Message, view: memoryview, out: Obj, budget: Budget, depth: int) -> None:
    """Read ``view`` into ``out``; unknown fields are passed over, as upstream does."""
    if depth > MAX_DEPTH:
        raise ValueError("exceeded max depth")
    for number, wire, value in _fields(view):
        budget.spend()
        field = row.by_number.get(number)
        if field is None:
            continue
        name, kind = field.name, field.type
        if field.how == "<":
            _read(message(kind), _sized(wire, value), out, budget, depth + 1)
        elif field.shape == "{}":
            key, item = _entry(kind, _sized(wire, value), budget, depth)
            out.setdefault(name, {})[key] = item
        elif field.shape == "[]":
            items = out.setdefault(name, [])
            if wire == 2 and kind in "bil":
                items += _packed(kind, value, budget)
            else:
                items.append(_value(kind, wire, value, None, budget, depth))
        else:
            item = _value(kind, wire, value, out.get(name), budget, depth)
            if item is _ABSENT or (field.how == ":" and _is_zero(kind, item)):
                out.pop(name, None)
            else:
                out[name] = item


_ABSENT = object()  # a Time that is not set, raw JSON of no bytes


def _is_zero(kind: str, item: Any) -> bool:
    if kind == "Q":
        return bool(item == "0")
    return kind != "R" and not item


def _sized(wire: int, value: Any) -> memoryview:
    if wire != 2:
        raise ValueError(f"wrong wire type {wire}, expected 2")
    return value  # type: ignore[no-any-return]


def _value(kind: str, wire: int, value: Any, old: Any, budget: Budget, depth: int) -> Any:
    """One value of a field, list or map as JSON has it. ``old``: what an earlier occurrence gave."""
    if kind in "bil":
        if wire != 0:
            raise ValueError(f"wrong wire type {wire}, expected 0")
        return _integer(kind, value)
    if kind == "d":
        if wire != 1:
            raise ValueError(f"wrong wire type {wire}, expected 1")
        number = struct.unpack("<d", value)[0]
        if not isfinite(number):
            raise ValueError("a number is not finite")
        return int(number) if number.is_integer() and abs(number) < 1 << 53 else number
    view = _sized(wire, value)
    match kind:
        case "s":
            return _text(view)
        case "y":
            return base64.b64encode(view).decode()
        case "Q":
            text = _text(_parts(view).get(1, b""))
            return canonical(text) if text else "0"
        case "T" | "U":
            return _time(kind, view)
        case "X":
            parts = _parts(view)
            return _text(parts.get(3, b"")) if parts.get(1) == 1 else _integer("i", parts.get(2, 0))
        case "R":
            return _raw(_parts(view).get(1, b""), budget, depth)
        case "V":
            budget.spend(len(view))
            return [_text(_sized(w, v)) for n, w, v in _fields(view) if n == 1]
    out: Obj = {}
    if kind in SCHEMA_OR:
        _read(message(kind), view, out, budget, depth + 1)
        return _schema_or(kind, out)
    if isinstance(old, dict):
        out = old
    _read(message(kind), view, out, budget, depth + 1)
    return out


def _parts(view: memoryview) -> dict[int, Any]:
    """The last value of each field of a small message of scalars."""
    out = {}
    for number, _, value in _fields(view):
        out[number] = value
    return out


def _text(value: Any) -> str:
    if not isinstance(value, bytes | memoryview):
        raise ValueError("wrong wire type 0, expected 2")
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as e:
        raise ValueError("string field contains invalid UTF-8") from e


def _integer(kind: str, value: Any) -> int | bool:
    if not isinstance(value, int):
        raise ValueError("wrong wire type 2, expected 0")
    if kind == "b":
        return value != 0
    bits = 32 if kind == "i" else 64
    number: int = value & ((1 << bits) - 1)
    return number - (1 << bits) if number >> (bits - 1) else number


def _packed(kind: str, view: memoryview, budget: Budget) -> list[int | bool]:
    budget.spend(len(view))
    out, at = [], 0
    while at < len(view):
        value, at = _varint(view, at)
        out.append(_integer(kind, value))
    return out


def _entry(kind: str, view: memoryview, budget: Budget, depth: int) -> tuple[str, Any]:
    key, item = "", _ABSENT
    for number, wire, value in _fields(view):
        if number == 1:
            key = _text(_sized(wire, value))
        elif number == 2:
            item = _value(kind, wire, value, None, budget, depth)
    if item is _ABSENT:
        item = {"Q": "0", "T": None, "R": None, "V": []}.get(kind, "" if kind in "sy" else {})
    return key, item


def _time(kind: str, view: memoryview) -> Any:
    if not len(view):
        return _ABSENT
    parts = _parts(view)
    moment = _EPOCH + timedelta(seconds=_integer("l", parts.get(1, 0)))
    if kind == "T":
        return format_time(moment)
    return format_micro(moment + timedelta(microseconds=_integer("i", parts.get(2, 0)) // 1000))


def _raw(value: Any, budget: Budget, depth: int) -> Any:
    if not isinstance(value, bytes | memoryview):
        raise ValueError("wrong wire type 0, expected 2")
    if not len(value):
        return _ABSENT
    if value[: len(MAGIC)] == MAGIC:
        return envelope(bytes(value), None, budget, depth + 1)
    return orjson.loads(value)


def _schema_or(kind: str, parts: Obj) -> Any:
    """A JSON schema, or else what may stand for one: true or false, a list."""
    if "schema" in parts:
        return parts["schema"]
    other = SCHEMA_OR[kind]
    return parts.get(other, False if other == "allows" else [])
