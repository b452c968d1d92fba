"""GET of one object: a lookup."""

from __future__ import annotations

import orjson
from aiohttp import web

from kubette.api.errors import not_found
from kubette.apiserver import codec
from kubette.apiserver.convert import stored_resource
from kubette.apiserver.objects import served, too_new
from kubette.apiserver.verbs import listoptions
from kubette.apiserver.verbs.base import Call


async def handle(call: Call) -> web.StreamResponse:
    call.require("get")
    kind, info = call.kind, call.info
    if kind.kind == "ComponentStatus":
        if info.name not in COMPONENTS:
            raise not_found(kind.plural, info.name)
        return await call.reply(orjson.dumps(component(info.name)))
    store = call.app.objects.store
    entry = store.get(stored_resource(kind), call.namespace, info.name)
    if info.query:
        wanted = listoptions.revision(info.param("resourceVersion"))
        if wanted > store.rev:
            raise too_new(wanted, store.rev)
    if entry is None:
        raise not_found(kind.plural, info.name, kind.group)
    value = served(kind, entry.value)
    accepted = call.accepted
    if accepted is codec.DEFAULT and not call.warnings:
        return web.Response(body=value, headers=JSON_HEADERS)
    return await call.reply(value)


JSON_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-cache, private"}


COMPONENTS = ("controller-manager", "etcd-0", "scheduler")


def component(name: str) -> dict[str, object]:
    condition = {"type": "Healthy", "status": "True", "message": "ok"}
    return {"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name}, "conditions": [condition]}
