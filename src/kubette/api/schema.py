"""Structural checking of objects against the published schema, as upstream's strict JSON decoder does it.

Upstream decodes JSON into Go structs; what does not fit is an error, what has no field is dropped, and what
comes back out is the struct's own spelling. ``check`` does the same to a JSON dict, in place: ill-typed
values give the decoder's error; unknown fields are pruned and reported as ``fieldValidation`` says; nulls
vanish; quantities and times are brought to their canonical form. Semantic rules (required, ranges) are not
its business.

Two passes. The quick one is a tree of closures, compiled for each definition on first use, that only answers
"nothing to do"; it is all that a well-formed object costs. Otherwise the careful one walks the tables with
paths at hand. The same tables give strategic merge its metadata (``field_meta``). They are made from the
OpenAPI schema at build time: ``tools/openapi_build/tables.py`` explains the type codes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from kubette.api.kinds import Kind
from kubette.api.schema_scalars import (
    MICROS,
    SECONDS,
    At,
    IllTyped,
    go_type,
    is_base64,
    is_quantity,
    join,
    scalar,
    zero,
)

Mode = Literal["Strict", "Warn", "Ignore"]
_Check = Callable[[Any], bool]

_MAX_STRICT = 100  # what strict decoding says at most, as upstream
_FILE = Path(__file__).parent / "data" / "schema.json"


@dataclass(slots=True)
class SchemaResult:
    """``errors``: the request must be refused with these texts, ``warnings``: to send as Warning headers.

    The server words a refusal ``Service in version "v1" cannot be handled as a Service: MESSAGE``."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    strict: bool = False  # the errors are of strict decoding, not of types

    @property
    def message(self) -> str:
        """The errors in one line, as upstream's decoder joins them."""
        return ("strict decoding error: " if self.strict else "") + ", ".join(self.errors)


@dataclass(frozen=True, slots=True)
class FieldMeta:
    """What strategic merge and server-side apply need to know about a field of a definition.

    ``shape`` is ``scalar``, ``object``, ``list`` or ``map``; ``definition`` is that of the field, or of the
    elements of a list or map, and empty where they are not structs."""

    shape: str
    definition: str = ""
    strategies: tuple[str, ...] = ()  # "merge", "replace", "retainKeys"
    merge_key: str = ""
    list_type: str = ""  # "atomic", "set", "map"
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""  # "atomic", "granular"


def check(
    kind: Kind | str, obj: dict[str, Any], mode: Mode = "Strict", duplicates: list[str] | None = None,
    more: Sequence[str] = (),
) -> SchemaResult:  # fmt: skip
    """Check and normalise ``obj`` in place. ``kind`` may be a definition's name.

    ``duplicates`` are the paths that ``find_duplicates`` saw in the request's bytes, ``more`` further complaints of
    strict decoding. A kind without a definition passes unchanged."""
    name = kind if isinstance(kind, str) else kind.schema
    if name not in _tables()["types"]:
        return SchemaResult()
    careful = _Careful()
    try:
        if _quick(name)(obj) and not duplicates and not more:
            return SchemaResult()
        careful.struct(name, obj, At())
    except IllTyped as e:
        return SchemaResult(errors=[str(e)])
    except RecursionError:
        return SchemaResult(errors=["exceeded max depth"])
    found = [*more, *(f'unknown field "{path}"' for path in careful.unknown)]
    found += [f'duplicate field "{path}"' for path in duplicates or ()]
    found = list(dict.fromkeys(found))[:_MAX_STRICT]
    if not found or mode == "Ignore":
        return SchemaResult()
    return SchemaResult(errors=found, strict=True) if mode == "Strict" else SchemaResult(warnings=found)


def find_duplicates(body: bytes | str) -> list[str]:
    """The paths of keys that occur twice in one JSON object, as ``spec.ports[0].port``; [] for bad JSON."""
    marked: dict[int, tuple[dict[str, Any], list[str]]] = {}

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(items)
        if len(out) != len(items):
            seen: set[str] = set()
            twice = [k for k, _ in items if k in seen or seen.add(k)]  # type: ignore[func-returns-value]
            marked[id(out)] = (out, twice)
        return out

    try:
        root = json.loads(body, object_pairs_hook=pairs)
    except ValueError:
        return []
    return _marked_paths(root, "", marked) if marked else []


def _marked_paths(at: Any, path: str, marked: dict[int, tuple[dict[str, Any], list[str]]]) -> list[str]:
    out = []
    if isinstance(at, dict):
        if id(at) in marked:
            out += [join(path, key) for key in marked[id(at)][1]]
        for key, value in at.items():
            out += _marked_paths(value, join(path, key), marked)
    elif isinstance(at, list):
        for i, value in enumerate(at):
            out += _marked_paths(value, f"{path}[{i}]", marked)
    return out


