"""LIST: the stored bytes joined. Only a selector or a transformation decodes anything.

Chunks (``limit``, ``continue``) come from one revision: the ring of events undoes what happened since.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from aiohttp import web

from kubette.api.errors import BadRequest, Expired
from kubette.apiserver import codec
from kubette.apiserver.convert import conversion, stored_resource
from kubette.apiserver.objects import served_object, too_new
from kubette.apiserver.request import RequestInfo, integer
from kubette.apiserver.verbs import get, listoptions
from kubette.apiserver.verbs.base import Call, Object
from kubette.apiserver.verbs.listoptions import Start
from kubette.apiserver.verbs.selection import Selection, selection
from kubette.store import Compacted, Entry, Store

_Item = tuple[tuple[str, str], Entry]


async def handle(call: Call) -> web.StreamResponse:
    call.require("list")
    kind, info = call.kind, call.info
    store = call.app.objects.store
    if kind.kind == "ComponentStatus":
        return _answer(call, [orjson.dumps(get.component(name)) for name in get.COMPONENTS], {})
    chosen = selection(info, kind)
    limit = integer(info, "limit") or 0
    rev, start = _position(info, store)
    values, rest, after = _select(store, chosen, rev, start, limit)
    meta: Object = {"resourceVersion": str(rev)}
    if rest:
        meta["continue"] = listoptions.token(rev, after)
        if chosen.everything and chosen.name is None:
            meta["remainingItemCount"] = rest
    return _answer(call, values, meta)


def _position(info: RequestInfo, store: Store) -> tuple[int, Start | None]:
    """The revision to read, and the key after which to begin."""
    if not info.query:
        return store.rev, None
    listoptions.check(info, watch=False)
    wanted = info.param("resourceVersion")
    if token := info.param("continue"):
        if wanted not in ("", "0"):
            raise BadRequest("specifying resource version is not allowed when using continue")
        rev, start = listoptions.read_token(token)
        if rev > store.rev:
            raise BadRequest("continue key is not valid: it is of another cluster")
        return store.rev if rev == listoptions.NEWEST else rev, start
    asked = listoptions.revision(wanted)
    if asked > store.rev:
        raise too_new(asked, store.rev)
    return asked if info.param("resourceVersionMatch") == "Exact" else store.rev, None


def _select(
    store: Store, chosen: Selection, rev: int, start: Start | None, limit: int
) -> tuple[list[bytes], int, Start]:
    """The chosen objects' bytes, how many follow after the limit, and the last key taken."""
    resource = stored_resource(chosen.kind)
    items: Sequence[_Item]
    if chosen.name is not None and chosen.namespace is not None and rev == store.rev:
        entry = store.get(resource, chosen.namespace, chosen.name)
        items = [] if entry is None else [((chosen.namespace, chosen.name), entry)]
    elif rev == store.rev:
        if chosen.everything and chosen.name is None and not limit and start is None:
            return [e.value for e in store.list(resource, chosen.namespace)], 0, ("", "")
        items = store.items(resource, chosen.namespace)
    else:
        try:
            items = store.items_at(resource, chosen.namespace, rev)
        except Compacted as e:
            raise _expired(rev, e.oldest, start) from e
    values: list[bytes] = []
    after = ("", "")
    for n, (key, entry) in enumerate(items):
        if start is not None and key <= start:
            continue
        if chosen.name is not None and key[1] != chosen.name:
            continue
        if not chosen.matches(entry.value):
            continue
        if limit and len(values) == limit:
            return values, len(items) - n, after
        values.append(entry.value)
        after = key
    return values, 0, after


def _expired(rev: int, oldest: int, start: Start | None) -> Expired:
    """What is too old: of a list in chunks the rest may still be had, from what there is now."""
    if start is None:
        return Expired(f"The resourceVersion for the provided list is too old: {rev} ({oldest})")
    return Expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        metadata={"continue": listoptions.token(listoptions.NEWEST, start)},
    )


def _answer(call: Call, values: list[bytes], meta: Object) -> web.StreamResponse:
    kind, accepted = call.kind, call.accepted
    change = conversion(kind)
    if accepted.as_:
        objs = [served_object(kind, orjson.loads(v)) for v in values]
        if accepted.as_ == "Table":
            doc = codec.table(kind, objs, meta, call.info.param("includeObject", "Metadata"))
        else:
            doc = {
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta,
                "items": [codec.partial(o) for o in objs],
            }  # fmt: skip
        return call.answer_object(doc)
    if change is not None:
        values = [orjson.dumps(change.serve(orjson.loads(v))) for v in values]
    head = b'{"kind":"%s","apiVersion":"%s","metadata":%s,"items":[' % (
        kind.list_kind.encode(), kind.api_version.encode(), orjson.dumps(meta),
    )  # fmt: skip
    body = head + b",".join(values) + b"]}"
    if accepted is codec.DEFAULT and not call.warnings:
        return web.Response(body=body, headers=get.JSON_HEADERS)
    return call.raw(codec.convert(body, accepted.form), 200, accepted.form)


