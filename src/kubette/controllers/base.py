"""The slot that every controller fills, and what all of them share: informers, events, a clock.

A controller names the kinds that it watches, maps their changes to keys, and reconciles one key: read
the informers, decide purely, carry the writes out. Nothing is kept that could not be rebuilt.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, datetime
from typing import ClassVar, Generic, TypeVar

from kubette.api import meta
from kubette.api.kinds import Kind, resource
from kubette.api.meta import Object
from kubette.client.events import Recorder
from kubette.client.informer import Informer
from kubette.client.interface import Api
from kubette.controllers.config import ControllersConfig
from kubette.controllers.queue import WorkQueue
from kubette.controllers.writes import Action, carry_out

Key = tuple[str, str]
K = TypeVar("K", bound=Hashable)


class Cluster:
    """One client, one informer a kind, shared by all controllers of a process."""

    def __init__(self, api: Api, config: ControllersConfig) -> None:
        self.api = api
        self.config = config
        self.informers: dict[str, Informer[Object]] = {}

    def informer(self, name: str) -> Informer[Object]:
        """The shared informer of a kind (``"pods"``, ``"deployments.apps"``)."""
        if name not in self.informers:
            self.informers[name] = Informer(self.api, resource(name))
        return self.informers[name]

    def now(self) -> datetime:
        return datetime.now(UTC)

    def learn(self, kind: Kind, obj: Object) -> None:
        """An answer to a write: let the informer of its kind have it before the watch does."""
        informer = self.informers.get(kind.group_resource)
        if informer is not None and obj.get("kind") == kind.kind and not meta.deleting(obj):
            informer.learn(obj)

    async def synced(self) -> None:
        for informer in list(self.informers.values()):
            await informer.wait_synced()


class Controller(ABC, Generic[K]):
    """Subclass, set ``name``, subscribe in ``watch``, and reconcile keys."""

    name: ClassVar[str]
    concurrency: ClassVar[int] = 8

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.api = cluster.api
        self.config = cluster.config
        self.recorder = Recorder(cluster.api, self.name)
        self.queue: WorkQueue[K] = WorkQueue(self.name, self.reconcile, concurrency=self.concurrency)
        self.watch()

    @abstractmethod
    def watch(self) -> None:
        """Subscribe to informers; called once, before anything runs."""

    @abstractmethod
    async def reconcile(self, key: K) -> float | None:
        """Bring the world of one key to what it should be; seconds until it must run again, or None."""

    async def carry_out(self, actions: Iterable[Action]) -> None:
        await carry_out(self.api, self.recorder, actions, self.cluster.learn)

    async def background(self) -> None:
        """Anything beyond the queue, after the informers have synced; until cancelled."""

    async def run(self) -> None:
        """Work until cancelled; the informers run elsewhere."""
        await self.cluster.synced()
        self.queue.start()
        try:
            await self.background()
            await asyncio.Event().wait()
        finally:
            await self.queue.stop()
            await self.recorder.close()


class Index:
    """The objects of an informer by some value of theirs: owner, namespace, node."""

    def __init__(self, informer: Informer[Object], values: Callable[[Object], Iterable[str]]) -> None:
        self._values = values
        self._rows: dict[str, dict[Key, Object]] = {}
        informer.subscribe(self._change)

    def get(self, value: str) -> list[Object]:
        return list(self._rows.get(value, {}).values())

    def _change(self, key: Key, old: Object | None, new: Object | None) -> None:
        for value in self._values(old) if old is not None else ():
            if (row := self._rows.get(value)) is not None:
                row.pop(key, None)
                if not row:
                    del self._rows[value]
        for value in self._values(new) if new is not None else ():
            self._rows.setdefault(value, {})[key] = new  # type: ignore[assignment]


def by_namespace(obj: Object) -> tuple[str, ...]:
    return (meta.namespace(obj),)


def by_controller(obj: Object) -> tuple[str, ...]:
    """The uid of the controlling owner; ``NAMESPACE/`` for objects that have none."""
    ref = meta.controller_of(obj)
    return (ref["uid"],) if ref else (meta.namespace(obj) + "/",)


def kind(name: str) -> Kind:
    return resource(name)
