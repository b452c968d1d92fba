"""One endpoint change in a cluster of 10,000 Services with 30,000 endpoints: from the write at the API to the kernel.

Run as root: ``python benchmarks/endpoint_change.py [SERVICES]``. A one-node cluster of its own is filled through its
API server. A round replaces one endpoint of an EndpointSlice; the clock starts before the request and stops when
the kernel tells an nftables listener in the node's network namespace. Upstream's figures for the same are in README.md.
"""

from __future__ import annotations

import asyncio
import random
import socket
import sys
import time
from pathlib import Path
from typing import Any

import cluster
import machine
from services_scale import endpoint_slice, row, service

from kubette.api.kinds import resource
from kubette.client.config import ClientConfig
from kubette.client.http import Client
from kubette.network import local, netns
from kubette.nft.socket import open_netlink

ROUNDS = 300
SERVICES, SLICES = resource("services"), resource("endpointslices.discovery.k8s.io")
_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES = 270, 1, 7
_AT_ONCE = 16  # requests under way while the cluster is filled
Obj = dict[str, Any]


def objects(i: int) -> tuple[Obj, Obj]:
    """A Service in the service range, and its slice, both in the default namespace."""
    made, slice_ = service(i), endpoint_slice(i)
    made["spec"]["clusterIP"] = f"10.43.{128 + (i >> 8)}.{i & 255}"
    for obj in (made, slice_):
        obj["metadata"]["namespace"] = "default"
    return {"apiVersion": "v1", "kind": "Service", **made}, {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        **slice_,
    }


async def fill(client: Client, count: int) -> None:
    numbers = iter(range(count))

    async def some() -> None:
        for i in numbers:
            made, slice_ = objects(i)
            await client.create(SERVICES, made)
            await client.create(SLICES, slice_)

    async with asyncio.TaskGroup() as group:
        for n in range(_AT_ONCE):
            group.create_task(some(), name=f"fill-{n}")


async def heard(sock: socket.socket, quiet: float | None = None) -> bool:
    """Wait for the kernel's next word on nftables, and drop what came with it; False when ``quiet`` seconds passed."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(quiet):
            await loop.sock_recv(sock, 1 << 17)
    except TimeoutError:
        return False
    except OSError:  # more was said than the socket holds
        return True
    return True


async def changes(client: Client, sock: socket.socket, count: int) -> list[float]:
    """Milliseconds of each round."""
    out = []
    for generation in range(1, ROUNDS + 1):
        i = random.randrange(count)
        ours = endpoint_slice(i, generation)
        before = await client.get(SLICES, ours["metadata"]["name"], "default")
        after = {**before, "endpoints": ours["endpoints"]}
        while await heard(sock, 0.02):
            pass
        told = asyncio.create_task(heard(sock, 10), name="kernel")
        await asyncio.sleep(0)
        started = time.perf_counter()
        writing = asyncio.create_task(client.update(SLICES, after), name="write")
        if not await told:
            raise SystemExit("the change did not reach the kernel within 10 s")
        out.append((time.perf_counter() - started) * 1000)
        await writing
    return out


async def measure(kubeconfig: Path, sock: socket.socket, count: int) -> None:
    async with Client(ClientConfig.from_kubeconfig(kubeconfig)) as client:
        started = time.perf_counter()
        await fill(client, count)
        rate = 2 * count / (time.perf_counter() - started)
        print(f"{count} services, {count * 3} endpoints through the API          {rate:8.0f} creations/s")
        while await heard(sock, 1.0):
            pass
        row("an endpoint replaced: API write to kernel", await changes(client, sock, count))


def listener() -> socket.socket:
    """A netlink socket of the node that hears every change of its nftables."""
    sock = netns.inside(local.namespace(cluster.NAME, "node-1"), open_netlink)
    sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
    return sock


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(machine.describe())
    with cluster.cluster() as (_, kubeconfig, _):
        empty = dict(cluster.memory())["kubette-agent"]
        with listener() as sock:
            asyncio.run(measure(kubeconfig, sock, count))
        for name, kib in cluster.memory()[:2]:
            print(f"memory (PSS) at that size  {name:<20} {kib / 1024:6.1f} MiB")
        print(f"memory (PSS) of an empty cluster's agent        {empty / 1024:6.1f} MiB")


if __name__ == "__main__":
    main()
