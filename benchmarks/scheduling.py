"""The scheduler's decisions in a cluster of 1,000 nodes with 30,000 pods, without an API server.

``python benchmarks/scheduling.py [NODES [PODS]]``. Prints the time of one decision for kinds of pods, and of one search
for pods to preempt: the whole, and the longest stretch without a pause.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from kubette.api.meta import Object
from kubette.scheduler.cycle import choose
from kubette.scheduler.model import Cluster, Pod, parse_node, parse_pod
from kubette.scheduler.plugins import RULES
from kubette.scheduler.preemption import search

_ROUNDS = 50
_ZONE, _HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


def node(i: int) -> Object:
    labels = {_HOST: f"node-{i:04}", _ZONE: f"zone-{i % 3}"}
    allocatable = {"cpu": "32", "memory": "64Gi", "pods": "110"}
    return {"metadata": {"name": f"node-{i:04}", "labels": labels}, "status": {"allocatable": allocatable}}


def pod(i: int, owner: int, cpu: str = "1", priority: int = 0, **spec: Any) -> Pod:
    app = f"app-{owner}"
    m: Object = {"name": f"pod-{i}", "namespace": "default", "uid": f"uid-{i}", "labels": {"app": app}}
    m["ownerReferences"] = [{"uid": app, "controller": True, "kind": "ReplicaSet", "name": app}]
    containers = [{"resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}]
    return parse_pod({"metadata": m, "spec": {"containers": containers, "priority": priority, **spec}})


def timed(name: str, make: Callable[[int], Pod], cluster: Cluster) -> None:
    times, start = [], 0
    for i in range(_ROUNDS):
        each = make(10_000_000 + i)
        before = time.perf_counter()
        choice = choose(each, cluster, RULES, start)
        times.append(time.perf_counter() - before)
        start += choice.looked
        assert choice.node
    print(f"{name:34} {statistics.median(times) * 1e3:7.2f} ms   worst {max(times) * 1e3:7.2f} ms")


def preemption(name: str, cpu: str, cluster: Cluster) -> None:
    times, holds = [], []
    for i in range(5):
        boss = pod(20_000_000 + i, 99_999, cpu=cpu, priority=1000)
        choice = choose(boss, cluster, RULES)
        assert choice.node is None
        begun = last = time.perf_counter()
        steps = search(boss, choice, cluster, i * 100)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                found = done.value
                break
            finally:
                now = time.perf_counter()
                holds.append(now - last)
                last = now
        times.append(time.perf_counter() - begun)
    outcome = f"{len(found.victims)} victims" if found.node else "none found"
    print(f"{name:34} {statistics.median(times) * 1e3:7.2f} ms   longest hold {max(holds) * 1e3:5.2f} ms   {outcome}")


def main(nodes: int, pods: int) -> None:
    cluster = Cluster()
    for i in range(nodes):
        cluster.put_node(parse_node(node(i)))
    for i in range(pods):
        cluster.place(pod(i, i % 1000), f"node-{i % nodes:04}")
    same = {"matchLabels": {"app": "app-7"}}
    spread = [{"maxSkew": 5, "topologyKey": _ZONE, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": same}]
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": _ZONE, "labelSelector": same}]}}  # fmt: skip
    far = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": _HOST, "labelSelector": same}]}}  # fmt: skip
    print(f"{nodes} nodes, {pods} pods")
    timed("one decision", lambda i: pod(i, 7), cluster)
    timed("… with topologySpreadConstraints", lambda i: pod(i, 7, topologySpreadConstraints=spread), cluster)
    timed("… with podAffinity", lambda i: pod(i, 7, affinity=near), cluster)
    timed("… with podAntiAffinity", lambda i: pod(i, 7, affinity=far), cluster)
    preemption("preemption", "16", cluster)
    preemption("preemption that finds no victims", "31.9", cluster_of_important(nodes, pods))


def cluster_of_important(nodes: int, pods: int) -> Cluster:
    """Every node has lower-priority pods, and one that is not, so that all are tried in vain."""
    cluster = Cluster()
    for i in range(nodes):
        cluster.put_node(parse_node(node(i)))
        cluster.place(pod(-1 - i, 5, priority=5000), f"node-{i:04}")
    for i in range(pods - nodes):
        cluster.place(pod(i, i % 1000), f"node-{i % nodes:04}")
    return cluster


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    main(*(numbers + [1_000, 30_000][len(numbers) :]))
