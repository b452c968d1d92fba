"""Protobuf written: a JSON dict into the bytes of a message, fields in the order of their numbers.

Used by ``protobuf.py`` only. Values that are zero by ``proto_table``'s ``:`` are left out: readers take an
absent field for zero. Raises ValueError naming the field whose value does not fit its type.
"""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime
from typing import Any

import orjson

from kubette.api.meta import parse_time
from kubette.api.proto_rows import SCHEMA_OR, Message, message

Obj = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIRE = {"b": 0, "i": 0, "l": 0, "d": 1}  # the type's wire type; all others are sized


def envelope(message_name: str, obj: Obj) -> bytes:
    """The ``runtime.Unknown`` of ``obj``, without the magic."""
    type_meta = sized(1, str(obj["apiVersion"]).encode()) + sized(2, str(obj["kind"]).encode())
    # Upstream writes the two empty strings of content encoding and type as well.
    return sized(1, type_meta) + sized(2, body(message(message_name), obj)) + sized(3, b"") + sized(4, b"")


def varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def sized(number: int, value: bytes) -> bytes:
    """A field of wire type 2."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def body(row: Message, obj: Obj) -> bytes:
    """The fields of ``obj`` that the message has; others are not its business."""
    if not isinstance(obj, dict):
        raise ValueError(f"{row.name}: expected an object, got {type(obj).__name__}")
    out = bytearray()
    for field in row.in_order:
        number, kind = field.number, field.type
        if field.how == "<":
            out += sized(number, body(message(kind), obj))
            continue
        value = obj.get(field.name)
        if value is None:
            continue
        try:
            if field.shape == "[]":
                for item in value:
                    out += _field(number, kind, item)
            elif field.shape == "{}":
                for key in sorted(value):
                    out += sized(number, sized(1, _text(key)) + _field(2, kind, value[key]))
            elif field.how != ":" or value or kind == "R":
                out += _field(number, kind, value)
        except (TypeError, ValueError, AttributeError, OverflowError, struct.error) as e:
            raise ValueError(f"{field.name}: {e}") from e
    return bytes(out)


def _field(number: int, kind: str, value: Any) -> bytes:
    tag = varint(number << 3 | _WIRE.get(kind, 2))
    match kind:
        case "b" | "i" | "l":
            if not isinstance(value, int):
                raise ValueError(f"expected a number, got {value!r}")
            return tag + varint(int(value))
        case "d":
            return tag + struct.pack("<d", value)
    content = _content(kind, value)
    return tag + varint(len(content)) + content


def _content(kind: str, value: Any) -> bytes:
    match kind:
        case "s":
            return _text(value)
        case "y":
            return base64.b64decode(value, validate=True)
        case "Q":
            return sized(1, str(value).encode())
        case "T" | "U":
            return _time(kind, value)
        case "X":
            return _int_or_string(value)
        case "R":
            return sized(1, orjson.dumps(value))
        case "V":
            return b"".join(sized(1, _text(item)) for item in value)
    if kind in SCHEMA_OR:
        value = _schema_or(kind, value)
    return body(message(kind), value)


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"expected a string, got {value!r}")
    return value.encode()


def _time(kind: str, value: Any) -> bytes:
    if value is None:
        return b""
    since = parse_time(_text(value).decode()) - _EPOCH
    nanos = since.microseconds * 1000 if kind == "U" else 0
    return varint(1 << 3) + varint(since.days * 86400 + since.seconds) + varint(2 << 3) + varint(nanos)


def _int_or_string(value: Any) -> bytes:
    number, text = (0, value) if isinstance(value, str) else (value, "")
    return b"".join([
        varint(1 << 3), varint(int(isinstance(value, str))), varint(2 << 3), varint(number), sized(3, text.encode()),
    ])  # fmt: skip


def _schema_or(kind: str, value: Any) -> Obj:
    if isinstance(value, dict):
        return {"schema": value, "allows": True} if SCHEMA_OR[kind] == "allows" else {"schema": value}
    return {SCHEMA_OR[kind]: value}
