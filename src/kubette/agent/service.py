"""The agent as a whole: registers the node, follows its pods, gives each a worker, and hears of exits.

An agent that dies leaves pods running; the next one finds them in the runtime and goes on. The order at
start matters: addresses in use are learnt (network.start) before any pod is set up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from kubette.agent import admission, node, orphans, rotation
from kubette.agent.config import AgentConfig
from kubette.agent.images import ImagePuller
from kubette.agent.nodeapi import NodeApi
from kubette.agent.objects import ApiObjects
from kubette.agent.pod_worker import PodWorker
from kubette.agent.shared import Shared
from kubette.api import errors, meta
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.client.events import Recorder
from kubette.client.informer import Informer, Key
from kubette.client.interface import Api
from kubette.network.interface import HostPorts, PodNetwork
from kubette.runtime.interface import Container, Images, Runtime

log = logging.getLogger(__name__)

_RESTART_SECONDS = 1.0


class Agent:
    """One node's agent; ``run`` it once."""

    def __init__(
        self,
        api: Api,
        config: AgentConfig,
        runtime: Runtime,
        images: Images,
        network: PodNetwork,
        host_ports: HostPorts | None = None,
    ) -> None:
        for directory in (config.data_dir, config.run_dir, config.logs_dir):
            directory.mkdir(parents=True, exist_ok=True)
        self._config = config
        self._api = api
        self._puller = ImagePuller(images, config.backoff_first, config.backoff_last)
        self._recorder = Recorder(api, "kubelet", config.node_name)
        self._node = node.NodeObject(api, config, images, self._recorder)
        field = f"metadata.name={config.node_name}"
        self._nodes: Informer[Object] = Informer(api, resource("nodes"), field_selector=field)
        self._services: Informer[Object] = Informer(api, resource("services"))
        here = f"spec.nodeName={config.node_name}"
        self._pods: Informer[Object] = Informer(api, resource("pods"), field_selector=here)
        self._workers: dict[str, PodWorker] = {}  # by UID
        self._left: dict[str, list[Container]] = {}  # by UID: of an earlier agent, not adopted yet
        self._shared = Shared(
            config=config,
            api=api,
            runtime=runtime,
            puller=self._puller,
            network=network,
            host_ports=host_ports,
            recorder=self._recorder,
            objects=ApiObjects(api),
            services=self._services.items.values,
            allocatable=self._node.capacity,
            memory_bytes=node.memory_bytes(),
        )
        self._group = asyncio.TaskGroup()

    # -- what the node API asks ----------------------------------------------------------------------

    def find(self, namespace: str, name: str) -> PodWorker | None:
        """The pod of that name; of several, the one that is in the API."""
        found = [w for w in self._workers.values() if meta.key(w.pod) == (namespace, name)]
        return next((w for w in found if not w.gone), found[0] if found else None)

    def all(self) -> list[PodWorker]:
        return list(self._workers.values())

    # -- running -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled. Pods go on running then."""
        try:
            async with NodeApi(self._shared, self).serve(), self._group:
                for informer in (self._nodes, self._services, self._pods):
                    self._spawn(informer.run(), f"informer-{informer.kind.plural}")
                self._spawn(node.keep_lease(self._api, self._config), "lease")
                await self._node.observe()
                await self._node.register()
                await self._start_network()
                self._spawn(self._node.keep_status(), "node-status")
                self._spawn(self._publish(), "node-ready")
                self._spawn(self._node.keep_pressure(), "node-pressure")
                await self._services.wait_synced()
                await self._pods.wait_synced()
                await self._take_over()
                self._pods.subscribe(self._on_pod)
                self._spawn(self._hear_exits(), "exits")
                self._spawn(rotation.keep(self._shared.runtime, self._config.log_bytes), "log-rotation")
        finally:
            await self._puller.close()
            await self._recorder.close()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._group.create_task(work, name=name)

    async def _start_network(self) -> None:
        """As soon as the controllers have given this node its pod addresses."""
        told = asyncio.Event()
        cidrs: list[str] = []

        def look(key: Key, old: Object | None, new: Object | None) -> None:
            spec = (new or {}).get("spec") or {}
            found = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
            if found:
                cidrs[:] = found
                told.set()

        self._nodes.subscribe(look)
        await told.wait()
        await self._shared.network.start(cidrs)
        self._node.not_ready = ""

    async def _publish(self) -> None:
        """Say that the node is ready, at once."""
        while True:
            try:
                await self._node.publish()
                return
            except errors.ApiError as error:
                log.info("node status: %s", error.message)
                await asyncio.sleep(_RESTART_SECONDS)

    async def _take_over(self) -> None:
        self._left = orphans.by_pod(await self._shared.runtime.containers())
        known = {meta.uid(p) for p in self._pods.items.values()}
        found = await orphans.find(self._shared, known, self._left)
        self._spawn(orphans.sweep(self._shared, found), "orphans")

    async def _hear_exits(self) -> None:
        async for identity in self._shared.runtime.exits():
            for worker in self._workers.values():
                if identity in worker.container_ids:
                    worker.wake()

    # -- pods ----------------------------------------------------------------------------------------

    def _on_pod(self, key: Key, old: Object | None, new: Object | None) -> None:
        if old is not None and (new is None or meta.uid(new) != meta.uid(old)):
            worker = self._workers.get(meta.uid(old))
            if worker is not None:
                worker.vanish()
                if worker.finished:
                    del self._workers[worker.uid]
        if new is None:
            return
        worker = self._workers.get(meta.uid(new))
        if worker is not None:
            worker.update(new)
            return
        uid = meta.uid(new)
        worker = self._workers[uid] = PodWorker(
            self._shared, new, self._left.pop(uid, ()), refused=self._refusal(new)
        )
        self._spawn(self._work(worker), f"pod-{meta.namespace(new)}/{meta.name(new)}")

    def _refusal(self, pod: Object) -> admission.Refusal | None:
        """Why this node does not take the pod. One with a start time was taken, maybe by an earlier agent."""
        if (pod.get("status") or {}).get("startTime") or meta.deleting(pod):
            return None
        if found := admission.refusal_under_pressure(pod, self._node.pressed):
            return found
        taken = [w.pod for w in self._workers.values() if w.holds_resources]
        node_object = next(iter(self._nodes.items.values()), {})
        return admission.refusal(pod, taken, node_object)

    async def _work(self, worker: PodWorker) -> None:
        while not worker.finished:
            try:
                await worker.run()
            except Exception:
                log.exception("pod %s/%s", *meta.key(worker.pod))
                await asyncio.sleep(_RESTART_SECONDS)
        if worker.gone:
            self._workers.pop(worker.uid, None)
