"""10,000 Services with 30,000 endpoints into the kernel, and one change at that size.

Run as root: ``python benchmarks/services_scale.py [SERVICES]``. Everything happens in a network namespace of its own.
Times are from objects as the API sends them; "in kernel" is the commit alone.
"""

from __future__ import annotations

import gc
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from kubette.nft.expr import Family
from kubette.nft.socket import Kernel
from kubette.nft.transaction import replace
from kubette.proxy import state
from kubette.proxy.config import ProxyConfig
from kubette.proxy.program import Program

PER_SERVICE = 3


def service(i: int) -> dict[str, Any]:
    """A ClusterIP service as the API sends it."""
    return {
        "metadata": {"namespace": "bench", "name": f"s{i}"},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": f"10.{64 + (i >> 16)}.{i >> 8 & 255}.{i & 255}",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        },
    }


def endpoint_slice(i: int, generation: int = 0) -> dict[str, Any]:
    """Its EndpointSlice; another generation replaces one endpoint by another."""
    numbers = [i * PER_SERVICE + j for j in range(PER_SERVICE)]
    numbers[0] += generation * 1_000_000
    return {
        "metadata": {"namespace": "bench", "name": f"s{i}-x", "labels": {state.SERVICE_NAME_LABEL: f"s{i}"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": f"node-{n % 100}",
            }
            for n in numbers
        ],
    }


def milliseconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def one_change(program: Program, count: int, rounds: int, scale: bool) -> tuple[list[float], list[float]]:
    """Whole and in-kernel times of changes to one service: an endpoint replaced, or one more and one less."""
    kernel = program.tables[Family.IPV4].backend
    assert isinstance(kernel, Kernel)
    in_kernel: list[float] = []
    plain = kernel._send

    def timed(data: bytes) -> None:
        in_kernel.append(milliseconds(lambda: plain(data)))

    kernel._send = timed  # type: ignore[method-assign]
    whole: list[float] = []
    for r in range(rounds):
        i = (r * 7919) % count
        obj = endpoint_slice(i, 0 if scale else 1 + r)
        if scale:
            obj["endpoints"].pop()

        def change(obj: dict[str, Any] = obj, i: int = i) -> None:
            program.set_slice(("bench", f"s{i}-x"), state.endpoint_slice(obj))
            program.flush()

        whole.append(milliseconds(change))
    kernel._send = plain  # type: ignore[method-assign]
    return whole, in_kernel


def row(name: str, values: list[float]) -> None:
    """One line of results."""
    ordered = sorted(values)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(f"{name:<44} p50 {statistics.median(ordered):7.3f} ms   p99 {p99:7.3f} ms")


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    os.unshare(os.CLONE_NEWNET) if hasattr(os, "unshare") else _unshare()
    print(f"machine: {os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}")
    services = [service(i) for i in range(count)]
    slices = [endpoint_slice(i) for i in range(count)]
    config = ProxyConfig("node-0", ("172.29.0.11",), ("10.0.0.0/24",), ("10.64.0.0/10",), ("10.0.0.0/10",))
    program = Program(config, {Family.IPV4: Kernel()})
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def narrow() -> None:
        for obj in services:
            meta = obj["metadata"]
            program.set_service((meta["namespace"], meta["name"]), state.service(obj))
        for obj in slices:
            meta = obj["metadata"]
            program.set_slice((meta["namespace"], meta["name"]), state.endpoint_slice(obj))

    gc.freeze()
    narrowing = milliseconds(narrow)
    whole = milliseconds(program.flush)
    live = program.tables[Family.IPV4]
    kernel = milliseconds(lambda: live.backend.commit(replace(live.table)))
    print(f"{count} services, {count * PER_SERVICE} endpoints")
    print(f"{'objects narrowed':<44} {narrowing:8.1f} ms")
    print(f"{'policy, table, encode and commit':<44} {whole:8.1f} ms")
    print(f"{'  of which encode and commit (as in a repair)':<44} {kernel:8.1f} ms")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
    print(f"{'memory grown by':<44} {grown:8.1f} MiB")
    live.backend.subscribe()
    for name, scale in (("an endpoint replaced", False), ("an endpoint less", True)):
        changes, in_kernel = one_change(program, count, 300, scale)
        row(f"{name}: object to kernel", changes)
        row(f"{name}: in kernel", in_kernel)


def _unshare() -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:
        raise SystemExit("needs root: cannot make a network namespace")


if __name__ == "__main__":
    main()
