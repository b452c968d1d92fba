"""OpenAPI v3: one document a group-version, each with the definitions that it needs, and their index."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from openapi_build.normalise import INT_OR_STRING, QUANTITY, Definitions, Schema, closure
from openapi_build.operations import Operation

_ONE_OF = {INT_OR_STRING: ("integer", "string"), QUANTITY: ("string", "number")}
_MEDIA = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")


def document(
    version: str, definitions: Definitions, ops: list[Operation], roots: set[str]
) -> dict[str, Any]:
    """The document of one group-version: ``roots``, what the operations name, and all that these refer to."""
    paths: dict[str, Any] = {}
    wanted = set(roots)
    for op in ops:
        wanted.update(n for n in (op.body, op.answer) if n and n != "string")
        paths.setdefault(op.path, {})[op.method] = _operation(op)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {n: _definition(n, definitions[n]) for n in closure(definitions, wanted)},
            "securitySchemes": {
                "BearerToken": {"type": "apiKey", "description": "Bearer Token authentication",
                                "name": "authorization", "in": "header"},
            },
        },
    }


def encode(doc: dict[str, Any]) -> tuple[bytes, str]:
    """The document's bytes and the hash that its URL carries (SHA-512, upper case)."""
    data = json.dumps(doc, separators=(",", ":")).encode()
    return data, hashlib.sha512(data).hexdigest().upper()


def _operation(op: Operation) -> dict[str, Any]:
    out: dict[str, Any] = {
        "tags": [op.tag],
        "description": op.description,
        "operationId": op.id,
        "parameters": [_param(p) for p in op.params],
        "responses": {str(c): {"description": _CODES[c], **_content(op.answer)} for c in op.codes},
    }
    out["responses"]["401"] = {"description": "Unauthorized"}
    if op.body:
        media = op.consumes or ("*/*",)
        out["requestBody"] = {
            "content": {m: {"schema": _ref(op.body)} for m in media},
            **({} if op.body.endswith("DeleteOptions") else {"required": True}),
        }
    if op.action:
        out["x-kubernetes-action"] = op.action
    if op.gvk:
        group, version, kind = op.gvk
        out["x-kubernetes-group-version-kind"] = {"group": group, "version": version, "kind": kind}
    return out


_CODES = {200: "OK", 201: "Created", 202: "Accepted"}


def _param(p: Any) -> dict[str, Any]:
    out = {"name": p.name, "in": p.where, "description": p.description,
           "schema": {"type": p.type, "uniqueItems": True}}
    if p.where == "path":
        out["required"] = True
    return out


def _content(answer: str) -> dict[str, Any]:
    if answer == "string":
        return {"content": {"*/*": {"schema": {"type": "string"}}}}
    return {"content": {m: {"schema": _ref(answer)} for m in _MEDIA}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _definition(name: str, schema: Schema) -> Schema:
    if name in _ONE_OF:
        out: Schema = {"description": schema["description"], "oneOf": [{"type": t} for t in _ONE_OF[name]]}
        if "format" in schema:
            out["format"] = schema["format"]
        return out
    return _schema(schema, top=True)


def _schema(schema: Schema, top: bool = False) -> Schema:
    if "$ref" in schema:  # published v3 wraps a reference, so that a description may stand beside it
        rest = {k: v for k, v in schema.items() if k != "$ref"}
        return {"allOf": [_ref(schema["$ref"])], "default": {}, **rest}
    out: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            out[key] = {n: _schema(s) for n, s in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            out[key] = _schema(value)
        else:
            out[key] = value
    return out
