"""A whole one-node cluster: time to start, memory when idle, one pod, and twenty.

Run as root: ``python benchmarks/cluster.py [ROUNDS]``. It makes a cluster of its own, named ``bench-PID``, and removes
it. Times of ``up`` are from the start of the command, interpreter included; of pods, from the request to the watch
event that says Ready. Memory is PSS (proc(5), smaps_rollup) of every process of the cluster, pods included.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import machine

from kubette.api.kinds import resource
from kubette.client.config import ClientConfig
from kubette.client.http import Client
from kubette.cluster import processes
from kubette.network import local

NAME = f"bench-{os.getpid()}"
IMAGE = "luksa/kubia"
PODS, RCS = resource("pods"), resource("replicationcontrollers")
KUBETTE = [sys.executable, "-m", "kubette.cli.main"]
Obj = dict[str, Any]


def up(root: Path, kubeconfig: Path) -> dict[str, float]:
    """Seconds until each line of progress; the last is the command's end."""
    started = time.monotonic()
    command = [*KUBETTE, "up", "--name", NAME, "--no-ingress", "--data-dir", str(root), "--kubeconfig", str(kubeconfig)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as child:
        assert child.stderr is not None
        seen = {line.split("s ", 1)[1].strip(): time.monotonic() - started for line in child.stderr}
    if child.returncode:
        raise SystemExit(f"kubette up failed: {seen}")
    return {**seen, "ready": time.monotonic() - started}


def down(root: Path, kubeconfig: Path) -> float:
    started = time.monotonic()
    command = [*KUBETTE, "down", "--name", NAME, "--data-dir", str(root), "--kubeconfig", str(kubeconfig)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


@contextmanager
def cluster() -> Iterator[tuple[Path, Path, dict[str, float]]]:
    root = Path(tempfile.mkdtemp(prefix="kubette-bench-"))
    kubeconfig = root / "kubeconfig"
    try:
        yield root, kubeconfig, up(root, kubeconfig)
    finally:
        down(root, kubeconfig)
        shutil.rmtree(root)


def memory() -> list[tuple[str, int]]:
    """(process, PSS in KiB) of everything that is the cluster's."""
    pids = set(processes.in_namespaces([local.namespace(NAME), local.namespace(NAME, "node-1")]))
    for group in Path("/sys/fs/cgroup").glob(f"*/kubette-{NAME}/**/cgroup.procs"):
        pids.update(map(int, group.read_text().split()))
    pids |= {int(f.read_text().split()[0]) for f in Path(f"/run/kubette/{NAME}").glob("*.pid")}
    out = []
    for pid in pids:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
        out.append((Path(f"/proc/{pid}/comm").read_text().strip(), int(fields["Pss"].split()[0])))
    return sorted(out, key=lambda row: -row[1])


def is_ready(pod: Obj) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def until_ready(client: Client, version: str, selector: str, count: int) -> None:
    ready: set[str] = set()
    async for _, pod in client.watch(PODS, "default", resource_version=version, label_selector=selector):
        if is_ready(pod):
            ready.add(pod["metadata"]["name"])
        if len(ready) == count:
            return


async def one_pod(client: Client, rounds: int) -> list[float]:
    """Milliseconds from create to Ready, one pod after another."""
    out = []
    for i in range(rounds):
        labels = {"bench": f"one-{i}"}
        meta: Obj = {"name": f"one-{i}", "namespace": "default", "labels": labels}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec()}
        version = (await client.list(PODS, "default"))["metadata"]["resourceVersion"]
        started = time.perf_counter()
        await client.create(PODS, pod)
        await until_ready(client, version, f"bench=one-{i}", 1)
        out.append((time.perf_counter() - started) * 1000)
        await client.delete(PODS, f"one-{i}", "default", grace_seconds=0)
    return out


async def twenty(client: Client) -> float:
    """Milliseconds from creating a ReplicationController of 20 to all of them Ready."""
    template = {"metadata": {"labels": {"bench": "twenty"}}, "spec": spec()}
    body: Obj = {"replicas": 20, "selector": {"bench": "twenty"}, "template": template}
    meta = {"name": "twenty", "namespace": "default"}
    version = (await client.list(PODS, "default"))["metadata"]["resourceVersion"]
    started = time.perf_counter()
    await client.create(RCS, {"apiVersion": "v1", "kind": "ReplicationController", "metadata": meta, "spec": body})
    await until_ready(client, version, "bench=twenty", 20)
    return (time.perf_counter() - started) * 1000


def spec() -> Obj:
    return {"containers": [{"name": "kubia", "image": IMAGE}], "terminationGracePeriodSeconds": 0}


async def pods(kubeconfig: Path, rounds: int) -> tuple[list[float], float]:
    async with Client(ClientConfig.from_kubeconfig(kubeconfig)) as client:
        return await one_pod(client, rounds), await twenty(client)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(machine.describe())
    print(f"peers installed: {', '.join(machine.peers()) or 'none'}")
    starts = []
    for _ in range(3):  # the first may build local images
        with cluster() as (_, _, seen):
            starts.append(seen)
    best = min(starts, key=lambda s: s["ready"])
    for line, seconds in best.items():
        print(f"up → {line:<32} {seconds:6.2f} s")
    with cluster() as (_, kubeconfig, _):
        idle = memory()
        for name, kib in idle:
            print(f"idle memory (PSS)  {name:<20} {kib / 1024:6.1f} MiB")
        print(f"idle memory (PSS)  {'all of it':<20} {sum(k for _, k in idle) / 1024:6.1f} MiB")
        one, many = asyncio.run(pods(kubeconfig, rounds))
        quantiles = statistics.quantiles(one, n=100)
        print(f"one pod, create → Ready            p50 {statistics.median(one):4.0f} ms   p99 {quantiles[98]:4.0f} ms")
        print(f"RC of 20, create → all Ready       {many:8.0f} ms")


if __name__ == "__main__":
    main()
