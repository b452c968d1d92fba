"""PUT of an object, or of its status, finalize or other object-shaped subresource."""

from __future__ import annotations

import copy
from typing import Any

from aiohttp import web

from kubette.apiserver import request
from kubette.apiserver.verbs import create
from kubette.apiserver.verbs.base import Call

Object = dict[str, Any]


async def handle(call: Call) -> web.StreamResponse:
    call.require("update")
    call.dry_run = request.dry_run(call.info)
    obj, body = await call.decode(call.kind.kind, call.kind.api_version)
    call.weigh_stored()
    ctx = call.context()

    def check() -> None:
        call.expect(obj, call.kind)
        call.check(obj, body)

    await call.run(check)
    change = (lambda _: copy.deepcopy(obj)) if call.heavy else (lambda _: obj)  # preparing it changes it
    written = await call.update(
        change, ctx, create.admission_of_update(call, ctx),
        admission_of_create=create.admission_of_create(call, ctx, authorize=True),
    )  # fmt: skip
    return await call.reply(await written.finish(), 201 if written.created else 200)
