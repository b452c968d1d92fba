"""The compact tables that ``kubette.api.schema`` checks objects with: types and patch metadata, no prose.

``{"types": {definition: {field: type}}, "scalars": {definition: code}, "meta": {definition: {field: row}}}``.
A type is a code of one letter, ``["a", type]`` for a list, ``["m", type]`` for a map with string keys, or
``["r", definition]``. The codes: s string, i int32, l int64, n float64, b bool, y base64 bytes, t time,
u time with microseconds, q quantity, x int or string, o any object, j any JSON.
A ``meta`` row is ``[patch strategies, merge key, list type, list map keys, map type]``.
"""

from __future__ import annotations

from typing import Any

from openapi_build.normalise import INT_OR_STRING, QUANTITY, Definitions, Schema

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_JSON = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_SCALARS = {
    INT_OR_STRING: "x",
    QUANTITY: "q",
    _META + "Time": "t",
    _META + "MicroTime": "u",
    _META + "FieldsV1": "o",
    _META + "Patch": "j",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "o",
    _JSON + "JSON": "j",
    _JSON + "JSONSchemaPropsOrArray": "j",
    _JSON + "JSONSchemaPropsOrBool": "j",
    _JSON + "JSONSchemaPropsOrStringArray": "j",
}
_PRIMITIVES = {("string", "byte"): "y", ("integer", "int64"): "l", ("integer", "int32"): "i"}
_BY_TYPE = {"string": "s", "integer": "l", "number": "n", "boolean": "b"}


def tables(definitions: Definitions) -> dict[str, Any]:
    """The table file's content; raises ValueError on a schema it has no code for."""
    types: dict[str, Any] = {}
    meta: dict[str, Any] = {}
    for name, definition in definitions.items():
        if name in _SCALARS:
            continue
        properties = definition.get("properties", {})
        types[name] = {field: _type(schema) for field, schema in properties.items()}
        rows = {field: row for field, schema in properties.items() if (row := _meta(schema))}
        if rows:
            meta[name] = rows
    return {"types": types, "scalars": _SCALARS, "meta": meta}


def _type(schema: Schema) -> Any:
    ref = schema.get("$ref")
    if ref is not None:
        return _SCALARS.get(ref) or ["r", ref]
    kind = schema.get("type")
    if kind == "array":
        return ["a", _type(schema["items"])]
    if kind == "object":
        values = schema.get("additionalProperties")
        return ["m", _type(values)] if isinstance(values, dict) else "o"
    code = _PRIMITIVES.get((kind or "", schema.get("format", ""))) or _BY_TYPE.get(kind or "")
    if code is None:
        raise ValueError(f"no code for schema {schema}")
    return code


def _meta(schema: Schema) -> list[Any] | None:
    strategy = schema.get("x-kubernetes-patch-strategy", "")
    row = [
        strategy.split(",") if strategy else [],
        schema.get("x-kubernetes-patch-merge-key", ""),
        schema.get("x-kubernetes-list-type", ""),
        schema.get("x-kubernetes-list-map-keys", []),
        schema.get("x-kubernetes-map-type", ""),
    ]
    return row if any(row) else None
