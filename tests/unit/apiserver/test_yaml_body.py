"""YAML bodies become JSON's values; what would hurt the server is refused at once."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubette.apiserver.yaml_body import ALIASED, parse

VALUES: dict[str, tuple[str, Any]] = {
    "times stay text": ("2020-01-01", "2020-01-01"),
    "yes is true": ("[yes, off, ~, 1, 1.5, 0x10]", [True, False, None, 1, 1.5, 16]),
    "keys are text": ("{1: a, true: b, null: c}", {"1": "a", "true": "b", "null": "c"}),
    "aliases": ("[&a {x: 1}, *a]", [{"x": 1}, {"x": 1}]),
    "merging": ("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}", {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}}),
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
    "an anchor that contains itself": (b"&a {b: *a}", "an anchor contains itself"),
    "a merge with itself": (b"a: &a {<<: *a}", "an anchor contains itself"),
    "two documents": (b"a: 1\n---\nb: 2\n", "expected a single document"),
    "no number": (b"a: .nan", "JSON has no .nan"),
    "a tag that lies": (b"a: !!int x", "cannot decode 'x'"),
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


def test_keys_that_occur_twice_are_told_by_path() -> None:
    assert parse(b"a: 1\nb: {c: 1, c: 2}\nd: [{e: 1, e: 1}]\na: 2")[1] == ["b.c", "d[0].e", "a"]


texts = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_categories=["Cc"]))
numbers = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@given(values)
def test_what_is_dumped_is_read_back(value: Any) -> None:
    assert parse(yaml.safe_dump(value, allow_unicode=True).encode()) == (value, [])
