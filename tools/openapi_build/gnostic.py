"""Encodes an OpenAPI v2 document in the protobuf form of gnostic (``openapi.v2``), which kubectl asks for.

Only the messages and fields that a Kubernetes document has. A message is a table from JSON key to
``(number, how)``; ``how`` is a scalar ("string", "bool"), a message name, either of them in a list for
``repeated``, or one of the special forms below. Values of unknown type (``Any``) travel as YAML text; JSON is
YAML. An unknown key is an error, so that nothing is dropped silently.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_SCHEMA: dict[str, tuple[int, Any]] = {
    "$ref": (1, "string"),
    "format": (2, "string"),
    "title": (3, "string"),
    "description": (4, "string"),
    "default": (5, "any"),
    "uniqueItems": (16, "bool"),
    "required": (19, ["string"]),
    "enum": (20, ["any"]),
    "additionalProperties": (21, "additional"),
    "type": (22, "type"),
    "items": (23, "items"),
    "properties": (25, "named:schema"),
}
_PARAM: dict[str, tuple[int, Any]] = {
    "required": (1, "bool"),
    "in": (2, "string"),
    "description": (3, "string"),
    "name": (4, "string"),
}
_MESSAGES: dict[str, dict[str, tuple[int, Any]]] = {
    "document": {
        "swagger": (1, "string"),
        "info": (2, "info"),
        "paths": (8, "paths"),
        "definitions": (9, "named:schema"),
        "security": (12, ["named:strings"]),
        "securityDefinitions": (13, "named:security"),
    },
    "info": {"title": (1, "string"), "version": (2, "string")},
    "schema": _SCHEMA,
    "path": {
        "get": (2, "operation"),
        "put": (3, "operation"),
        "post": (4, "operation"),
        "delete": (5, "operation"),
        "patch": (8, "operation"),
    },
    "operation": {
        "tags": (1, ["string"]),
        "description": (3, "string"),
        "operationId": (5, "string"),
        "produces": (6, ["string"]),
        "consumes": (7, ["string"]),
        "parameters": (8, ["parameter"]),
        "responses": (9, "responses"),
        "schemes": (10, ["string"]),
    },
    "body": {
        "description": (1, "string"),
        "name": (2, "string"),
        "in": (3, "string"),
        "required": (4, "bool"),
        "schema": (5, "schema"),
    },
    "query": {**_PARAM, "type": (6, "string"), "uniqueItems": (20, "bool")},
    "in_path": {**_PARAM, "type": (5, "string"), "uniqueItems": (19, "bool")},
    "response": {"description": (1, "string"), "schema": (2, "schema_item")},
    "api_key": {
        "type": (1, "string"),
        "name": (2, "string"),
        "in": (3, "string"),
        "description": (4, "string"),
    },
}
_EXTENSION = {"schema": 31, "operation": 13}  # the number of vendor_extension


def encode(document: dict[str, Any]) -> bytes:
    """The bytes of an ``openapi.v2.Document``."""
    return _message("document", document)


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _value(number: int, how: Any, value: Any) -> bytes:
    if isinstance(how, list):
        return b"".join(_value(number, how[0], v) for v in value)
    if how == "bool":
        return _varint(number << 3) + b"\x01" if value else b""
    if how == "string":
        return _field(number, value.encode())
    if how.startswith("named:"):
        return _field(number, _named(1, how.removeprefix("named:"), value))
    special = _SPECIAL.get(how)
    return _field(number, special(value) if special else _message(how, value))


def _message(name: str, value: dict[str, Any]) -> bytes:
    table = _MESSAGES[name]
    out, extensions = [], []
    for key, v in value.items():
        if key.startswith("x-"):
            extensions.append(_field(_EXTENSION[name], _field(1, key.encode()) + _field(2, _any(v))))
        else:
            number, how = table[key]
            out.append((number, _value(number, how, v)))
    return b"".join(data for _, data in sorted(out, key=lambda p: p[0])) + b"".join(extensions)


def _named(number: int, how: str, mapping: dict[str, Any]) -> bytes:
    """A map, as repeated (name, value) pairs."""
    return b"".join(
        _field(number, _field(1, key.encode()) + _value(2, how, value)) for key, value in mapping.items()
    )


def _any(value: Any) -> bytes:
    return _field(2, json.dumps(value).encode())


def _parameter(p: dict[str, Any]) -> bytes:
    """ParametersItem{parameter{body_parameter | non_body_parameter{query | path}}}."""
    if p["in"] == "body":
        inner = _field(1, _message("body", p))
    else:
        number, name = (3, "query") if p["in"] == "query" else (4, "in_path")
        inner = _field(2, _field(number, _message(name, p)))
    return _field(1, inner)


def _additional(value: Any) -> bytes:
    return _field(1, _message("schema", value))


_SPECIAL: dict[str, Callable[[Any], bytes]] = {
    "any": _any,
    "type": lambda v: _field(1, v.encode()),
    "items": lambda v: _field(1, _message("schema", v)),
    "additional": _additional,
    "parameter": _parameter,
    "paths": lambda v: _named(2, "path", v),
    "responses": lambda v: _named(1, "response_value", v),
    "response_value": lambda v: _field(1, _message("response", v)),
    "schema_item": lambda v: _field(1, _message("schema", v)),
    "security": lambda v: _field(2, _message("api_key", v)),
    "strings": lambda v: b"".join(_field(1, s.encode()) for s in v),
}
