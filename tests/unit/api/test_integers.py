"""Integers in text: what Go reads is read, everything else is refused in Go's words."""

from __future__ import annotations

import pytest

from kubette.api.integers import parse_int, parse_uint

MAX = (1 << 63) - 1


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("+7", 7), ("-7", -7), (str(MAX), MAX), ("-" + "0" * 5000 + "1", -1)]
)
def test_is_read(text: str, value: int) -> None:
    assert parse_int(text) == value


@pytest.mark.parametrize("text", ["", " 1", "1_0", "²", "٣", "1e3", "0x1", "--1", "1\n"])
def test_is_no_integer(text: str) -> None:
    for parse in (parse_int, parse_uint):
        with pytest.raises(ValueError, match="invalid syntax"):
            parse(text)


@pytest.mark.parametrize("text", [str(MAX + 1), "9" * 5000, "-" + "9" * 5000])
def test_is_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match="value out of range") as found:
        parse_int(text)
    assert len(str(found.value)) < 200


def test_bits_bound_it() -> None:
    assert parse_uint("65535", 16) == 65535
    with pytest.raises(ValueError, match="value out of range"):
        parse_uint("65536", 16)
    with pytest.raises(ValueError, match="invalid syntax"):
        parse_uint("-1")
