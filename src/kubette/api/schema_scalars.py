"""Scalars of the schema: which value fits which type, the canonical form of each, and the decoder's errors.

The vocabulary that ``schema.py`` walks objects with. Type codes are explained in
``tools/openapi_build/tables.py``; the wording of errors is that of Go's JSON decoder.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubette.api.caching import cached_short

SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch
MICROS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z").fullmatch
_RANGES = {"i": (-(2**31), 2**31 - 1), "l": (-(2**63), 2**63 - 1)}
_GO = {
    "s": "string", "i": "int32", "l": "int64", "n": "float64", "b": "bool", "y": "[]uint8",
    "q": "resource.Quantity", "t": "v1.Time", "u": "v1.MicroTime", "x": "intstr.IntOrString",
}


class IllTyped(Exception):
    """A value does not fit its Go type; the text is the decoder's error."""


@dataclass(frozen=True, slots=True)
class At:
    """Where a value is: for strict errors ``spec.ports[0].port``, for type errors the Go struct's name and
    the field names without indices, ``ServicePort`` and ``spec.ports.port``."""

    path: str = ""
    struct: str = ""
    go: str = ""

    def field(self, struct: str, name: str) -> At:
        """A field of ``struct``, here."""
        return At(join(self.path, name), struct, join(self.go, name))

    def below(self, suffix: str) -> At:
        """An element: ``[0]`` or ``.key``."""
        return At(self.path + suffix, self.struct, self.go)

    def unfit(self, value: Any, go_type: str, literal: bool = False) -> IllTyped:
        """The error for a value that cannot be decoded into ``go_type``."""
        what = json_type(value) + (f" {json.dumps(value)}" if literal else "")
        where = f"struct field {self.struct}.{self.go} of" if self.go else "value of"
        return IllTyped(f"json: cannot unmarshal {what} into Go {where} type {go_type}")


def is_base64(value: Any) -> bool:
    """True for a string of strict base64."""
    try:
        return type(value) is str and binascii.a2b_base64(value, strict_mode=True) is not None
    except ValueError:
        return False


def is_quantity(value: Any) -> bool:
    """True for a quantity that is already canonical."""
    return type(value) is str and canonical_quantity(value) == value


def scalar(code: str, value: Any, at: At) -> Any:
    """The canonical form of a value that is not None; raises IllTyped."""
    if code in ("o", "j"):
        return value
    if code == "q":
        return _quantity(value)
    if code in ("t", "u"):
        if not isinstance(value, str):
            raise at.unfit(value, "string")
        return _time(value, code == "u")
    if code == "x":
        if isinstance(value, str):
            return value
        code = "i"
    if code in _RANGES:
        if type(value) in (int, float):
            low, high = _RANGES[code]
            if type(value) is float or not low <= value <= high:
                raise at.unfit(value, _GO[code], literal=True)
            return value
    elif code == "n":
        if type(value) in (int, float):
            return value
    elif code == "y":
        if isinstance(value, str):
            return _base64(value)
    elif isinstance(value, str if code == "s" else bool):
        return value
    raise at.unfit(value, _GO[code])


def _base64(text: str) -> str:
    data = text.replace("\r", "").replace("\n", "")
    try:
        base64.b64decode(data, validate=True)
    except ValueError:
        bad = re.search(r"[^A-Za-z0-9+/=]|=(?!=?$)", data)
        place = bad.start() if bad else len(data) - len(data) % 4
        raise IllTyped(f"illegal base64 data at input byte {place}") from None
    return data


_QUANTITY = re.compile(r"[+-]?[0-9.]+[eEinumkKMGTP]*[-+]?[0-9]*").fullmatch


@cached_short(4096, 64)
def canonical_quantity(text: str) -> str | None:
    """The form upstream prints; None where the text is no quantity."""
    from kubette.api.quantity import canonical

    try:
        return canonical(text)
    except ValueError:
        return None


def _quantity(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else json.dumps(value)
    canonical = canonical_quantity(text)
    if canonical is None:
        if _QUANTITY(text):
            raise IllTyped("unable to parse quantity's suffix")
        pattern = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
        raise IllTyped(f"quantities must match the regular expression '{pattern}'")
    return canonical


_LAYOUT = (
    ("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), ("T", "T"), ("15", r"\d\d"),
    (":", ":"), ("04", r"\d\d"), (":", ":"), ("05", r"\d\d"),
)


def _time(text: str, micro: bool) -> str:
    """A time in UTC, cut to seconds, or with the six digits that a MicroTime must have."""
    layout = "2006-01-02T15:04:05" + (".000000" if micro else "") + "Z07:00"
    zone = r"Z|[+-]\d\d:\d\d"
    tail = ((".000000", r"\.\d{6}"), ("Z07:00", zone)) if micro else (("Z07:00", rf"(\.\d+)?({zone})"),)
    rest = text
    for element, pattern in (*_LAYOUT, *tail):
        found = re.match(pattern, rest)
        if found is None:
            raise IllTyped(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{element}"')
        rest = rest[found.end() :]
    if rest:
        raise IllTyped(f'parsing time "{text}": extra text: "{rest}"')
    try:
        whole, fraction = text[:19], re.search(r"\.(\d+)", text)
        zoned = datetime.fromisoformat(whole + re.sub(r"^(\.\d+)?", "", text[19:]).replace("Z", "+00:00"))
        utc = zoned.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError):
        raise IllTyped(f'parsing time "{text}": day out of range') from None
    return f"{utc}.{fraction[1]}Z" if micro and fraction else utc + "Z"


def zero(code: Any) -> Any:
    """What a null in a list or map becomes: the zero of its Go type."""
    if isinstance(code, list):
        return {} if code[0] == "r" else None
    return {"s": "", "i": 0, "l": 0, "n": 0, "b": False, "q": "0", "x": 0}.get(code)


def go_type(code: Any) -> str:
    """``[]v1.Container``, ``map[string]string``, ``int32``."""
    if isinstance(code, str):
        return _GO.get(code, "runtime.RawExtension")
    shape, inner = code
    if shape == "r":
        package, _, name = inner.rpartition(".")
        return f"{package.rpartition('.')[2]}.{name}"
    return ("[]" if shape == "a" else "map[string]") + go_type(inner)


def json_type(value: Any) -> str:
    """The decoder's word for a value: ``bool``, ``number``, ``string``, ``array``, ``object``."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    names: dict[type, str] = {str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def join(path: str, name: str) -> str:
    """A field path with one more name."""
    return f"{path}.{name}" if path else name
