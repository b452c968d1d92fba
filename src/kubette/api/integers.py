"""Integers in text, as Go's ``strconv`` reads them: ASCII digits, of a bounded size. Pure.

Python's ``int`` also reads ``1_0``, blanks and the digits of every script, and refuses 4,301 digits with another
error. Text from a request goes through here.
"""

from __future__ import annotations

import re

_SHOWN = 64
_SIGNED = re.compile(r"[+-]?[0-9]+", re.ASCII).fullmatch
_UNSIGNED = re.compile(r"[0-9]+", re.ASCII).fullmatch


def parse_int(text: str, bits: int = 64) -> int:
    """A signed integer. Raises ValueError, in Go's words."""
    if _SIGNED(text) is None:
        raise ValueError(f'strconv.ParseInt: parsing "{shown(text)}": invalid syntax')
    value = _bounded(text)
    if value is None or not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise ValueError(f'strconv.ParseInt: parsing "{shown(text)}": value out of range')
    return value


def parse_uint(text: str, bits: int = 64) -> int:
    """An integer without a sign. Raises ValueError, in Go's words."""
    if _UNSIGNED(text) is None:
        raise ValueError(f'strconv.ParseUint: parsing "{shown(text)}": invalid syntax')
    value = _bounded(text)
    if value is None or value >= 1 << bits:
        raise ValueError(f'strconv.ParseUint: parsing "{shown(text)}": value out of range')
    return value


def shown(text: str) -> str:
    """The text for a message, cut where it is long."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _bounded(text: str) -> int | None:
    """None for a number of more digits than 64 bits have."""
    sign, digits = ("-", text[1:]) if text[0] == "-" else ("", text.lstrip("+"))
    digits = digits.lstrip("0") or "0"
    return int(sign + digits) if len(digits) <= 20 else None
