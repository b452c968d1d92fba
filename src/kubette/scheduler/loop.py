"""The scheduler at work: informers in, decisions one after the other, bindings side by side.

A pod counts on its node from the moment of the decision, long before the informer shows it there; when
the binding fails, that is taken back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from kubette.api import errors
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.client.events import Recorder
from kubette.client.informer import Informer
from kubette.client.interface import Api
from kubette.scheduler.config import SchedulerConfig
from kubette.scheduler.cycle import choose
from kubette.scheduler.model import (
    Claim,
    Cluster,
    Node,
    NodeState,
    Pod,
    parse_claim,
    parse_namespace,
    parse_node,
    parse_pod,
)
from kubette.scheduler.nominations import Nominations
from kubette.scheduler.plugins import RULES
from kubette.scheduler.preemption import Preemption, preempt
from kubette.scheduler.queue import Key, PodQueue
from kubette.scheduler.rule import Change

log = logging.getLogger(__name__)

_YIELD_EVERY = 8  # decisions between turns of the event loop


class Scheduler:
    """State: the nodes with the pods that count on them. Everything is rebuilt from the informers."""

    def __init__(self, api: Api, config: SchedulerConfig) -> None:
        self._api = api
        self._config = config
        self._recorder = Recorder(api, config.scheduler_name)
        self._queue = PodQueue()
        self._nodes: dict[str, NodeState] = {}
        self._lost: dict[str, dict[str, Pod]] = {}  # pods of nodes that are not (yet) known
        self._placed: dict[str, str] = {}  # pod uid → node, bound or assumed
        self._binding: set[str] = set()  # uids
        self._nominated = Nominations()
        self._slots = asyncio.Semaphore(config.parallel_bindings)
        self._tasks: set[asyncio.Task[None]] = set()
        self.pods: Informer[Pod] = Informer(api, resource("pods"), transform=parse_pod)
        self.nodes: Informer[Node] = Informer(api, resource("nodes"), transform=parse_node)
        self.namespaces: Informer[Mapping[str, str]] = Informer(api, resource("namespaces"), transform=parse_namespace)
        self.claims: Informer[Claim] = Informer(api, resource("persistentvolumeclaims"), transform=parse_claim)
        self.nodes.subscribe(self._node_changed)
        self.pods.subscribe(self._pod_changed)
        self.namespaces.subscribe(lambda key, old, new: self._stir("namespace", old, new))
        self.claims.subscribe(lambda key, old, new: self._stir("claim", old, new))

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for informer in (self.nodes, self.pods, self.namespaces, self.claims):
                    group.create_task(informer.run(), name=f"informer {informer.kind.plural}")
                for informer in (self.nodes, self.pods, self.namespaces, self.claims):
                    await informer.wait_synced()
                await self._schedule()
        finally:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._recorder.close()

    async def _schedule(self) -> None:
        done = 0
        while True:
            key = await self._queue.next()
            pod = self.pods.items.get(key)
            if pod is None or not self._waits(pod) or pod.uid in self._placed:
                continue
            try:
                self._decide(pod)
            except Exception:
                log.exception("scheduling %s/%s", *key)
                self._queue.park(key, pod.priority, pod.created, retry=True)
            done += 1
            if done % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    def _decide(self, pod: Pod) -> None:
        labels = {name: labels for (_, name), labels in self.namespaces.items.items()}
        cluster = Cluster(self._nominated.counted(self._nodes, pod), labels, self.claims.items)
        choice = choose(pod, cluster, RULES)
        if choice.node is not None:
            self._place(pod, choice.node)
            self._binding.add(pod.uid)
            self._spawn(self._bind(pod, choice.node), f"bind {pod.namespace}/{pod.name}")
            return
        room = preempt(pod, choice, cluster, RULES)
        message = choice.message(room.message)
        helped_by = choice.helped_by
        if room.node:
            helped_by |= {"left"}
            outdone = self._nominated.put(pod, room.node)
            self._spawn(self._make_room(pod, room, outdone), f"preempt for {pod.namespace}/{pod.name}")
        self._queue.park(pod.key, pod.priority, pod.created, helped_by)
        self._recorder.event(pod.reference, "Warning", "FailedScheduling", message)
        if (pod.condition.get("reason"), pod.condition.get("message")) != ("Unschedulable", message):
            self._spawn(self._say_unschedulable(pod, message), f"unschedulable {pod.namespace}/{pod.name}")

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
        except errors.ApiError as error:
            self._binding.discard(pod.uid)
            self._binding_failed(pod, node, error)
            return
        self._binding.discard(pod.uid)
        words = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        self._recorder.event(pod.reference, "Normal", "Scheduled", words)
        if (now := self.pods.items.get(pod.key)) is None or now.uid != pod.uid:
            self._unplace(pod.uid)  # it went while it was being bound

    def _binding_failed(self, pod: Pod, node: str, error: errors.ApiError) -> None:
        now = self.pods.items.get(pod.key)
        if now is not None and now.uid == pod.uid and now.node:
            return  # somebody else bound it, or the answer was lost; the informer knows where
        self._unplace(pod.uid)
        if isinstance(error, errors.NotFound) or now is None or now.uid != pod.uid:
            return
        log.debug("binding %s/%s to %s: %s", pod.namespace, pod.name, node, error.message)
        self._queue.park(pod.key, pod.priority, pod.created, retry=True)

    async def _make_room(self, pod: Pod, room: Preemption, outdone: Sequence[Pod]) -> None:
        """Have the victims leave, and note for whom the node is."""
        said = f"{self._config.scheduler_name}: preempting to accommodate a higher priority pod"
        condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": said}
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
        for which, node in ((pod, room.node), *((other, None) for other in outdone)):
            try:
                await self._patch_status(which, {"nominatedNodeName": node})
            except errors.ApiError as error:
                log.debug("status of %s/%s: %s", which.namespace, which.name, error.message)

    async def _patch_status(self, pod: Pod, status: Object) -> None:
        change = {"metadata": {"uid": pod.uid}, "status": status}
        await self._api.patch(resource("pods"), pod.name, change, pod.namespace, subresource="status", type="strategic")

    async def _say_unschedulable(self, pod: Pod, message: str) -> None:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        try:
            await self._patch_status(pod, {"conditions": [condition]})
        except errors.ApiError as error:
            log.debug("status of %s/%s: %s", pod.namespace, pod.name, error.message)

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- what the informers say --------------------------------------------------------------------

    def _waits(self, pod: Pod) -> bool:
        ours = pod.scheduler == self._config.scheduler_name
        return ours and not (pod.node or pod.deleting or pod.finished or pod.gated)

    def _pod_changed(self, key: Key, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or new.uid != old.uid):
            self._queue.remove(key)
            self._nominated.drop(old.uid)
            if old.uid not in self._binding:
                self._unplace(old.uid)
            self._queue.stir("left")
        if new is None:
            return
        if not self._waits(new):
            self._queue.remove(key)
            self._nominated.drop(new.uid)
        if new.node and not new.finished:
            self._place(new, new.node)
            if old is None or not old.node or old.labels != new.labels:
                self._queue.stir("placed")  # affinity to it may be satisfied now
        elif new.finished:
            if self._unplace(new.uid):
                self._queue.stir("left")
        elif self._waits(new) and new.uid not in self._placed and (old is None or old != new):
            if old is None and new.nominated:
                self._nominated.put(new, new.nominated)
            self._queue.add(key, new.priority, new.created)

    def _node_changed(self, key: Key, old: Node | None, new: Node | None) -> None:
        name = key[1]
        if new is None:
            state = self._nodes.pop(name, None)
            if state is not None:
                self._lost[name] = state.pods
            return
        if old == new and name in self._nodes:
            return  # a sign of life, nothing else
        state = self._nodes.get(name)
        if state is not None:
            state.node = new
        else:
            state = self._nodes[name] = NodeState(new)
            for pod in self._lost.pop(name, {}).values():
                state.add(pod)
        self._queue.stir("node")

    def _stir(self, change: Change, old: object, new: object) -> None:
        if old != new:
            self._queue.stir(change)

    def _place(self, pod: Pod, node: str) -> None:
        before = self._placed.get(pod.uid)
        if before == node and (state := self._nodes.get(node)) is not None and state.pods.get(pod.uid) == pod:
            return
        self._unplace(pod.uid)
        self._placed[pod.uid] = node
        if (state := self._nodes.get(node)) is not None:
            state.add(pod)
        else:
            self._lost.setdefault(node, {})[pod.uid] = pod

    def _unplace(self, uid: str) -> bool:
        node = self._placed.pop(uid, None)
        if node is None:
            return False
        if (state := self._nodes.get(node)) is not None:
            state.remove(uid)
        elif (lost := self._lost.get(node)) is not None:
            lost.pop(uid, None)
            if not lost:
                del self._lost[node]
        return True
