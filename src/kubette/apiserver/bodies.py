"""Bodies of requests: JSON, YAML or protobuf to the JSON value that they stand for, in upstream's words if not.

Whatever a client sends becomes a value or a BadRequest; nesting is bounded, since what goes into the store is
walked by functions that call themselves. Pure.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import orjson

from kubette.api.errors import BadRequest, UnsupportedMediaType
from kubette.apiserver.codec import JSON, PROTOBUF, YAML

_SHOWN = 30
#: No object of the API comes near; what is written out again may not nest deeper.
_MAX_DEPTH = 250
_NOT_JSON = "couldn't get version/kind; json parse error: "


@dataclass(frozen=True, slots=True)
class Body:
    """``strict``: what upstream's strict decoder says of repeated keys, beyond those in JSON."""

    value: Any
    data: bytes = b""
    strict: tuple[str, ...] = ()


class Malformed(BadRequest):
    """The bytes are not of the format that they claim. The text is upstream's."""


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def decode(data: bytes, content_type: str) -> Body:
    """Raises Malformed, UnsupportedMediaType."""
    media = media_type(content_type) or JSON
    if media == JSON:
        return Body(parse_json(data), data)
    if media == PROTOBUF:
        from kubette.api import protobuf

        try:
            return Body(_bounded(protobuf.decode_envelope(data)))
        except ValueError as e:
            raise Malformed(f"unable to decode protobuf: {e}") from e
    if media in (YAML, "application/x-yaml", "text/yaml"):
        return parse_yaml(data)
    raise UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


def parse_json(data: bytes) -> Any:
    """Text that is no Unicode becomes U+FFFD, as Go's decoder has it. Raises Malformed."""
    try:
        value = orjson.loads(data)
    except ValueError as e:
        try:
            value = orjson.loads(_well_formed(data))
        except ValueError:
            raise Malformed(_NOT_JSON + json_complaint(data)) from e
    if data.count(b"{") + data.count(b"[") > _MAX_DEPTH:
        _bounded(value)
    return value


def parse_yaml(data: bytes) -> Body:
    """YAML, of which JSON is a part. Raises Malformed."""
    from kubette.apiserver import yaml_body

    try:
        value, strict = yaml_body.parse(data)
    except ValueError as e:
        raise Malformed(f"error converting YAML to JSON: yaml: {e}") from e
    return Body(value, b"", tuple(strict))


def _well_formed(data: bytes) -> bytes:
    """The same text without what no UTF-8 or half of a surrogate pair is in it."""
    return _ESCAPE.sub(lambda found: found[1] or b"\\ufffd", data.decode(errors="replace").encode())


#: Group 1: escapes to keep, an escaped backslash or a pair of surrogates. Otherwise half a pair.
_ESCAPE = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def _bounded(value: Any) -> Any:
    level, depth = [value], 0
    while level:
        if depth > _MAX_DEPTH:
            raise Malformed("exceeded max depth")
        level = [
            inner for v in level if isinstance(v, dict | list)
            for inner in (v.values() if isinstance(v, dict) else v) if isinstance(inner, dict | list)
        ]  # fmt: skip
        depth += 1
    return value


_COMPLAINTS = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair or array element",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
}


def json_complaint(data: bytes) -> str:
    """What Go's decoder says of text that is no JSON."""
    text = data.decode(errors="replace")

    def constant(name: str) -> None:
        raise json.JSONDecodeError("Expecting value", text, text.index(name))

    try:
        json.loads(text, parse_constant=constant, parse_int=float)
    except RecursionError:
        return "exceeded max depth"
    except json.JSONDecodeError as e:
        where = next((words for start, words in _COMPLAINTS.items() if e.msg.startswith(start)), "")
        if not where or not text[e.pos :].strip():
            return "unexpected end of JSON input"
        found = text[e.pos :].lstrip()[0]
        return f"invalid character {found!r} {where}"
    return "a number is out of range"


def unrecognized(kind: str, data: bytes, why: Malformed) -> BadRequest:
    """Upstream's answer to a body whose kind cannot even be told."""
    shown = data[:_SHOWN].decode(errors="replace") if data[:1] == b"{" else data[:_SHOWN].hex()
    tail = " ..." if len(data) > _SHOWN else ""
    return BadRequest(
        f"the object provided is unrecognized (must be of type {kind}): {why} ({shown + tail or '<empty>'})"
    )
