"""PATCH: JSON, merge and strategic merge patches. Applied to head without an await, so it never conflicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from kubette.api import patch
from kubette.api.errors import BadRequest, UnsupportedMediaType
from kubette.api.kinds import Kind
from kubette.apiserver import codec, request, writes
from kubette.apiserver.verbs.base import Call

Object = dict[str, Any]
_JSON = "application/json-patch+json"
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


async def handle(call: Call) -> web.StreamResponse:
    call.require("patch")
    change = await patcher(call, call.kind)
    call.dry_run = request.dry_run(call.info)
    ctx = call.context()
    written = writes.update(
        call.app.objects, call.kind, call.namespace, call.info.name, change, ctx,
        lambda new, old: None, check=lambda new: _check(call, new),
    )  # fmt: skip
    return call.answer(await written.finish(), 201 if written.created else 200)


def _check(call: Call, new: Object) -> None:
    call.expect(new, call.kind)
    call.check(new)


async def patcher(call: Call, kind: Kind | str) -> Callable[[Object], Object]:
    """The patch in the body, as a function of the object that it applies to."""
    data = await call.body()
    media = codec.media_type(call.request.headers.get("Content-Type", ""))
    schema = kind if isinstance(kind, str) else kind.schema
    if media not in (_JSON, _MERGE, _STRATEGIC) or (media == _STRATEGIC and not schema):
        known = f"{_JSON}, {_MERGE}, {_STRATEGIC}"
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {known}"
        )
    document = codec.parse_yaml(data) if data[:1] not in (b"{", b"[") else codec.parse_json(data)
    if media == _JSON:
        return lambda obj: patch.json_patch(obj, document)
    if not isinstance(document, dict):
        raise BadRequest("error decoding patch: json: cannot unmarshal array into Go value of type map")
    if media == _MERGE:
        return lambda obj: _object(patch.merge_patch(obj, document))
    return lambda obj: patch.strategic_merge(schema, obj, document)


def _object(value: Any) -> Object:
    if not isinstance(value, dict):
        raise BadRequest("the patch does not leave an object")
    return value
