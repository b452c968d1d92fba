"""WATCH: events of a resource from a revision on, as lines. Every watcher reads the same ring;
a watcher with an exact field selector wakes up only for events of objects that have, or had, the value.

``resourceVersion`` unset or 0 begins with the present state; a revision that is no longer kept is answered
with an ERROR event of 410, after which the client lists again. Source: KEP-3157 for ``sendInitialEvents``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator

import orjson
from aiohttp import web

from kubette.api.errors import Expired
from kubette.apiserver import codec
from kubette.apiserver.convert import conversion, stored_resource
from kubette.apiserver.objects import served_object, too_new
from kubette.apiserver.request import integer
from kubette.apiserver.verbs import listoptions
from kubette.apiserver.verbs.base import Call, Object
from kubette.apiserver.verbs.selection import Selection, selection
from kubette.store import Compacted, Event, Feed, Ring, encode

_BOOKMARK_SECONDS = 60.0
_MIN_SECONDS = 1800
#: Of what a watcher has not yet been told: events and bytes in memory at once. Who falls behind the ring gets 410.
_AT_ONCE = 256
_PART_BYTES = 128 << 10


async def handle(call: Call) -> web.StreamResponse:
    call.require("watch")
    info, store = call.info, call.app.objects.store
    chosen = selection(info, call.kind)
    seconds = integer(info, "timeoutSeconds")
    listoptions.check(info, watch=True)
    cursor = listoptions.revision(info.param("resourceVersion"))
    initial = info.flag("sendInitialEvents")
    if initial and cursor > store.rev:
        raise too_new(cursor, store.rev)
    form = codec.JSON if call.accepted.form == codec.YAML else call.accepted.form
    media = f"{form};stream=watch" if form == codec.PROTOBUF else form
    response = web.StreamResponse(headers={"Content-Type": media, "Cache-Control": "no-cache, private"})
    response.enable_chunked_encoding()
    watcher = _Watcher(call, chosen, response, form, info.flag("allowWatchBookmarks") or initial)
    ends = time.monotonic() + (seconds or _MIN_SECONDS * (1 + random.random()))
    await response.prepare(call.request)
    try:
        if initial or cursor == 0:
            cursor = await watcher.present()
            if initial:
                await watcher.bookmark(cursor, initial_end=True)
        await watcher.follow(cursor, ends, store.ring(stored_resource(call.kind)))
    except Compacted as e:
        await watcher.error(Expired(str(e)).status())
    except ConnectionResetError:
        return response  # the client has gone
    await response.write_eof()
    return response


class _Watcher:
    def __init__(self, call: Call, chosen: Selection, response: web.StreamResponse, form: str, bookmarks: bool) -> None:
        self._call, self._chosen, self._response, self._bookmarks = call, chosen, response, bookmarks
        self._form = form
        self._store = call.app.objects.store
        self._as = call.accepted.as_
        self._plain = form == codec.JSON and not self._as and conversion(call.kind) is None
        self._columns_sent = False

    async def present(self) -> int:
        """Every selected object as ADDED; the revision at which they were read."""
        rev: int = self._store.rev
        items = self._store.items(stored_resource(self._call.kind), self._chosen.namespace)
        await self._send(
            self._line("ADDED", entry.value)
            for (ns, name), entry in items
            if self._chosen.wants_key(ns, name) and self._chosen.matches(entry.value)
        )
        return rev

    async def follow(self, cursor: int, ends: float, ring: Ring) -> None:
        feed = ring.feed(cursor, self._chosen.topic)
        try:
            await self._follow(feed, cursor, ends)
        finally:
            feed.close()

    async def _follow(self, feed: Feed, cursor: int, ends: float) -> None:
        marked = time.monotonic()
        while (now := time.monotonic()) < ends:
            committed = self._store.rev
            if events := feed.take(_AT_ONCE, committed):
                cursor = events[-1].rev
                await self._send(self._seen(events))
                continue  # more may have come while it was written
            cursor = max(cursor, committed)
            if self._bookmarks and now - marked >= _BOOKMARK_SECONDS:
                await self.bookmark(cursor)
                marked = now
            # Wake up now and then also without bookmarks: a cursor must not fall behind compaction.
            due = marked + _BOOKMARK_SECONDS if self._bookmarks else now + _BOOKMARK_SECONDS
            await feed.wait(max(0.0, min(ends, due) - now))
        if self._bookmarks:
            await self.bookmark(cursor)

    async def _send(self, lines: Iterable[bytes]) -> None:
        """No more than a part is held for a client that reads slowly."""
        part, size = [], 0
        for line in lines:
            part.append(line)
            size += len(line)
            if size >= _PART_BYTES:
                await self._response.write(b"".join(part))
                part, size = [], 0
        if part:
            await self._response.write(b"".join(part))

    def _seen(self, events: Iterable[Event]) -> Iterator[bytes]:
        """The lines of those events that concern this watcher."""
        for event in events:
            change = self._chosen.change(event)
            if change is None:
                continue
            if self._plain and change == event.type:
                yield event.line
            elif change == "DELETED" and event.prev is not None and not event.deleted:
                # No longer selected: upstream tells of the object as it was when it still was.
                was = orjson.loads(event.prev)
                was["metadata"]["resourceVersion"] = str(event.rev)
                yield self._line(change, orjson.dumps(was))
            else:
                yield self._line(change, event.value)

    async def bookmark(self, rev: int, *, initial_end: bool = False) -> None:
        kind = self._call.kind
        meta: Object = {"resourceVersion": str(rev), "creationTimestamp": None}
        if initial_end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}
        if self._as == "Table":
            obj = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
            obj |= {"columnDefinitions": [], "rows": []}
        elif self._as:
            obj = codec.partial(obj)
        await self._response.write(codec.watch_line("BOOKMARK", obj, self._form))

    async def error(self, status: Object) -> None:
        await self._response.write(codec.watch_line("ERROR", status, self._form))

    def _line(self, change: str, value: bytes) -> bytes:
        if self._plain:
            return encode(change, value)
        obj = served_object(self._call.kind, orjson.loads(value))
        if self._as:
            obj = self._call.transform(obj, self._call.accepted)
            if self._as == "Table":
                if self._columns_sent:
                    obj["columnDefinitions"] = None
                self._columns_sent = True
        return codec.watch_line(change, obj, self._form)
