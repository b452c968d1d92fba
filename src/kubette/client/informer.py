"""A local copy of a collection, kept by list and watch, with change callbacks.

Level-triggered: handlers learn that a key changed, in order, on the event loop. A watch that ends is
resumed where it was; one that is too old (410) or refused is replaced by a new list, and the difference
is told as changes. Objects are narrowed by ``transform`` once, here, and must not be modified.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from kubette.api import errors, meta
from kubette.api.kinds import Kind

Obj = dict[str, Any]
Key = tuple[str, str]  # namespace ("" for cluster-scoped), name
T = TypeVar("T")
Handler: TypeAlias = Callable[[Key, T | None, T | None], None]

log = logging.getLogger(__name__)

_FIRST_RETRY, _LAST_RETRY = 0.05, 2.0  # seconds


class Source(Protocol):
    """What an informer needs of a client; the fake API offers it too."""

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Obj: ...

    def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> AsyncIterator[tuple[str, Obj]]: ...


class Informer(Generic[T]):
    """``items`` is the present state by (namespace, name). Keep ``run()`` as a task of your own.

    A subscriber that comes after the first list is told of everything there is. Objects reach
    ``transform`` with apiVersion and kind, which the items of a list lack.
    """

    def __init__(
        self,
        client: Source,
        kind: Kind,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        transform: Callable[[Obj], T] | None = None,
    ) -> None:
        self.kind = kind
        self.items: dict[Key, T] = {}
        self._client = client
        self._namespace = namespace
        self._labels = label_selector
        self._fields = field_selector
        self._transform: Callable[[Obj], T] = transform or (lambda obj: cast(T, obj))
        self._handlers: list[Handler[T]] = []
        self._versions: dict[Key, str] = {}
        self._version: str | None = None  # where the watch goes on; None: list first
        self._synced = asyncio.Event()

    @property
    def synced(self) -> bool:
        return self._synced.is_set()

    def subscribe(self, handler: Handler[T]) -> None:
        """``handler(key, old, new)``: synchronous and quick; old is None at birth, new at death."""
        self._handlers.append(handler)
        for key, item in list(self.items.items()):
            self._call(handler, key, None, item)

    async def wait_synced(self) -> None:
        """Until the first list has been taken in."""
        await self._synced.wait()

    def learn(self, obj: Obj) -> None:
        """Take in the answer to a write of one's own before the watch brings it: read your writes.

        The watch's position tells whether it has been here already (and perhaps been deleted since)."""
        version, position = _number(meta.resource_version(obj)), _number(self._version or "")
        if version is not None and position is not None and version > position:
            self._put(obj)

    async def run(self) -> None:
        """List, watch, repeat; until cancelled."""
        delay = _FIRST_RETRY
        while True:
            try:
                if self._version is None:
                    await self._list()
                before = self._version
                await self._watch()
                delay = _FIRST_RETRY
                if self._version == before:  # ended at once, perhaps: do not spin
                    await asyncio.sleep(_FIRST_RETRY)
                continue
            except errors.Expired:
                self._version = None
            except (errors.ServiceUnavailable, errors.Timeout) as error:
                log.debug("%s: %s; again in %.2f s", self.kind.plural, error.message, delay)
            except errors.ApiError as error:
                log.debug("%s: %s; listing again in %.2f s", self.kind.plural, error.message, delay)
                self._version = None
            except Exception:
                log.exception("informer of %s; listing again in %.2f s", self.kind.plural, delay)
                self._version = None
            await asyncio.sleep(delay * random.uniform(0.75, 1.25))
            delay = min(delay * 2, _LAST_RETRY)

    async def _list(self) -> None:
        answer = await self._client.list(
            self.kind, self._namespace, label_selector=self._labels, field_selector=self._fields
        )
        seen = {self._put(obj) for obj in answer.get("items") or ()}
        for key in self.items.keys() - seen:
            self._drop(key)
        self._version = answer["metadata"]["resourceVersion"]
        self._synced.set()

    async def _watch(self) -> None:
        assert self._version is not None
        async for type_, obj in self._client.watch(
            self.kind,
            self._namespace,
            resource_version=self._version,
            label_selector=self._labels,
            field_selector=self._fields,
        ):
            if type_ == "DELETED":
                if not self._older(meta.key(obj), meta.resource_version(obj)):
                    self._drop(meta.key(obj))
            elif type_ != "BOOKMARK":
                self._put(obj)
            self._version = meta.resource_version(obj)

    def _put(self, obj: Obj) -> Key:
        key, version = meta.key(obj), meta.resource_version(obj)
        if key not in self.items or (self._versions.get(key) != version and not self._older(key, version)):
            obj.setdefault("apiVersion", self.kind.api_version)
            obj.setdefault("kind", self.kind.kind)
            old, new = self.items.get(key), self._transform(obj)
            self.items[key], self._versions[key] = new, version
            for handler in self._handlers:
                self._call(handler, key, old, new)
        return key

    def _older(self, key: Key, version: str) -> bool:
        """Something newer than ``version`` has been learned for the key."""
        new, known = _number(version), _number(self._versions.get(key, ""))
        return new is not None and known is not None and new < known

    def _drop(self, key: Key) -> None:
        if key in self.items:
            old = self.items.pop(key)
            self._versions.pop(key, None)
            for handler in self._handlers:
                self._call(handler, key, old, None)

    def _call(self, handler: Handler[T], key: Key, old: T | None, new: T | None) -> None:
        try:
            handler(key, old, new)
        except Exception:  # one subscriber's fault must not stop the others
            log.exception("handler of %s %s", self.kind.plural, "/".join(key))


def _number(version: str) -> int | None:
    return int(version) if version.isdigit() else None
