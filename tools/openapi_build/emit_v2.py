"""OpenAPI v2: one document for the whole API, which kubectl before 1.27 and ``kubectl apply`` read."""

from __future__ import annotations

from typing import Any

from openapi_build.normalise import Definitions, Schema
from openapi_build.operations import Operation

_MEDIA = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]
_CODES = {200: "OK", 201: "Created", 202: "Accepted"}


def document(version: str, definitions: Definitions, ops: list[Operation]) -> dict[str, Any]:
    """The swagger document, as JSON-able data."""
    paths: dict[str, Any] = {}
    for op in ops:
        paths.setdefault(op.path, {})[op.method] = _operation(op)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": dict(sorted(paths.items())),
        "definitions": {name: _schema(s) for name, s in definitions.items()},
        "securityDefinitions": {
            "BearerToken": {"description": "Bearer Token authentication", "type": "apiKey",
                            "name": "authorization", "in": "header"},
        },
        "security": [{"BearerToken": []}],
    }


def _operation(op: Operation) -> dict[str, Any]:
    params: list[dict[str, Any]] = [
        {"uniqueItems": True, "type": p.type, "description": p.description, "name": p.name, "in": p.where,
         **({"required": True} if p.where == "path" else {})}
        for p in op.params
    ]
    if op.body:
        body: dict[str, Any] = {"name": "body", "in": "body", "schema": _ref(op.body)}
        if not op.body.endswith("DeleteOptions"):
            body["required"] = True
        params.append(body)
    answer = {"type": "string"} if op.answer == "string" else _ref(op.answer)
    out: dict[str, Any] = {
        "description": op.description,
        "consumes": list(op.consumes) or ["*/*"],
        "produces": ["*/*"] if op.answer == "string" else _MEDIA,
        "schemes": ["https"],
        "tags": [op.tag],
        "operationId": op.id,
        "parameters": params,
        "responses": {
            **{str(c): {"description": _CODES[c], "schema": answer} for c in op.codes},
            "401": {"description": "Unauthorized"},
        },
    }
    if op.action:
        out["x-kubernetes-action"] = op.action
    if op.gvk:
        group, version, kind = op.gvk
        out["x-kubernetes-group-version-kind"] = {"group": group, "version": version, "kind": kind}
    return out


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/definitions/{name}"}


def _schema(schema: Schema) -> Schema:
    out: Schema = {}
    for key, value in schema.items():
        if key == "$ref":
            out[key] = f"#/definitions/{value}"
        elif key == "properties":
            out[key] = {n: _schema(s) for n, s in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            out[key] = _schema(value)
        else:
            out[key] = value
    return out
