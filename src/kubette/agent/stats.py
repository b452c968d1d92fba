"""``/stats/summary``: CPU and memory of the node's running containers, in the kubelet's shape."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kubette.agent.shared import Shared
from kubette.agent.status import timestamp
from kubette.api import meta
from kubette.api.meta import Object
from kubette.runtime.interface import ContainerState, RuntimeFailure

if TYPE_CHECKING:
    from kubette.agent.pod_worker import PodWorker


async def summary(shared: Shared, workers: Iterable[PodWorker]) -> Object:
    """``stats.v1alpha1.Summary``, with the fields that there are figures for."""
    now = meta.now()
    pods = []
    for worker in workers:
        found = []
        for name, record in worker.containers.items():
            current = record.current
            if current is None or current.state is not ContainerState.RUNNING:
                continue
            try:
                one = await shared.runtime.stats(current.id)
            except (RuntimeFailure, OSError):  # it has just ended
                continue
            cpu = {"time": now, "usageCoreNanoSeconds": one.get("cpu_usage_ns", 0)}
            memory = {
                "time": now,
                "usageBytes": one.get("memory_bytes", 0),
                "workingSetBytes": one.get("memory_working_set_bytes", 0),
            }
            found.append({"name": name, "startTime": timestamp(current.started_at), "cpu": cpu, "memory": memory})
        ref = {"name": meta.name(worker.pod), "namespace": meta.namespace(worker.pod), "uid": worker.uid}
        pods.append({"podRef": ref, "containers": found})
    return {"node": {"nodeName": shared.config.node_name}, "pods": pods}
