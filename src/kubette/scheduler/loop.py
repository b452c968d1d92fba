"""The scheduler at work: informers in, decisions one after the other, bindings side by side.

A pod counts on its node from the moment of the decision, long before the informer shows it there; when the binding
fails, for whatever reason, that is taken back and the pod is scheduled again. Bindings and the like are tasks of one
group, which ends with the scheduler.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Generator, Mapping, Sequence
from typing import Any, TypeVar

from kubette.api import errors
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.client.events import Recorder
from kubette.client.informer import Informer
from kubette.client.interface import Api
from kubette.scheduler.config import SchedulerConfig
from kubette.scheduler.cycle import choose
from kubette.scheduler.model import (
    PREEMPTION,
    Budget,
    Claim,
    Cluster,
    Node,
    Pod,
    parse_budget,
    parse_claim,
    parse_namespace,
    parse_node,
    parse_pod,
)
from kubette.scheduler.nominations import Nominations
from kubette.scheduler.plugins import RULES
from kubette.scheduler.preemption import Preemption, search
from kubette.scheduler.queue import Key, PodQueue
from kubette.scheduler.rule import Change

T = TypeVar("T")

log = logging.getLogger(__name__)


class Scheduler:
    """State: the cluster with the pods that count on its nodes. Everything is rebuilt from the informers."""

    def __init__(self, api: Api, config: SchedulerConfig) -> None:
        self._api = api
        self._config = config
        self._recorder = Recorder(api, config.scheduler_name)
        self._queue = PodQueue()
        self._binding: set[str] = set()  # uids
        self._nominated = Nominations()
        self._slots = asyncio.Semaphore(config.parallel_bindings)
        self._group: asyncio.TaskGroup | None = None
        self._start = 0  # where the look at the nodes of a large cluster goes on
        self.pods: Informer[Pod] = Informer(api, resource("pods"), transform=parse_pod)
        self.nodes: Informer[Node] = Informer(api, resource("nodes"), transform=parse_node)
        self.namespaces: Informer[Mapping[str, str]] = Informer(api, resource("namespaces"), transform=parse_namespace)
        self.claims: Informer[Claim] = Informer(api, resource("persistentvolumeclaims"), transform=parse_claim)
        self.budgets: Informer[Budget] = Informer(api, resource("poddisruptionbudgets.policy"), transform=parse_budget)
        self._cluster = Cluster(claims=self.claims.items)
        self._cluster.nominated = self._nominated.by_node
        self.nodes.subscribe(self._node_changed)
        self.pods.subscribe(self._pod_changed)
        self.namespaces.subscribe(self._namespace_changed)
        self.claims.subscribe(lambda key, old, new: self._wake("claim", old, new))

    async def run(self) -> None:
        """Until cancelled."""
        informers: tuple[Informer[Any], ...] = (self.nodes, self.pods, self.namespaces, self.claims, self.budgets)
        try:
            async with asyncio.TaskGroup() as self._group:
                for informer in informers:
                    self._group.create_task(informer.run(), name=f"informer {informer.kind.plural}")
                for informer in informers:
                    await informer.wait_synced()
                await self._schedule()
        finally:
            await self._recorder.close()

    async def _schedule(self) -> None:
        while True:
            key = await self._queue.next()
            pod = self.pods.items.get(key)
            if pod is None or not self._waits(pod) or self._cluster.placed(pod.uid):
                continue
            try:
                await self._decide(pod)
            except Exception:
                log.exception("scheduling %s/%s", *key)
                self._queue.park(key, pod.priority, pod.created, retry=True)
            await asyncio.sleep(0)  # everything else has its turn after each decision

    async def _decide(self, pod: Pod) -> None:
        choice = choose(pod, self._cluster, RULES, self._start)
        self._start += choice.looked
        if choice.node is not None:
            self._cluster.place(pod, choice.node)
            self._binding.add(pod.uid)
            self._spawn(self._bind(pod, choice.node), f"bind {pod.namespace}/{pod.name}")
            return
        self._cluster.budgets = self.budgets.items.values()
        room = await _in_steps(search(pod, choice, self._cluster, self._start))
        now = self.pods.items.get(pod.key)
        if now is None or now.uid != pod.uid or not self._waits(now):
            return  # it went, or was bound elsewhere, during the search
        message = choice.message(room.message)
        helped_by = choice.helped_by
        if room.node:
            helped_by |= {"left"}
            replaced = self._nominated.put(pod, room.node)
            self._spawn(self._make_room(pod, room, replaced), f"preempt for {pod.namespace}/{pod.name}")
        self._queue.park(pod.key, pod.priority, pod.created, helped_by)
        self._recorder.event(pod.reference, "Warning", "FailedScheduling", message)
        if (pod.condition.get("reason"), pod.condition.get("message")) != ("Unschedulable", message):
            self._spawn(self._report_unschedulable(pod, message), f"unschedulable {pod.namespace}/{pod.name}")

    async def _bind(self, pod: Pod, node: str) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            async with self._slots:
                await self._api.create(resource("pods"), binding, pod.namespace, name=pod.name, subresource="binding")
        except Exception as error:
            if not isinstance(error, errors.ApiError):
                log.exception("binding %s/%s to %s", pod.namespace, pod.name, node)
            self._binding.discard(pod.uid)
            self._binding_failed(pod, node, error)
            return
        self._binding.discard(pod.uid)
        message = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        self._recorder.event(pod.reference, "Normal", "Scheduled", message)
        if (now := self.pods.items.get(pod.key)) is None or now.uid != pod.uid:
            self._cluster.unplace(pod.uid)  # it went while it was being bound

    def _binding_failed(self, pod: Pod, node: str, error: Exception) -> None:
        now = self.pods.items.get(pod.key)
        if now is not None and now.uid == pod.uid and now.node:
            return  # somebody else bound it, or the answer was lost; the informer knows where
        self._cluster.unplace(pod.uid)
        self._queue.wake("left")
        if isinstance(error, errors.NotFound) or now is None or now.uid != pod.uid:
            return
        log.debug("binding %s/%s to %s: %s", pod.namespace, pod.name, node, error)
        self._queue.park(pod.key, pod.priority, pod.created, retry=True)

    async def _make_room(self, pod: Pod, room: Preemption, replaced: Sequence[Pod]) -> None:
        """Delete the victims, and record for whom the node is."""
        message = f"{self._config.scheduler_name}: preempting to accommodate a higher priority pod"
        condition = {"type": "DisruptionTarget", "status": "True", "reason": PREEMPTION, "message": message}
        for victim in room.victims:
            if victim.deleting:
                continue
            try:
                await self._patch_status(victim, {"conditions": [condition]})
                await self._api.delete(resource("pods"), victim.name, victim.namespace, uid=victim.uid)
            except errors.ApiError as error:
                log.debug("preempting %s/%s: %s", victim.namespace, victim.name, error.message)
                continue
            words = f"Preempted by pod {pod.uid} on node {room.node}"
            self._recorder.event(victim.reference, "Normal", "Preempted", words)
        for which, node in ((pod, room.node), *((other, None) for other in replaced)):
            try:
                await self._patch_status(which, {"nominatedNodeName": node})
            except errors.ApiError as error:
                log.debug("status of %s/%s: %s", which.namespace, which.name, error.message)

    async def _patch_status(self, pod: Pod, status: Object) -> None:
        change = {"metadata": {"uid": pod.uid}, "status": status}
        await self._api.patch(resource("pods"), pod.name, change, pod.namespace, subresource="status", type="strategic")

    async def _report_unschedulable(self, pod: Pod, message: str) -> None:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        try:
            await self._patch_status(pod, {"conditions": [condition]})
        except errors.ApiError as error:
            log.debug("status of %s/%s: %s", pod.namespace, pod.name, error.message)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        assert self._group is not None, "the scheduler runs"
        self._group.create_task(_guarded(work, name), name=name)

    # -- what the informers say --------------------------------------------------------------------

    def _waits(self, pod: Pod) -> bool:
        ours = pod.scheduler == self._config.scheduler_name
        return ours and not (pod.node or pod.deleting or pod.finished or pod.gated)

    def _pod_changed(self, key: Key, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or new.uid != old.uid):
            self._queue.remove(key)
            self._nominated.drop(old.uid)
            if old.uid not in self._binding:
                self._cluster.unplace(old.uid)
            self._queue.wake("left")
        if new is None:
            return
        if not self._waits(new):
            self._queue.remove(key)
            self._nominated.drop(new.uid)
        if new.node and not new.finished:
            self._cluster.place(new, new.node)
            if old is None or not old.node or old.labels != new.labels:
                self._queue.wake("placed")  # affinity to it may be satisfied now
        elif new.finished:
            if self._cluster.unplace(new.uid):
                self._queue.wake("left")
        elif self._waits(new) and not self._cluster.placed(new.uid) and (old is None or old != new):
            if old is None and new.nominated:
                self._nominated.put(new, new.nominated)
            self._queue.add(key, new.priority, new.created)

    def _node_changed(self, key: Key, old: Node | None, new: Node | None) -> None:
        if new is None:
            self._cluster.drop_node(key[1])
        elif old != new or key[1] not in self._cluster.nodes:  # else it is a sign of life, nothing more
            self._cluster.put_node(new)
            self._queue.wake("node")

    def _namespace_changed(self, key: Key, old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> None:
        if new is None:
            self._cluster.namespaces.pop(key[1], None)
        else:
            self._cluster.namespaces[key[1]] = new
        self._wake("namespace", old, new)

    def _wake(self, change: Change, old: object, new: object) -> None:
        if old != new:
            self._queue.wake(change)


async def _in_steps(work: Generator[None, None, T]) -> T:
    """Run a long computation to its end, with a turn for everything else after each step."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: T = done.value
            return result
        await asyncio.sleep(0)


async def _guarded(work: Coroutine[Any, Any, None], name: str) -> None:
    """What fails here must not end the scheduler."""
    try:
        await work
    except Exception:
        log.exception("%s", name)
