"""YAML bodies become JSON's values; what would hurt the server is refused at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubette.apiserver import codec
from kubette.apiserver.yaml_body import ALIASED, parse

VALUES: dict[str, tuple[str, Any]] = {
    "times stay text": ("2020-01-01", "2020-01-01"),
    "yes is true": ("[yes, off, ~, 1, 1.5, 0x10]", [True, False, None, 1, 1.5, 16]),
    "a second time of day": (
        "[2001-1-2T3:04:05Z, 2001-13-01, 2001-1-1 1:2]",
        ["2001-1-2T3:04:05Z", "2001-13-01", "2001-1-1 1:2"],
    ),
    "no base 60": ("[1:30, 190:20:30, 1:2.5]", ["1:30", "190:20:30", "1:2.5"]),
    "integers of Go": (
        "[0o17, 017, 08, 0b11, -0b11, +0x1F, 1_000, 0x, 1e3, '017']",
        [15, 15, 8, 3, -3, 31, 1000, "0x", 1000, "017"],
    ),
    "floats of Go": ("[.5, 1., 3.0, 1e999, 1e-7, 6.5e3, ._5]", [0.5, 1, 3, "1e999", 1e-7, 6500, "._5"]),
    "words": (
        "[y, N, On, OFF, ~, '', 'yes', Null, tRUE, =, <<]",
        [True, False, True, False, None, "", "yes", None, "tRUE", "=", "<<"],
    ),
    "tags": ("[!!str 1, !!int '7', !!float 3, !!bool 'no', !!binary aGk=, !x 1, !!timestamp 2001-01-01, ! 12]",
             ["1", 7, 3, False, "hi", "1", "2001-01-01", "12"]),
    "keys are text": (
        "{1: a, true: b, 1.5: c, 1e6: d, 0x10: e}",
        {"1": "a", "true": "b", "1.5": "c", "1e+06": "d", "16": "e"},
    ),
    "the first document": ("a: 1\n---\nb: 2\n", {"a": 1}),
    "endless digits are no number of JSON": ("a: " + "9" * 5000, {"a": "9" * 5000}),
    "aliases": ("[&a {x: 1}, *a]", [{"x": 1}, {"x": 1}]),
    "merging": ("x: &x {a: 1, b: 2}\nz: {<<: *x, c: 3}", {"x": {"a": 1, "b": 2}, "z": {"a": 1, "b": 2, "c": 3}}),
    "merging a list": (
        "[&a {k: 1}, &b {k: 2, l: 2}, {<<: [*a, {m: 3}]}]",
        [{"k": 1}, {"k": 2, "l": 2}, {"k": 1, "m": 3}],
    ),
    "whole numbers beyond JSON's": ("[18446744073709551615, 99999999999999999999]", [18446744073709551615, 1e20]),
    "tags make nothing": ("!!python/object/apply:os.system [id]", ["id"]),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("text", "value"), VALUES.values(), ids=VALUES.keys())
def test_values(text: str, value: Any) -> None:
    assert parse(text.encode()) == (value, [])


def bomb(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(levels)]
    return "\n".join(lines).encode()


REFUSED = {
    "aliases that multiply": (bomb(9), "document contains excessive aliasing"),
    "an anchor that contains itself": (b"&a {b: *a}", "anchor 'a' value contains itself"),
    "a merge with itself": (b"a: &a {<<: *a}", "anchor 'a' value contains itself"),
    "an anchor that is not there": (b"a: *b", "unknown anchor 'b' referenced|undefined alias"),
    "no number": (b"a: .nan", "json: unsupported value: NaN"),
    "a tag that lies": (b"a: !!int x", "cannot decode !!str `x` as a !!int"),
    "a tag of nothing": (b'a: !!int ""', "cannot decode !!null `` as a !!int"),
    "a null for a key": (b"{~: b}", "unsupported map key"),
    "text repeated by aliases": (b"[&a " + b"x" * 500_000 + b", *a" * 20 + b"]", "excessive aliasing"),
    "directives": (b"%TAG !a! x\n" * 40 + b"--- a", "too many directives"),
    "a list for a key": (b"{[a]: b}", "invalid map key"),
    "a merge with a list": (b"<<: [1]", "map merge requires"),
    "deep nesting": (b"[" * 900 + b"]" * 900, "exceeded max depth"),
    "deeper nesting": (b"[" * 20_000, "nesting depth"),
    "an open end": (b"a: [1", "expected"),
    "bytes that are no text": (b"a: \xff\xfe", "invalid"),
}


@pytest.mark.parametrize(("body", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(body: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace(".", r"\.")):
        parse(body)


def test_an_honest_use_of_aliases_is_read() -> None:
    value, _ = parse(bomb(2) + b"\nb: &b {k: v}\nc: [" + b", ".join([b"*b"] * 1000) + b"]")
    assert len(value["c"]) == 1000 and sum(map(len, value["a1"])) == 81
    assert ALIASED > 3 * 1000


def test_keys_that_occur_twice_are_named_by_line() -> None:
    value, strict = parse(b"a: 1\nb: {c: 1, c: 2}\nd: &d {e: 1}\nf: {e: 2, <<: *d}\na: 2")
    assert value == {"a": 2, "b": {"c": 2}, "d": {"e": 1}, "f": {"e": 1}}
    lines = ((2, "c"), (4, "e"), (5, "a"))
    texts = [f'  line {n}: key "{k}" already set in map' for n, k in lines]
    assert strict == ["\n".join(["yaml: unmarshal errors:", *texts])]


texts = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_categories=["Cc"]))
numbers = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@given(values)
def test_what_is_dumped_is_read_back(value: Any) -> None:
    assert parse(codec.encode(value, codec.YAML)) == (value, [])


@pytest.mark.parametrize("text", ["y", "N", "on", "0o17", "08", "1e3", "+.5", "1_0", "0x1F", "1:30", "2001-01-01", "~"])
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    assert parse(codec.encode({"a": text}, codec.YAML)) == ({"a": text}, [])
