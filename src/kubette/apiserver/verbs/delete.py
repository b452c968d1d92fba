"""DELETE of one object and of a collection."""

from __future__ import annotations

import orjson
from aiohttp import web

from kubette.api.errors import NotFound
from kubette.apiserver import admission, authn, bodies, codec, deletion, noderestriction, request
from kubette.apiserver.bodies import Body
from kubette.apiserver.convert import stored_resource
from kubette.apiserver.deletion import DeleteOptions
from kubette.apiserver.objects import served
from kubette.apiserver.verbs.base import Call
from kubette.apiserver.verbs.selection import selection


async def handle(call: Call) -> web.StreamResponse:
    call.require("delete")
    options = await _options(call)
    kind, name = call.kind, call.info.name
    admission.admit_delete(kind, name)
    removed = call.app.objects.remove_damaged(kind, call.namespace, name) if authn.node_of(call.user) is None else None
    if removed is not None:
        await removed.wait()
        return call.answer_object(deletion.success(kind, name, ""), 200)
    _guard(call, call.namespace, name)
    done = deletion.delete(call.app.objects, kind, call.namespace, name, options, call.context())
    value = await done.written.finish()
    if done.as_object:
        return await call.reply(value, done.code)
    return call.answer_object(deletion.success(kind, name, done.uid), done.code)


async def collection(call: Call) -> web.StreamResponse:
    """Deletes what is selected; the answer is the list of what there was."""
    call.require("deletecollection")
    kind, objects = call.kind, call.app.objects
    chosen = selection(call.info, kind)
    options = await _options(call)
    ctx = call.context()
    values, writes = [], []
    for (namespace, name), entry in objects.store.items(stored_resource(kind), chosen.namespace):
        if not (chosen.wants_key(namespace, name) and chosen.matches(entry.value)):
            continue
        try:
            admission.admit_delete(kind, name)
            _guard(call, namespace, name)
            writes.append(deletion.delete(objects, kind, namespace, name, options, ctx).written)
        except NotFound:
            continue  # deleted since, and not yet on disk
        values.append(served(kind, entry.value))
    for written in writes:
        await written.finish()
    head = {"kind": kind.list_kind, "apiVersion": kind.api_version}
    meta = {"resourceVersion": str(objects.store.rev)}
    doc = {**head, "metadata": meta, "items": [orjson.Fragment(v) for v in values]}
    body = orjson.dumps(doc)
    return call.raw(codec.convert(body, call.accepted.form), 200, call.accepted.form)


def _guard(call: Call, namespace: str, name: str) -> None:
    """A node deletes only what is its own. Raises Forbidden."""
    objects = call.app.objects
    if authn.node_of(call.user) is not None and (found := objects.get(call.kind, namespace, name)):
        allowed = call.app.authorizer.allowed
        noderestriction.admit(call.user, call.kind, "delete", "", found, None, objects, allowed)


async def _options(call: Call) -> DeleteOptions:
    data, body = await call.body(), Body({})
    info = call.info
    if data.strip():
        media = call.request.headers.get("Content-Type", "")
        try:
            body = await call.run(lambda: bodies.decode(data, media))
        except bodies.Malformed as e:
            raise bodies.unrecognized("DeleteOptions", data, e) from e
    options = DeleteOptions.read(
        body.value or {}, request.integer(info, "gracePeriodSeconds"), info.param("propagationPolicy"),
        info.flag("orphanDependents") if "orphanDependents" in info.query else None,
    )  # fmt: skip
    call.dry_run = request.dry_run(info, options.dry_run)
    if error := options.error():
        raise request.options_invalid(info, error)
    return options
