"""Quantities are printed as upstream prints them, and anything else is refused in upstream's words."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubette.api import quantity


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"), ("0Ki", "0"), ("1", "1"), ("1000", "1k"), ("0.5", "500m"), (".5", "500m"), ("100m", "100m"),
        ("1000m", "1"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("512", "512"), ("1000Ki", "1000Ki"),
        ("0.5Ki", "512"), ("12e6", "12e6"), ("12E6", "12e6"), ("1500M", "1500M"), ("0.0000000001", "1n"),
        ("-250m", "-250m"), ("+3", "3"), ("1E", "1E"), ("100E", "9223372036854775807"),
    ],
)  # fmt: skip
def test_canonical(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize("text", ["", "abc", "1 Gi", "1KiB", "1.2.3", "--1", "1mi", "٣", "1" * 101])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        quantity.canonical(text)


@pytest.mark.parametrize(
    ("text", "milli", "whole"), [("100m", 100, 1), ("2", 2000, 2), ("1Ki", 1024000, 1024), ("1u", 1, 1)]
)
def test_rounding_is_up(text: str, milli: int, whole: int) -> None:
    assert (quantity.to_milli(text), quantity.to_int(text)) == (milli, whole)


@given(st.integers(0, 10**12), st.sampled_from(["n", "u", "m", "", "k", "M", "Ki", "Mi", "e3"]))
def test_canonical_keeps_the_value_and_is_stable(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    printed = quantity.canonical(text)
    assert quantity.parse(printed) == quantity.parse(text) <= Decimal((1 << 63) - 1)
    assert quantity.canonical(printed) == printed


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (1, "1"), (1023, "1023"), (1024, "1Ki"), (1536, "1536"), (2 << 20, "2Mi")]
)
def test_bytes_are_printed_with_the_largest_binary_suffix(number: int, text: str) -> None:
    assert quantity.binary(number) == text
