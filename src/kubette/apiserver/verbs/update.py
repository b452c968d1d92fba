"""PUT of an object, or of its status, finalize or other object-shaped subresource."""

from __future__ import annotations

import copy
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
    call.weigh_stored()
    ctx = call.context()

    def check() -> None:
        call.expect(obj, call.kind)
        call.check(obj, body)

    await call.run(check)

    def change(old: Object) -> Object:
        """Raises Conflict where the object with the uid that the body names is gone."""
        found, wanted = (o.get("metadata") or {} for o in (old, obj))
        if found and wanted.get("uid") and wanted["uid"] != found["uid"]:
            raise writes.uid_conflict(call.kind, found["name"], wanted["uid"], found["uid"])
        return copy.deepcopy(obj) if call.heavy else obj  # preparing it changes it

    written = await call.update(
        change, ctx, create.admission_of_update(call, ctx),
        admission_of_create=create.admission_of_create(call, ctx, authorize=True),
    )  # fmt: skip
    return await call.reply(await written.finish(), 201 if written.created else 200)
