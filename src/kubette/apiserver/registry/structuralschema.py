"""Whether the schema of a custom resource is structural: every value has a known type outside value validation.

Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/{validation,complete}.go and
pkg/apis/apiextensions/validation (ValidateCustomResourceDefinitionOpenAPISchema). Pure. CEL rules are checked for being
there, not compiled; defaults are not checked against their schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from kubette.api.errors import FieldError, forbidden, invalid, required, unsupported

Object = dict[str, Any]
Level = Literal["root", "item", "field"]
_EMPTY_TYPE = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_JUNCTORS = ("anyOf", "allOf", "oneOf")
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_PRESERVE, _EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"
_INT, _LIST, _KEYS, _MAP = (f"x-kubernetes-{s}" for s in ("int-or-string", "list-type", "list-map-keys", "map-type"))
_RULES = "x-kubernetes-validations"
#: What value validation may not say: field → how it must be.
_NOT_NESTED = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    _PRESERVE: "must be false to be structural",
    _EMBEDDED: "must be false to be structural",
    _INT: "must be false to be structural",
    _KEYS: "must be empty to be structural",
    _LIST: "must be undefined to be structural",
    _MAP: "must be undefined to be structural",
    _RULES: "must be empty to be structural",
}
_META = ("metadata", "kind", "apiVersion")


def validate(schema: Object, path: str) -> list[FieldError]:
    """The errors of a whole ``openAPIV3Schema``."""
    structure = [*_invariants(schema, "root", path), *_complete(schema, schema, path, path)]
    return sorted(structure, key=str) + list(_openapi(schema, path, root=True))


def _children(schema: Object, path: str) -> Iterator[tuple[Object, Level, str]]:
    """The schemas below one, outside value validation."""
    if isinstance(schema.get("items"), dict):
        yield schema["items"], "item", f"{path}.items"
    for name, child in (schema.get("properties") or {}).items():
        yield child, "field", f"{path}.properties[{name}]"
    if isinstance(schema.get("additionalProperties"), dict):
        yield schema["additionalProperties"], "field", f"{path}.additionalProperties"


def _nested(schema: Object, path: str) -> Iterator[tuple[Object, str]]:
    for junctor in _JUNCTORS:
        for i, child in enumerate(schema.get(junctor) or ()):
            yield child, f"{path}.{junctor}[{i}]"
    if schema.get("not") is not None:
        yield schema["not"], f"{path}.not"


def _invariants(schema: Object, level: Level, path: str) -> Iterator[FieldError]:
    kind, embedded = schema.get("type") or "", bool(schema.get(_EMBEDDED))
    properties = schema.get("properties") or {}
    if kind == "array" and schema.get("items") is None:
        yield required(f"{path}.items", "must be specified")
    for child, below, at in _children(schema, path):
        yield from _invariants(child, below, at)
    extra = schema.get("additionalProperties")
    if level == "root" and extra is not None:
        yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if schema.get(_INT):
        for field in (_PRESERVE, _EMBEDDED):
            if schema.get(field):
                yield invalid(f"{path}.{field}", True, f"must be false if {_INT} is true")
    yield from _values(schema, path)
    if embedded and kind != "object":
        words = f"must be object if {_EMBEDDED} is true"
        yield invalid(f"{path}.type", kind, words) if kind else required(f"{path}.type", words)
    elif not kind and not schema.get(_INT) and not schema.get(_PRESERVE):
        yield required(f"{path}.type", _EMPTY_TYPE[level])
    if embedded and extra is not None:
        yield forbidden(f"{path}.additionalProperties", f"must not be used if {_EMBEDDED} is set")
    if level == "root" and kind and kind != "object":
        yield invalid(f"{path}.type", kind, "must be object at the root")
    if level == "root" or embedded:
        for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
            found = (properties.get(name) or {}).get("type") or ""
            if name in properties and found != wanted:
                yield invalid(f"{path}.properties[{name}].type", found, f"must be {wanted}")
    if level == "root" and "metadata" in properties and not _only_names(properties["metadata"]):
        words = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield forbidden(f"{path}.properties[metadata]", words)
    if embedded and not schema.get(_PRESERVE) and not properties:
        words = f"must not be empty if {_EMBEDDED} is true without {_PRESERVE}"
        yield required(f"{path}.properties", words)


def _only_names(metadata: Object) -> bool:
    rest = {k for k, v in metadata.items() if k not in ("type", "default") and v not in (None, {}, [], "", False)}
    return rest <= {"properties"} and set(metadata.get("properties") or {}) <= {"name", "generateName"}


def _values(schema: Object, path: str) -> Iterator[FieldError]:
    """Value validation below a structural schema; the two forms of an int-or-string are excepted."""
    any_of = schema.get("anyOf") == _INT_OR_STRING
    all_of = (schema.get("allOf") or [{}])[0].get("anyOf") == _INT_OR_STRING
    for child, at in _nested(schema, path):
        if any_of and at.startswith(f"{path}.anyOf["):
            continue
        yield from _nested_values(child, at, skip=all_of and at == f"{path}.allOf[0]")
    if pattern := schema.get("pattern"):
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as e:
            words = f"must be a valid regular expression, but isn't: {e}"
            yield invalid(f"{path}.pattern", pattern, words)


def _nested_values(schema: Object, path: str, *, skip: bool = False) -> Iterator[FieldError]:
    """``skip``: its ``anyOf`` is that of an int-or-string."""
    for child, at in _nested(schema, path):
        if not (skip and at.startswith(f"{path}.anyOf[")):
            yield from _nested_values(child, at)
    for child, _, at in _children(schema, path):
        if at != f"{path}.additionalProperties":
            yield from _nested_values(child, at)
    for field, words in _NOT_NESTED.items():
        if schema.get(field) not in (None, False, "", []):
            yield forbidden(f"{path}.{field}", words)
    if "metadata" in (schema.get("properties") or {}):
        yield forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _complete(values: Object, schema: Object | None, path: str, where: str) -> Iterator[FieldError]:
    """Every field that value validation speaks of is a field of the structure. ``where``: in value validation."""
    for child, at in _nested(values, where):
        yield from _complete_nested(child, schema, path, at)


def _complete_nested(values: Object, schema: Object | None, path: str, where: str) -> Iterator[FieldError]:
    if schema is None:
        yield required(path, f"because it is defined in {where}")
        return
    yield from _complete(values, schema, path, where)
    if isinstance(values.get("items"), dict):
        yield from _complete_nested(values["items"], schema.get("items"), f"{path}.items", f"{where}.items")
    for name, child in (values.get("properties") or {}).items():
        below = (schema.get("properties") or {}).get(name)
        at, there = f"{path}.properties[{name}]", f"{where}.properties[{name}]"
        yield from _complete_nested(child, below, at, there)


# ---- what OpenAPI v3 as Kubernetes takes it allows


def _openapi(schema: Object, path: str, *, root: bool = False, no_default: str = "") -> Iterator[FieldError]:
    """``no_default``: why defaults are not allowed here; empty where they are."""
    kind = schema.get("type") or ""
    if kind and kind not in _TYPES:
        yield unsupported(f"{path}.type", kind, _TYPES)
    if schema.get("default") is not None and no_default:
        yield forbidden(f"{path}.default", f"must not be set {no_default}")
    for field in _UNSUPPORTED:
        if schema.get(field) not in (None, "", {}):
            yield forbidden(f"{path}.{field}", f"{field} is not supported")
    if kind == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if schema.get("uniqueItems"):
        words = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", words)
    extra = schema.get("additionalProperties")
    if extra is not None and schema.get("properties") and extra is not True:
        words = "additionalProperties and properties are mutual exclusive"
        yield forbidden(f"{path}.additionalProperties", words)
    for child, _, at in _children(schema, path):
        name = at.removeprefix(f"{path}.properties[").removesuffix("]")
        why = f"in top-level {name}" if root and name in _META else no_default
        yield from _openapi(child, at, no_default=why)
    for child, at in _nested(schema, path):
        yield from _openapi(child, at, no_default=no_default)
    if schema.get(_PRESERVE) is False:
        yield invalid(f"{path}.{_PRESERVE}", False, "must be true or undefined")
    yield from _maps_and_lists(schema, kind, path)
    for i, rule in enumerate(schema.get(_RULES) or ()):
        if not (rule.get("rule") or "").strip():
            yield required(f"{path}.{_RULES}[{i}].rule", "rule is not specified")


def _typed(kind: str, wanted: str, extension: str, path: str) -> Iterator[FieldError]:
    if kind != wanted:
        words = f"must be {wanted} if {extension} is specified"
        yield invalid(f"{path}.type", kind, words) if kind else required(f"{path}.type", words)


def _maps_and_lists(schema: Object, kind: str, path: str) -> Iterator[FieldError]:
    map_type, list_type, keys = schema.get(_MAP), schema.get(_LIST), schema.get(_KEYS) or []
    items = schema.get("items") if isinstance(schema.get("items"), dict) else None
    if map_type is not None:
        yield from _typed(kind, "object", _MAP, path)
        if map_type not in ("atomic", "granular"):
            yield unsupported(f"{path}.{_MAP}", map_type, ("atomic", "granular"))
    if list_type is not None:
        yield from _typed(kind, "array", _LIST, path)
        if kind == "array" and list_type == "set" and items is not None:
            yield from _atomic_items(items, path)
        if list_type not in ("atomic", "set", "map"):
            yield unsupported(f"{path}.{_LIST}", list_type, ("atomic", "map", "set"))
    if keys and list_type != "map":
        words = f"must be map if {_KEYS} is non-empty"
        at = f"{path}.{_LIST}"
        yield required(at, words) if list_type is None else invalid(at, list_type, words)
    if list_type == "map":
        yield from _keyed(schema, items, keys, path)
    if items is not None and list_type in ("set", "map") and items.get("nullable"):
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when {_LIST} is {list_type}")


def _atomic_items(items: Object, path: str) -> Iterator[FieldError]:
    words = f"must be atomic as item of a list with {_LIST}=set"
    if items.get("type") == "array" and items.get(_LIST) not in (None, "atomic"):
        yield invalid(f"{path}.items.{_LIST}", items.get(_LIST), words)
    if items.get("type") == "object" and items.get(_MAP) != "atomic":
        yield invalid(f"{path}.items.{_MAP}", items.get(_LIST), words)


def _keyed(schema: Object, items: Object | None, keys: list[str], path: str) -> Iterator[FieldError]:
    """A list whose items are told apart by some of their fields."""
    if not keys:
        yield required(f"{path}.{_KEYS}", f"must not be empty if {_LIST} is map")
    if schema.get("items") is None:
        yield required(f"{path}.items", f"must have a schema if {_LIST} is map")
    if items is None:
        return
    if items.get("type") != "object":
        words = f"must be object if parent array's {_LIST} is map"
        yield invalid(f"{path}.items.type", items.get("type") or "", words)
        return
    for i, key in enumerate(keys):
        field, at = (items.get("properties") or {}).get(key), f"{path}.items.properties[{key}]"
        if key in keys[:i]:
            yield invalid(f"{path}.{_KEYS}", keys, "must not contain duplicate entries")
        if field is None:
            yield invalid(f"{path}.{_KEYS}", keys, "entries must all be names of item properties")
            continue
        if field.get("type") in ("array", "object"):
            words = f"must be a scalar type if parent array's {_LIST} is map"
            yield invalid(f"{at}.type", items.get("type"), words)
        if key not in (items.get("required") or ()) and field.get("default") is None:
            words = f"this property is in {_KEYS}, so it must have a default or be a required property"
            yield required(f"{at}.default", words)
        if field.get("nullable"):
            yield forbidden(f"{at}.nullable", f"this property is in {_KEYS}, so it cannot be nullable")
