"""POST to a collection."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web

from kubette.api.errors import BadRequest
from kubette.apiserver import (
    admission,
    certificates,
    escalation,
    noderestriction,
    podsecurity,
    request,
    reviews,
    writes,
)
from kubette.apiserver.registry.base import Context
from kubette.apiserver.verbs.base import Call, codec_refused, method_not_allowed

Object = dict[str, Any]


async def handle(call: Call) -> web.StreamResponse:
    call.require("create")
    kind = call.kind
    if call.info.name or (kind.namespaced and not call.info.namespace):
        raise method_not_allowed()
    call.dry_run = request.dry_run(call.info)
    obj, body = await call.decode(kind.kind, kind.api_version)

    def check() -> None:
        call.expect(obj, kind)
        call.check(obj, body)

    await call.run(check)
    if kind.group in ("authorization.k8s.io", "authentication.k8s.io"):
        if call.accepted.as_:
            raise codec_refused(call.accepted)  # a review has no metadata to make rows of
        return call.answer_object(reviews.answer(call.app, call.user, kind, call.namespace, obj), 201)
    if kind.kind == "Binding":
        return await _binding(call, obj)
    if not isinstance(obj.get("metadata", {}), dict):
        raise BadRequest("metadata must be an object")
    if kind.group_resource == "pods":
        await admission.wait_for_service_account(call.app.objects.store, call.namespace, obj)
    ctx = call.context()
    prepare = partial(writes.prepare_create, kind, call.namespace, obj, ctx, admission_of_create(call, ctx))
    written = writes.commit(call.app.objects, await call.run(prepare))
    return await call.reply(await written.finish(), 201)


def admission_of_create(call: Call, ctx: Context, *, authorize: bool = False) -> writes.Admission:
    """Admission of a create, as ``writes`` takes it. ``authorize``: the request's own verb is another."""

    def mutate(obj: Object, old: Object | None) -> None:
        if authorize:
            call.authorize("create")
        admission.admit_create(call.kind, call.namespace, obj, call.objects, call.app.config.toleration_seconds)
        _guard(call, obj, old)

    return writes.Admission(mutate, _validating(call, ctx))


def admission_of_update(call: Call, ctx: Context) -> writes.Admission:
    """Admission of an update."""

    def mutate(obj: Object, old: Object | None) -> None:
        if (call.kind.group_resource, call.info.subresource) == ("pods", "ephemeralcontainers"):
            admission.admit_ephemeral_containers(call.namespace, obj, call.objects)
        _guard(call, obj, old)

    return writes.Admission(mutate, _validating(call, ctx))


def _validating(call: Call, ctx: Context) -> writes.Admit:
    def validate(obj: Object, old: Object | None) -> None:
        if old is not None and (call.kind.group_resource, ctx.subresource) == ("persistentvolumeclaims", ""):
            admission.validate_claim_resize(call.kind, obj, old, call.objects)
        certificates.admit(call.authorizer.allowed, call.user, call.kind, ctx.subresource, obj, old)
        ctx.warnings += podsecurity.admit(call.kind, ctx.subresource, call.namespace, obj, old, call.objects)

    return validate


def _guard(call: Call, obj: Object, old: Object | None) -> None:
    """What the authorizers cannot say of a write, as they do not see the object. Raises Forbidden."""
    info, authorizer = call.info, call.authorizer
    verb = "create" if old is None else info.verb
    noderestriction.admit(call.user, call.kind, verb, info.subresource, obj, old, call.objects, authorizer.allowed)
    escalation.admit(authorizer, call.user, call.kind, obj, old, call.namespace)


async def _binding(call: Call, obj: Object) -> web.StreamResponse:
    """The old form of pods/binding: POST to /namespaces/NS/bindings."""
    from kubette.api.kinds import resource
    from kubette.apiserver.verbs import connect

    name = str((obj.get("metadata") or {}).get("name") or "")
    if not name:
        raise BadRequest("name must be provided")
    call.info.kind, call.info.name = resource("pods"), name
    call.info.subresource = "binding"
    return await connect.apply(call, obj)
