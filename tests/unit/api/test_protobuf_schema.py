"""The two tables of every kind agree: what the published schema has, the protobuf form carries both ways.

``test_protobuf`` goes out from the table of field numbers; this from the schema that objects are checked with.
"""

from __future__ import annotations

from typing import Any

import pytest

from kubette.api import schema
from kubette.api.kinds import Kind, all_kinds
from kubette.api.protobuf import decode_envelope, encode_envelope

SAMPLES: dict[str, list[Any]] = {
    "s": ["text", "ü"], "b": [True], "i": [7, -(1 << 31)], "l": [1 << 40, -1], "n": [0.5, 3], "x": [80, "25%"],
    "y": ["AAEC", "AA=="], "t": ["2026-01-02T03:04:05Z"], "u": ["2026-01-02T03:04:05.000006Z"], "q": ["100m", "1Gi"],
    "o": [{"a": [1, None]}], "j": [{"a": 1}, [1], "x", 5],
}  # fmt: skip
DEEP = 12
#: The types of these are told by the field, not on the wire: upstream drops what they say of themselves.
UNTYPED = "io.k8s.api.core.v1.PersistentVolumeClaim"
#: A JSON schema, or what may stand for one: ``test_protobuf`` has them.
SCHEMA_OR = {"additionalItems", "additionalProperties", "dependencies", "items"}


def value(code: Any, turn: int, depth: int) -> Any:
    if isinstance(code, str):
        return SAMPLES[code][turn % len(SAMPLES[code])]
    shape, inner = code
    if shape == "r":
        return struct(inner, turn, depth + 1)
    item = value(inner, turn, depth)
    return [item, item] if shape == "a" else {"k": item, "": item}


def struct(definition: str, turn: int, depth: int = 0) -> dict[str, Any]:
    """An object with every field of a definition; recursive ones end somewhere."""
    out = {}
    for name, code in schema._tables()["types"][definition].items():
        if depth > DEEP or (definition.endswith(".JSONSchemaProps") and (depth > 4 or name in SCHEMA_OR)):
            continue
        if definition == UNTYPED and depth and name in ("apiVersion", "kind"):
            continue
        out[name] = value(code, turn, depth)
    return out


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("kind", list(all_kinds()), ids=lambda k: f"{k.api_version}/{k.kind}")
def test_every_field_of_the_schema_survives(kind: Kind, turn: int) -> None:
    obj = {**struct(kind.schema, turn), "apiVersion": kind.api_version, "kind": kind.kind}
    assert schema.check(kind, obj).errors == [], "the sample is one of this kind"
    assert decode_envelope(encode_envelope(obj)) == obj
