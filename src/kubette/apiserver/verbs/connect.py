"""POST and PUT to a subresource with a meaning of its own: binding, eviction, token, … .

The kind's strategy decides; what it wants written or deleted is done here, in the same step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from kubette.api import kinds
from kubette.api.errors import BadRequest, not_found
from kubette.apiserver import deletion, noderestriction, request, writes
from kubette.apiserver.objects import served_object
from kubette.apiserver.registry import strategy_for
from kubette.apiserver.verbs.base import Call, method_not_allowed

Object = dict[str, Any]


async def handle(call: Call) -> web.StreamResponse:
    call.require("create")
    call.dry_run = request.dry_run(call.info)
    sub = call.kind.subresource(call.info.subresource)
    if sub is None:
        raise method_not_allowed()
    obj, body = await call.decode(sub.kind, f"{sub.group}/v1" if sub.group else "v1")
    if obj["kind"] != sub.kind:
        raise BadRequest(f"{obj['kind']} cannot be handled as a {sub.kind}")
    await call.run(lambda: call.check(obj, body, _schema(sub.group, sub.kind) or None))
    return await apply(call, obj)


async def apply(call: Call, obj: Object) -> web.StreamResponse:
    """Hand ``obj`` to the strategy and do what it answers."""
    kind, name, objects = call.kind, call.info.name, call.app.objects
    entry = objects.head(kind, call.namespace, name)
    if entry is None:
        raise not_found(kind.plural, name, kind.group)
    ctx = call.context()
    parent = served_object(kind, objects.load(entry))
    allowed = call.app.authorizer.allowed
    noderestriction.admit(call.user, kind, "create", call.info.subresource, parent, obj, objects, allowed)
    result = strategy_for(kind).connect(call.info.subresource, parent, obj, ctx)
    if result is None:
        raise method_not_allowed()
    options: deletion.DeleteOptions | None = None
    if result.delete_options is not None:
        options = deletion.DeleteOptions.read(result.delete_options, None, "")
        if error := options.error():
            raise request.options_invalid(call.info, error)
        ctx.dry_run |= request.dry_run(call.info, options.dry_run)
        deletion.check_preconditions(kind, parent, options)
        options = replace(options, resource_version="")  # checked, and the update makes another
    pending = [writes.rewrite(objects, other, changed, ctx) for other, changed in result.also]
    if result.update is not None:
        pending.append(writes.rewrite(objects, kind, result.update, ctx))
    if options is not None:
        pending.append(deletion.delete(objects, kind, call.namespace, name, options, ctx).written)
    for written in pending:
        await written.finish()
    return call.answer_object(result.answer, result.code)


def _schema(group: str, kind: str) -> str:
    """The definition of a subresource's body. Only Eviction, Binding and TokenRequest come here."""
    package = (group or "core").split(".")[0]
    row = next((k for k in kinds.all_kinds() if k.schema.startswith(f"io.k8s.api.{package}.")), None)
    return f"io.k8s.api.{package}.v1.{kind}" if row else ""
