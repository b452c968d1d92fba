"""Protobuf bodies become the JSON that the same client would have sent, and hostile ones become one error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubette.api import protobuf
from kubette.api.kinds import all_kinds
from kubette.api.proto_rows import SCHEMA_OR, Field, message
from kubette.api.protobuf import decode_envelope, encode_envelope

SAMPLES: dict[str, list[Any]] = {
    "s": ["a", "ü"], "b": [True], "i": [7, -1, -(1 << 31)], "l": [1 << 40, -1], "d": [0.5, 3], "y": ["AAEC"],
    "T": ["2026-01-02T03:04:05Z", "0001-01-01T00:00:00Z"], "U": ["2026-01-02T03:04:05.000006Z"], "Q": ["100m", "1Gi"],
    "X": [80, "http", 0, "25%"], "R": [{"a": [1, None]}, 5, "x"], "V": [["get", "list"]],
}  # fmt: skip


def sample(kind: str, turn: int, depth: int) -> Any:
    if kind in SAMPLES:
        choices = [v for v in SAMPLES[kind] if v != 0]
        return choices[turn % len(choices)]
    if kind in SCHEMA_OR:
        return {"type": "string"}
    return full(kind, turn, depth + 1)


def full(name: str, turn: int = 0, depth: int = 0) -> dict[str, Any]:
    """An object with every field of a message set, three levels deep in recursive ones."""
    out: dict[str, Any] = {}
    for field in message(name).in_order:
        if depth > 9 or (depth > 3 and "JSONSchema" in field.type):
            continue
        if field.how == "<":
            out |= full(field.type, turn, depth)
        elif (value := sample(field.type, turn, depth)) not in ({}, None) or field.how != ":":
            out[field.name] = in_shape(field, value)
    return out


def in_shape(field: Field, value: Any) -> Any:
    return {"": value, "[]": [value, value], "{}": {"k": value, "": value}}[field.shape]


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("kind", list(all_kinds()), ids=lambda k: f"{k.api_version}/{k.kind}")
def test_every_field_of_every_kind_survives(kind: Any, turn: int) -> None:
    name = ".".join(kind.proto.split(".")[-3:])
    obj = {**full(name, turn), "apiVersion": kind.api_version, "kind": kind.kind}
    assert decode_envelope(encode_envelope(obj)) == obj


def envelope(api_version: bytes, kind: bytes, raw: bytes) -> bytes:
    def sized(tag: int, value: bytes) -> bytes:
        size, n = b"", len(value)
        while n > 127:
            size, n = size + bytes([n & 127 | 128]), n >> 7
        return bytes([tag]) + size + bytes([n]) + value

    return b"k8s\0" + sized(0x0A, sized(0x0A, api_version) + sized(0x12, kind)) + sized(0x12, raw)


def test_zero_values_that_go_always_sends() -> None:
    # name "n", namespace "", generation 0, creationTimestamp unset; status an empty message
    pod = envelope(b"v1", b"Pod", b"\x0a\x09\x0a\x01n\x1a\x00\x38\x00\x42\x00\x1a\x00")
    assert decode_envelope(pod) == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n"}}
    kept = decode_envelope(envelope(b"v1", b"DeleteOptions", b"\x08\x00"))
    assert kept["gracePeriodSeconds"] == 0, "a pointer's zero was meant"
    # a container port: containerPort 0 has no omitempty, hostPort has
    template = b"\x1a\x0a\x12\x08\x12\x06\x32\x04\x10\x00\x18\x00"
    ports = decode_envelope(envelope(b"v1", b"ReplicationController", b"\x12\x0c" + template))
    assert ports["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 0}]


def test_packed_numbers_and_fields_split_in_two() -> None:
    # PodSecurityContext.supplementalGroups = [1, 300] packed, in a spec that comes in two pieces
    spec = b"\x12\x07\x72\x05\x22\x03\x01\xac\x02" + b"\x12\x03\x52\x01n"
    assert decode_envelope(envelope(b"v1", b"Pod", spec))["spec"] == {
        "securityContext": {"supplementalGroups": [1, 300]},
        "nodeName": "n",
    }


def test_schemas_and_what_may_stand_for_one() -> None:
    schema = {
        "additionalProperties": False,
        "items": [{"type": "string"}],
        "dependencies": {"a": ["b"], "c": {"type": "integer"}},
        "$ref": "#/x",
        "x-kubernetes-int-or-string": True,
        "default": {"a": None},
        "enum": ["a", 1, None],
    }
    version = {"name": "v1", "served": True, "storage": False, "schema": {"openAPIV3Schema": schema}}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {"versions": [version]}}
    assert decode_envelope(encode_envelope(crd))["spec"]["versions"] == [version]


def test_lists_and_options_of_any_group() -> None:
    for obj in (
        {"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "5"}, "items": [{"metadata": {}}]},
        {"apiVersion": "policy/v1", "kind": "DeleteOptions", "preconditions": {"uid": "u"}},
        {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": 404},
    ):
        again = decode_envelope(encode_envelope(obj))
        assert {k: v for k, v in again.items() if k not in ("metadata", "items")} == {
            k: v for k, v in obj.items() if k not in ("metadata", "items")
        }
    assert not protobuf.supports("example.com/v1", "Pod") and not protobuf.supports("meta.k8s.io/v1", "Table")
    with pytest.raises(ValueError, match='no kind "Table"'):
        encode_envelope({"apiVersion": "meta.k8s.io/v1", "kind": "Table"})


def test_a_watch_frame() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n"}}
    frame = protobuf.watch_frame("ADDED", pod)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert frame.endswith(encode_envelope(pod)) and frame[4:11] == b"\x0a\x05ADDED"


HOSTILE = {
    "no magic": b"{}",
    "cut off": encode_envelope({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "abc"}})[:-6],
    "endless integer": envelope(b"v1", b"Pod", b"\x08" + b"\xff" * 20),
    "a group": envelope(b"v1", b"Pod", b"\x0b"),
    "a length beyond the end": envelope(b"v1", b"Pod", b"\x0a\xff\xff\xff\xff\x0f"),
    "text that is no UTF-8": envelope(b"v1", b"Pod", b"\x0a\x03\x0a\x01\xff"),
    "a number for a text": envelope(b"v1", b"Pod", b"\x0a\x02\x08\x01"),
    "a year out of range": envelope(b"v1", b"Pod", b"\x0a\x0c\x42\x0a\x08" + b"\xff" * 7 + b"\x7f\x10"),
    "many small messages": envelope(b"v1", b"PodList", b"\x12\x00" * 600_000),
    "many small numbers": envelope(b"v1", b"Pod", b"\x38\x00" * 600_000),
    "an unknown kind": envelope(b"v1", b"Nonsense", b""),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        decode_envelope(body)


def test_deep_nesting_is_refused() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(100):
        schema = {"not": schema}
    spec = {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    with pytest.raises(ValueError, match="exceeded max depth"):
        decode_envelope(encode_envelope(crd))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_bodies_give_an_object_or_a_value_error(data: st.DataObject) -> None:
    whole = bytearray(encode_envelope({**full("core.v1.Pod"), "apiVersion": "v1", "kind": "Pod"}))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        json.dumps(decode_envelope(bytes(whole)), allow_nan=False)
    except ValueError as e:
        assert len(str(e)) < 600
