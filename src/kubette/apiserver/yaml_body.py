"""YAML in request bodies: the JSON value that upstream's sigs.k8s.io/yaml makes of it.

libyaml parses the text into events, and the value is built from them at once, so that no second tree is held. What a
plain scalar means is YAML 1.1 as go-yaml v2 reads it: no base 60, octal by ``0`` and ``0o``, times stay text. A body
comes from anybody: what aliases multiply is counted, nesting is bounded, no tag makes anything but plain data. Pure.

Source: go.yaml.in/yaml/v2 (resolve.go, decode.go) and sigs.k8s.io/yaml (yaml.go).
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from dataclasses import dataclass
from functools import cache
from math import inf, isfinite, nan
from typing import Any

import yaml

#: Upstream's bound: so many values may come from aliases before their share of all values counts.
ALIASED = 400_000
_ALIASED_LARGE = 4_000_000
_MAX_DEPTH = 250
#: Bytes of text that aliases may repeat.
_MAX_REPEATED = 3 << 20
#: libyaml compares each %TAG with all before it.
_MAX_DIRECTIVES = 32
_MAX_STRICT = 100
_PREFIX = "tag:yaml.org,2002:"
_NULL, _BOOL, _INT, _FLOAT, _STR, _TIME, _MERGE, _BINARY = (
    _PREFIX + name for name in ("null", "bool", "int", "float", "str", "timestamp", "merge", "binary")
)
_RESOLVABLE = frozenset({_STR, _BOOL, _INT, _FLOAT, _NULL, _TIME})

_WORDS: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), (_BOOL, True)),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), (_BOOL, False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (_NULL, None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), (_FLOAT, nan)),
    **{s + w: (_FLOAT, inf) for w in (".inf", ".Inf", ".INF") for s in ("", "+")},
    **{"-" + w: (_FLOAT, -inf) for w in (".inf", ".Inf", ".INF")},
    "<<": (_MERGE, "<<"),
}
#: What Go's ParseInt reads with base 0, underscores being gone. No number of 64 bits has more characters.
_INTEGER = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))").fullmatch
_LONGEST_INTEGER = 68
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?").fullmatch
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:[Tt](\d\d?):(\d\d?):(\d\d?)([.,]\d+)?(Z|[+-]\d\d:\d\d)| (\d\d?):(\d\d?):(\d\d?)([.,]\d+)?)?", re.ASCII
).fullmatch  # fmt: skip


def parse(body: bytes) -> tuple[Any, list[str]]:
    """The value of the first document in ``body``, and what upstream's strict parser says of it.

    Raises ValueError for anything else than YAML that JSON can say."""
    text = _text(body)
    if len(_directives(text)) > _MAX_DIRECTIVES:
        raise ValueError("too many directives")
    loader = _loader()(text)
    try:
        return _Reader(loader).document()
    except yaml.YAMLError as e:
        raise ValueError(" ".join(str(e).split())) from e
    finally:
        loader.dispose()


_directives = re.compile(r"^%", re.MULTILINE).findall


def _text(body: bytes) -> str:
    """Decoded as the byte order mark says, so that what is counted in the text is what the parser reads."""
    encoding = "utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as e:
        raise ValueError(f"invalid Unicode character at byte {e.start}") from e


@cache
def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class _Anchored:
    """A value that may be repeated: how many values and bytes of text it stands for."""

    value: Any
    values: int
    text: int
    mapping: bool


class _Reader:
    """One document. ``_values`` counts as upstream's decoder does: aliases and what they stand for, keys, values."""

    def __init__(self, loader: Any) -> None:
        self._next = loader.get_event
        self._anchors: dict[str, _Anchored | None] = {}  # None: still being read
        self._values = self._text = self._from_aliases = self._repeated = 0
        self._strict: list[str] = []

    def document(self) -> tuple[Any, list[str]]:
        self._next()  # the stream's start
        if not isinstance(self._next(), yaml.DocumentStartEvent):
            return None, []
        value = self._value(self._next(), 0)
        if self._strict:
            return value, ["yaml: unmarshal errors:\n  " + "\n  ".join(self._strict)]
        return value, []

    def _value(self, event: yaml.Event, depth: int) -> Any:
        value = self._anchored(event, depth).value
        return _json_number(value) if isinstance(value, float) else value

    def _anchored(self, event: Any, depth: int) -> _Anchored:
        """The value that begins with ``event``. A mapping or list is new each time, also behind an alias."""
        self._values += 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        values, text, name = self._values - 1, self._text, event.anchor
        if isinstance(event, yaml.ScalarEvent):
            self._text += len(event.value)
            found = _Anchored(_scalar(event), 0, 0, False)
        else:
            if depth >= _MAX_DEPTH:
                raise ValueError("exceeded max depth")
            if name:
                self._anchors[name] = None
            mapping = isinstance(event, yaml.MappingStartEvent)
            value = self._mapping(depth + 1) if mapping else self._sequence(depth + 1)
            found = _Anchored(value, 0, 0, mapping)
        if name:
            found.values, found.text = self._values - values, self._text - text
            self._anchors[name] = found
        return found

    def _alias(self, event: yaml.AliasEvent) -> _Anchored:
        try:
            found = self._anchors[event.anchor or ""]
        except KeyError:
            raise ValueError(f"unknown anchor '{event.anchor}' referenced") from None
        if found is None:
            raise ValueError(f"anchor '{event.anchor}' value contains itself")
        self._values += found.values
        self._from_aliases += found.values
        self._text += found.text
        self._repeated += found.text
        excess = self._from_aliases > 100 and self._values > 1000
        if self._repeated > _MAX_REPEATED or (excess and self._from_aliases / self._values > _share(self._values)):
            raise ValueError("document contains excessive aliasing")
        return _Anchored(_copy(found.value), found.values, found.text, found.mapping)

    def _sequence(self, depth: int) -> list[Any]:
        out = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            out.append(self._value(event, depth))
        return out

    def _mapping(self, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if _is_merge(event):
                self._merge(out, depth, event.start_mark.line)
                continue
            key = _key(self._anchored(event, depth))
            value = self._value(self._next(), depth)
            if key in out:
                self._twice(key, event.start_mark.line)
            out[key] = value
        return out

    def _merge(self, out: dict[str, Any], depth: int, line: int) -> None:
        """``<<``: what is merged is set like keys that are written here; of a list, the first mapping wins."""
        event = self._next()
        if isinstance(event, yaml.SequenceStartEvent):
            sources = []
            while not isinstance(event := self._next(), yaml.SequenceEndEvent):
                sources.append(self._anchored(event, depth + 1))
        else:
            sources = [self._anchored(event, depth)]
        if not all(source.mapping for source in sources):
            raise ValueError("map merge requires map or sequence of maps as the value")
        for source in reversed(sources):
            for key in out.keys() & source.value.keys():
                self._twice(key, line)
            out |= source.value

    def _twice(self, key: str, line: int) -> None:
        if len(self._strict) < _MAX_STRICT:
            self._strict.append(f'line {line + 1}: key "{key}" already set in map')


def _share(values: int) -> float:
    """The share of all values that may come from aliases: 99 % of a small document, 10 % of a large one."""
    return 0.99 - 0.89 * (min(max(values, ALIASED), _ALIASED_LARGE) - ALIASED) / (_ALIASED_LARGE - ALIASED)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value


def _is_merge(event: yaml.Event) -> bool:
    return (
        isinstance(event, yaml.ScalarEvent)
        and event.value == "<<"
        and (event.tag == _MERGE or bool(event.implicit[0]))
    )


def _key(found: _Anchored) -> str:
    key = found.value
    match key:
        case str():
            return key
        case bool():
            return "true" if key else "false"
        case int() if -(1 << 63) <= key < 1 << 63:
            return str(key)
        case float():
            return _float_key(key)
        case dict() | list():
            raise ValueError("invalid map key")
    raise ValueError(f"unsupported map key of type: {'uint64' if key is not None else '<nil>'}")


def _float_key(value: float) -> str:
    """As Go's ``FormatFloat(value, 'g', -1, 32)``: the shortest text that is the same number of 32 bits."""
    if not isfinite(value):
        return {inf: ".inf", -inf: "-.inf"}.get(value, ".nan")
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return ".inf" if value > 0 else "-.inf"
    for digits in range(1, 10):
        text = f"{single:.{digits - 1}e}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == single:
            break
    exponent = int(text.partition("e")[2])
    return text if exponent < -4 or exponent >= 6 else f"{float(text):.{max(0, digits - 1 - exponent)}f}"


def _scalar(event: yaml.ScalarEvent) -> Any:
    text, tag = event.value, event.tag
    if not tag and not event.implicit[0]:
        return text
    if tag == _BINARY:
        try:
            return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode(errors="replace")
        except (ValueError, binascii.Error) as e:
            raise ValueError("!!binary value contains invalid base64 data") from e
    if tag and tag not in _RESOLVABLE:
        return text
    found, value = (_STR, text) if tag == _STR else _resolve(text)
    if found == _TIME and tag not in (None, "", _TIME):
        found, value = _number(text)
    if tag == _FLOAT and found == _INT:
        found, value = _FLOAT, float(value)
    if tag and tag not in (found, _STR):
        raise ValueError(f"cannot decode {_short(found)} `{text[:64]}` as a {_short(tag)}")
    return value


def _short(tag: str) -> str:
    return "!!" + tag.removeprefix(_PREFIX)


def _resolve(text: str) -> tuple[str, Any]:
    """Tag and value of a plain scalar."""
    word = _WORDS.get(text) if len(text) <= 5 else None
    if word is not None:
        return word
    first = text[0]
    if first == ".":
        if "_" not in text and _DECIMAL(text) and isfinite(number := float(text)):
            return _FLOAT, number
    elif first in "+-0123456789":
        return (_TIME, text) if _is_time(text) else _number(text)
    return _STR, text


def _number(text: str) -> tuple[str, Any]:
    plain = text.replace("_", "")
    if len(plain) <= _LONGEST_INTEGER and (found := _INTEGER(plain)):
        sign, hexadecimal, binary, octal, decimal = found.groups()
        digits, base = next(
            (d, b) for d, b in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)) if d is not None
        )
        number = int(sign + digits, base)
        if -(1 << 63) <= number < 1 << 63 or (not sign and number < 1 << 64):
            return _INT, number
    if _DECIMAL(plain) and isfinite(value := float(plain)):
        return _FLOAT, value
    return _STR, text


def _is_time(text: str) -> bool:
    """Whether Go would read a time: it stays the text that it is, and is no number."""
    found = _TIMESTAMP(text) if text[4:5] == "-" else None
    if found is None:
        return False
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    days = 29 if month == 2 and year % 4 == 0 and (year % 100 or year % 400 == 0) else _DAYS.get(month, 0)
    hour, minute, second = (int(found[n] or found[n + 5] or 0) for n in (4, 5, 6))
    return 0 < day <= days and hour < 24 and minute < 60 and second < 60


_DAYS = {1: 31, 2: 28, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}


def _json_number(value: float) -> int | float:
    """A float as Go writes it in JSON: without a point where it is whole. Raises ValueError for no number."""
    if not isfinite(value):
        raise ValueError("json: unsupported value: " + ("NaN" if value != value else "+Inf" if value > 0 else "-Inf"))
    return int(value) if value.is_integer() and abs(value) < 1 << 63 else value
