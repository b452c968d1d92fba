"""Events about objects, as ``kubectl describe`` shows them: recorded without waiting, counted, bounded.

What to send is decided purely by ``Correlator``, with upstream's rules (``client-go/tools/record``):
a repeated event raises the count of the first; more than ten that differ only in their message within ten
minutes are combined; one source has 25 events about an object, and one more every five minutes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kubette.api import errors, meta
from kubette.api.kinds import Kind, resource

Obj = dict[str, Any]

log = logging.getLogger(__name__)

_REMEMBERED = 4096  # keys of each cache
_SIMILAR, _SIMILAR_SECONDS = 10, 600.0
_BURST, _REFILL_SECONDS = 25, 300.0
_QUEUE = 1000
_MAX_MESSAGE = 1024
_TRIES = 5


class Writer(Protocol):
    """What a recorder needs of a client."""

    async def create(self, kind: Kind, obj: Obj, namespace: str | None = None) -> Obj: ...
    async def patch(self, kind: Kind, name: str, patch: Any, namespace: str | None = None) -> Obj: ...


@dataclass(slots=True)
class _Sent:
    name: str
    namespace: str
    count: int


@dataclass(slots=True)
class _Similar:
    last: float
    messages: set[str] = field(default_factory=set)


class Correlator:
    """Decides for each event: drop it, create it, or raise the count of one that was sent."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: OrderedDict[tuple[str, ...], _Sent] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], _Similar] = OrderedDict()
        self._tokens: OrderedDict[tuple[str, ...], tuple[float, float]] = OrderedDict()

    def decide(self, event: Obj) -> tuple[str, Obj] | None:
        """("create", event), ("patch", event with its new count), or None: too many. Fills the event in."""
        ref = event["involvedObject"]
        about = tuple(str(ref.get(k, "")) for k in ("kind", "namespace", "name", "uid", "fieldPath"))
        source = (event["source"].get("component", ""), event["source"].get("host", ""))
        if not self._allowed((*source, *about)):
            return None
        similar = (*source, *about, event["type"], event["reason"])
        if self._combine(similar, event["message"]):
            event["message"] = f"(combined from similar events): {event['message']}"
            exact = similar
        else:
            exact = (*similar, event["message"])
        sent = self._sent.get(exact)
        if sent is not None:
            self._sent.move_to_end(exact)
            sent.count += 1
            event["metadata"] = {"name": sent.name, "namespace": sent.namespace}
            event["count"] = sent.count
            return "patch", event
        _remember(self._sent, exact, _Sent(event["metadata"]["name"], event["metadata"]["namespace"], event["count"]))
        return "create", event

    def _combine(self, key: tuple[str, ...], message: str) -> bool:
        now = self._clock()
        seen = self._similar.get(key)
        if seen is None or now - seen.last > _SIMILAR_SECONDS:
            seen = _Similar(now)
        seen.last = now
        seen.messages.add(message)
        _remember(self._similar, key, seen)
        if len(seen.messages) < _SIMILAR:
            return False
        seen.messages.pop()
        return True

    def _allowed(self, key: tuple[str, ...]) -> bool:
        now = self._clock()
        tokens, at = self._tokens.get(key, (float(_BURST), now))
        tokens = min(_BURST, tokens + (now - at) / _REFILL_SECONDS)
        _remember(self._tokens, key, (tokens - 1 if tokens >= 1 else tokens, now))
        return tokens >= 1


def _remember(cache: OrderedDict[tuple[str, ...], Any], key: tuple[str, ...], value: Any) -> None:
    cache[key] = value
    cache.move_to_end(key)
    if len(cache) > _REMEMBERED:
        cache.popitem(last=False)


class Recorder:
    """One component's events. ``event`` never waits and never fails; the writing is a task of its own."""

    def __init__(self, client: Writer, component: str, host: str = "") -> None:
        self._client = client
        self._source = {"component": component, **({"host": host} if host else {})}
        self._instance = host
        self._correlator = Correlator()
        self._queue: asyncio.Queue[Obj] = asyncio.Queue(_QUEUE)
        self._task: asyncio.Task[None] | None = None

    def event(self, obj: Mapping[str, Any], type: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Record that something happened to ``obj`` (an object, or an ObjectReference to one).

        ``type`` is Normal or Warning; ``field_path`` such as ``spec.containers{web}``."""
        ref = meta.object_reference(obj) if "metadata" in obj else dict(obj)
        if field_path:
            ref["fieldPath"] = field_path
        now = meta.now()
        event: Obj = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{ref.get('name', '')}.{time.time_ns():x}",
                "namespace": ref.get("namespace") or "default",
            },
            "involvedObject": ref,
            "reason": reason,
            "message": message[:_MAX_MESSAGE],
            "source": self._source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": type,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._instance,
        }
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            log.warning("too many events: dropped %s of %s", reason, ref.get("name"))
            return
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="event-recorder")

    async def flush(self) -> None:
        """Until what was recorded has been sent or given up."""
        await self._queue.join()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                decided = self._correlator.decide(event)
                if decided is not None:
                    await self._send(*decided)
            except Exception:
                log.exception("event %s of %s", event["reason"], event["involvedObject"].get("name"))
            finally:
                self._queue.task_done()

    async def _send(self, verb: str, event: Obj) -> None:
        kind = resource("events")
        name, namespace = event["metadata"]["name"], event["metadata"]["namespace"]
        for attempt in range(_TRIES):
            try:
                if verb == "patch":
                    change = {k: event[k] for k in ("count", "lastTimestamp", "message")}
                    await self._client.patch(kind, name, change, namespace)
                else:
                    await self._client.create(kind, event, namespace)
                return
            except errors.NotFound:
                if verb == "create":  # the namespace has gone
                    return
                verb = "create"
            except (errors.ServiceUnavailable, errors.Timeout, errors.TooManyRequests):
                await asyncio.sleep(0.2 * 2**attempt)
            except errors.ApiError as error:  # refused (a namespace that terminates, …): nobody to tell
                log.debug("event %s refused: %s", event["reason"], error.message)
                return
