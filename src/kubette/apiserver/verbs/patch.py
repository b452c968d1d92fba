"""PATCH: JSON, merge and strategic merge patches. Applied to head without an await, so it never conflicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from kubette.api import patch
from kubette.api.errors import BadRequest, UnsupportedMediaType, forbidden, invalid_patch
from kubette.api.kinds import Kind
from kubette.api.schema import find_duplicates
from kubette.apiserver import bodies, request
from kubette.apiserver.verbs import create
from kubette.apiserver.verbs.base import Call, fill

Object = dict[str, Any]
_JSON = "application/json-patch+json"
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class Patch:
    """``apply`` gives what an object becomes; ``strict``: what strict decoding says of the patch itself.
    ``typed``: the kind and version that the patch leaves do not count, as upstream merges into the struct."""

    apply: Callable[[Object], Object]
    strict: tuple[str, ...] = ()
    typed: bool = False

    def named(self, new: Object, kind: str, api_version: str) -> None:
        """Give ``new`` its kind and version. Raises Invalid where the patch leaves something that is no text."""
        if self.typed:
            new["kind"], new["apiVersion"] = kind, api_version
            return
        try:
            fill(new, kind, api_version)
        except bodies.Malformed as e:
            raise invalid_patch(new, str(e)) from e


async def handle(call: Call) -> web.StreamResponse:
    call.require("patch")
    call.dry_run = request.dry_run(call.info)
    change = await patcher(call, call.kind)
    call.weigh_stored()
    ctx = call.context()

    def check(new: Object) -> None:
        change.named(new, call.kind.kind, call.kind.api_version)
        call.expect_patched(new, call.kind)
        call.check_patched(new, more=change.strict)

    written = await call.update(change.apply, ctx, create.admission_of_update(call, ctx), check)
    return await call.reply(await written.finish(), 201 if written.created else 200)


async def patcher(call: Call, kind: Kind | str) -> Patch:
    """The patch in the body. Raises BadRequest, UnsupportedMediaType."""
    data = await call.body()
    media = bodies.media_type(call.request.headers.get("Content-Type", ""))
    schema = kind if isinstance(kind, str) else kind.schema
    if media not in (_JSON, _MERGE, _STRATEGIC) or (media == _STRATEGIC and not schema):
        known = f"{_JSON}, {_MERGE}, {_STRATEGIC}"
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {known}"
        )
    if "force" in call.info.query:
        raise request.options_invalid(call.info, forbidden("force", "may not be specified for non-apply patch"))
    return await call.run(lambda: _read(data, media, schema))


def _read(data: bytes, media: str, schema: str) -> Patch:
    """Raises BadRequest."""
    try:
        body = bodies.parse_yaml(data) if data[:1] not in (b"{", b"[") else bodies.Body(bodies.parse_json(data), data)
    except bodies.Malformed as e:
        raise BadRequest(f"error decoding patch: {e}") from e
    if media == _JSON:
        return Patch(lambda obj: patch.json_patch(obj, body.value), _odd_operations(body.value))
    if not isinstance(body.value, dict):
        raise BadRequest("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")
    twice = tuple(f'duplicate field "{path}"' for path in find_duplicates(data)) if body.data else body.strict
    if media == _MERGE:
        return Patch(lambda obj: _object(patch.merge_patch(obj, body.value)), twice)
    return Patch(lambda obj: patch.strategic_merge(schema, obj, body.value), twice, typed=True)


def _odd_operations(operations: Any) -> tuple[str, ...]:
    """Members of JSON patch operations that RFC 6902 does not know."""
    if not isinstance(operations, list):
        return ()
    return tuple(
        f'json patch unknown field "[{i}].{field}"'
        for i, operation in enumerate(operations) if isinstance(operation, dict)
        for field in operation if field not in ("op", "path", "from", "value")
    )  # fmt: skip


def _object(value: Any) -> Object:
    if not isinstance(value, dict):
        raise BadRequest("the patch does not leave an object")
    return value