@cache
def field_meta(definition: str, name: str) -> FieldMeta | None:
    """Metadata of a field; None where the definition or the field does not exist."""
    tables = _tables()
    code = tables["types"].get(definition, {}).get(name)
    if code is None:
        return None
    shape, inner = "scalar", code
    if code[0] == "a":
        shape, inner = "list", code[1]
    elif code[0] == "m":
        shape, inner = "map", code[1]
    elif code[0] == "r" or code in ("o", "j"):
        shape = "object"
    target = inner[1] if isinstance(inner, list) and inner[0] == "r" else ""
    row = tables["meta"].get(definition, {}).get(name) or [[], "", "", [], ""]
    return FieldMeta(shape, target, tuple(row[0]), row[1], row[2], tuple(row[3]), row[4])


def fields(definition: str) -> frozenset[str]:
    """The names of a definition's fields; empty for an unknown definition."""
    return frozenset(_tables()["types"].get(definition, ()))


@cache
def _tables() -> dict[str, Any]:
    import orjson

    try:
        data: dict[str, Any] = orjson.loads(_FILE.read_bytes())
    except FileNotFoundError as e:
        raise RuntimeError(f"{_FILE} is missing: run `python tools/build_hook.py`") from e
    return data


# --- the quick pass: True means that there is nothing to report and nothing to change ---


@cache
def _quick(definition: str) -> _Check:
    """The compiled check of one definition; those it refers to are compiled when a value first needs them."""
    exact: dict[str, type] = {}  # fields for which the Python type says it all
    others: dict[str, _Check] = {}
    for name, code in _tables()["types"][definition].items():
        if code == "s":
            exact[name] = str
        elif code == "b":
            exact[name] = bool
        else:
            others[name] = _quick_value(code)
    exact_get, others_get = exact.get, others.get

    def struct(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for key, item in value.items():
            if exact_get(key) is type(item):
                continue
            test = others_get(key)
            if test is None or not test(item):
                return False
        return True

    return struct


def _quick_value(code: Any) -> _Check:
    if isinstance(code, str):
        return _QUICK[code]
    shape, inner = code
    if shape == "r":
        return lambda value: _quick(inner)(value)
    if shape == "a":
        if inner == "s":
            return lambda value: type(value) is list and all(type(item) is str for item in value)
        of_list = _quick_value(inner)
        return lambda value: type(value) is list and all(map(of_list, value))
    if inner == "s":
        return lambda value: type(value) is dict and all(type(item) is str for item in value.values())
    of_map = _quick_value(inner)
    return lambda value: type(value) is dict and all(map(of_map, value.values()))


_QUICK: dict[str, _Check] = {
    "s": lambda v: type(v) is str,
    "b": lambda v: type(v) is bool,
    "i": lambda v: type(v) is int and -0x80000000 <= v <= 0x7FFFFFFF,
    "l": lambda v: type(v) is int and -0x8000000000000000 <= v <= 0x7FFFFFFFFFFFFFFF,
    "n": lambda v: type(v) is float or type(v) is int,
    "x": lambda v: type(v) is str or (type(v) is int and -0x80000000 <= v <= 0x7FFFFFFF),
    "y": is_base64,
    "t": lambda v: type(v) is str and SECONDS(v) is not None,
    "u": lambda v: type(v) is str and MICROS(v) is not None,
    "q": is_quantity,
    "o": lambda v: v is not None,
    "j": lambda v: v is not None,
}


# --- the careful pass: errors with paths, pruning, canonical forms ---


class _Careful:
    """One walk. Raises IllTyped at the first value of a wrong type; collects unknown fields on the way."""

    def __init__(self) -> None:
        self.unknown: list[str] = []

    def value(self, code: Any, value: Any, at: At) -> Any:
        """The value in canonical form; ``value`` is not None."""
        if isinstance(code, str):
            return scalar(code, value, at)
        shape, inner = code
        if shape == "r":
            return self.struct(inner, value, at)
        if shape == "a":
            if not isinstance(value, list):
                raise at.unfit(value, go_type(code))
            for i, item in enumerate(value):
                value[i] = zero(inner) if item is None else self.value(inner, item, at.below(f"[{i}]"))
            return value
        if not isinstance(value, dict):
            raise at.unfit(value, go_type(code))
        for key, item in value.items():
            value[key] = zero(inner) if item is None else self.value(inner, item, at.below(f".{key}"))
        return value

    def struct(self, definition: str, value: Any, at: At) -> Any:
        """A struct, pruned in place."""
        if not isinstance(value, dict):
            raise at.unfit(value, go_type(["r", definition]))
        types = _tables()["types"][definition]
        struct = definition.rpartition(".")[2]
        for key in list(value):
            code = types.get(key)
            if code is None:
                self.unknown.append(join(at.path, key))
                del value[key]
            elif value[key] is None:
                del value[key]
            else:
                value[key] = self.value(code, value[key], at.field(struct, key))
        return value


