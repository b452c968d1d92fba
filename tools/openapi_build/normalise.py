"""From the JSON-schema variant in ``kubernetes-validate`` back to the definitions Kubernetes publishes.

That package rewrites the published OpenAPI for JSON-schema validators: nullable types become lists, the two
"either" types become ``oneOf``, ``kind`` and ``apiVersion`` get enums. Clients choke on each of these
(kubectl 1.32 crashes on a list of types), so they are undone here, once, at build time. References become
bare definition names under ``$ref``; the emitters put their own prefix before them.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
Definitions = dict[str, Schema]

INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"

_REF = "#/$defs/"
_NAMED = {"properties", "patternProperties"}


def normalise(source: Definitions) -> Definitions:
    """The definitions in published OpenAPI v2 form, sorted by name. ``source`` is left alone."""
    out = {name: _schema(definition) for name, definition in sorted(source.items())}
    for definition in out.values():
        for field in ("apiVersion", "kind"):
            definition.get("properties", {}).get(field, {}).pop("enum", None)
    for name, extra in ((INT_OR_STRING, {"format": "int-or-string"}), (QUANTITY, {})):
        out[name] = {"description": out[name].get("description", ""), "type": "string", **extra}
    return out


def _schema(node: Schema) -> Schema:
    out: Schema = {}
    for key, value in node.items():
        if key == "$ref":
            out[key] = value.removeprefix(_REF)
        elif key == "type" and isinstance(value, list):
            out[key] = next(t for t in value if t != "null")
        elif key in _NAMED:
            out[key] = {name: _schema(child) for name, child in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            out[key] = _schema(value)
        elif key == "additionalProperties" and value is False:
            continue
        else:
            out[key] = value
    return out


def references(node: Any) -> set[str]:
    """The definition names that a normalised schema refers to, directly."""
    found: set[str] = set()
    stack = [node]
    while stack:
        at = stack.pop()
        if isinstance(at, dict):
            if isinstance(at.get("$ref"), str):
                found.add(at["$ref"])
            stack.extend(at.values())
        elif isinstance(at, list):
            stack.extend(at)
    return found


def closure(definitions: Definitions, roots: set[str]) -> list[str]:
    """Every definition reachable from ``roots``, sorted."""
    seen: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in seen and name in definitions:
            seen.add(name)
            todo.extend(references(definitions[name]))
    return sorted(seen)
