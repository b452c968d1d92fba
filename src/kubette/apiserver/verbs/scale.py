"""The scale subresource: ``autoscaling/v1`` Scale over spec.replicas of any kind that has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from kubette.api.errors import BadRequest, conflict, invalid, invalid_object, invalid_patch, not_found
from kubette.api.kinds import Kind
from kubette.apiserver import request, writes
from kubette.apiserver.convert import stored_resource
from kubette.apiserver.verbs.base import Call
from kubette.apiserver.verbs.patch import patcher

Object = dict[str, Any]
_SCHEMA = "io.k8s.api.autoscaling.v1.Scale"
_NAMED = ("Scale", "autoscaling/v1")


async def get(call: Call) -> web.StreamResponse:
    kind, info = call.kind, call.info
    entry = call.app.objects.store.get(stored_resource(kind), call.namespace, info.name)
    if entry is None:
        raise not_found(kind.plural, info.name, kind.group)
    return await _answer(call, orjson.loads(entry.value))


async def update(call: Call) -> web.StreamResponse:
    call.dry_run = request.dry_run(call.info)
    wanted, body = await call.decode(*_NAMED)
    if why := _unexpected(wanted):
        raise BadRequest(why)
    call.check(wanted, body, _SCHEMA)
    return await _write(call, lambda _: wanted, lambda scale: call.check(scale, kind=_SCHEMA))


async def patch(call: Call) -> web.StreamResponse:
    call.dry_run = request.dry_run(call.info)
    change = await patcher(call, _SCHEMA)

    def check(scale: Object) -> None:
        change.named(scale, *_NAMED)
        if why := _unexpected(scale):
            raise invalid_patch(scale, why)
        call.check_patched(scale, _SCHEMA, change.strict)

    return await _write(call, change.apply, check)


def _unexpected(scale: Object) -> str:
    if (scale["kind"], scale["apiVersion"]) == _NAMED:
        return ""
    return f"expected input object type to be Scale, but {scale['kind']} is not"


async def _write(
    call: Call, change: Callable[[Object], Object], check: Callable[[Object], None]
) -> web.StreamResponse:
    """``change`` maps the current Scale to the wanted one, ``check`` is the structural check of what comes out."""
    ctx = call.context()
    kind, name = call.kind, call.info.name

    def rescale(obj: Object) -> Object:
        scale = change(scale_of(kind, obj))
        check(scale)
        meta = scale.get("metadata") or {}
        if meta.get("name", name) != name:
            raise BadRequest(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
            )
        if meta.get("uid") and meta["uid"] != obj["metadata"]["uid"]:
            raise writes.uid_conflict(kind, name, meta["uid"], obj["metadata"]["uid"])
        version = meta.get("resourceVersion")
        if version and version != obj["metadata"]["resourceVersion"]:
            raise conflict(kind.plural, name, kind.group)
        replicas = (scale.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int):
            raise BadRequest("spec.replicas must be an integer")
        if replicas < 0:
            error = invalid("spec.replicas", replicas, "must be greater than or equal to 0")
            raise invalid_object("Scale", name, [error], "autoscaling")
        obj.setdefault("spec", {})["replicas"] = replicas
        return obj

    # To the strategy this is a write of the main resource: its spec changes and its generation moves.
    ctx.subresource = ""
    written = writes.update(call.app.objects, kind, call.namespace, name, rescale, ctx)
    return await _answer(call, orjson.loads(await written.finish()))


def scale_of(kind: Kind, obj: Object) -> Object:
    """The Scale of an object. The selector is a map for ReplicationControllers, a LabelSelector elsewhere."""
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    fields = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    out: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {f: meta[f] for f in fields if f in meta},
        "spec": {"replicas": spec.get("replicas", 0)} if spec.get("replicas") else {},
        "status": {"replicas": status.get("replicas", 0)},
    }
    if text := _selector(kind, spec.get("selector") or {}):
        out["status"]["selector"] = text
    return out


def _selector(kind: Kind, selector: Object) -> str:
    if kind.kind == "ReplicationController":
        return ",".join(f"{k}={v}" for k, v in sorted(selector.items()))
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for e in selector.get("matchExpressions") or ():
        key, operator, values = e["key"], e["operator"], ",".join(sorted(e.get("values") or ()))
        if operator == "Exists":
            parts.append(key)
        elif operator == "DoesNotExist":
            parts.append(f"!{key}")
        else:
            parts.append(f"{key} {operator.lower()} ({values})")
    return ",".join(parts)


async def _answer(call: Call, obj: Object) -> web.StreamResponse:
    return await call.reply(orjson.dumps(scale_of(call.kind, obj)))
