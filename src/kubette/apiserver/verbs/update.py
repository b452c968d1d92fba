"""PUT of an object, or of its status, finalize or other object-shaped subresource."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from kubette.apiserver import request, writes
from kubette.apiserver.verbs import create
from kubette.apiserver.verbs.base import Call

Object = dict[str, Any]


async def handle(call: Call) -> web.StreamResponse:
    call.require("update")
    call.dry_run = request.dry_run(call.info)
    obj, body = await call.decode(call.kind.kind, call.kind.api_version)
    call.expect(obj, call.kind)
    call.check(obj, body)
    ctx = call.context()
    written = writes.update(
        call.app.objects, call.kind, call.namespace, call.info.name, lambda _: obj, ctx,
        create.admit_change(call), admit_create=create.admit(call, ctx, authorize=True),
    )  # fmt: skip
    return call.answer(await written.finish(), 201 if written.created else 200)
