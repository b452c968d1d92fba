"""New TCP connections a second between two pods of a node: direct, and through a ClusterIP.

Run as root: ``python benchmarks/connections.py [SECONDS]``. Both ways alternate in short turns, so that whatever else
the machine does hits both alike. The client resets its connections, so ports do not run out.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

from kubette.network import netns
from kubette.nft.expr import Family
from kubette.nft.socket import Kernel
from kubette.proxy.config import ProxyConfig
from kubette.proxy.program import Program
from kubette.proxy.state import Endpoint, Service, ServicePort, Slice

NODE, POD_A, POD_B, VIP = "172.29.0.11", "10.42.0.2", "10.42.0.3", "10.43.0.7"
LINGER_RESET = struct.pack("ii", 1, 0)


def ip(path: Path, *commands: str) -> None:
    """Commands of ip(8) in a namespace."""
    subprocess.run(["ip", "-n", path.name, "-batch", "-"], input="\n".join(commands), text=True, check=True, timeout=10)


def build(stack: contextlib.ExitStack) -> dict[str, Path]:
    """A node with two routed pods."""
    places = {name: Path(f"/run/netns/kbt-bench-{os.getpid()}-{name}") for name in ("node", "pod-a", "pod-b")}
    for path in places.values():
        netns.create(path)
        stack.callback(netns.remove, path)
        ip(path, "link set lo up")
    node = places["node"]
    ip(node, f"addr add {NODE}/32 dev lo")
    for name, address in (("pod-a", POD_A), ("pod-b", POD_B)):
        ip(node, f"link add {name} type veth peer name eth0 netns {places[name].name}")
        ip(node, f"addr add 169.254.1.1/32 dev {name}", f"link set {name} up", f"route add {address}/32 dev {name}")
        ip(places[name], f"addr add {address}/32 dev eth0", "link set eth0 up")
        ip(places[name], "route add 169.254.1.1 dev eth0", "route add default via 169.254.1.1")
    netns.inside(node, lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
    return places


def serve(path: Path) -> int:
    """A child process that accepts and closes; its process id."""
    sock = netns.inside(path, lambda: socket.create_server(("0.0.0.0", 8080), backlog=4096))
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        while True:
            sock.accept()[0].close()
    sock.close()
    return pid


def rate(path: Path, to: tuple[str, int], seconds: float) -> float:
    """Connections a second, one after the other."""

    def work() -> float:
        done, start = 0, time.perf_counter()
        while (now := time.perf_counter()) - start < seconds:
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
                sock.connect(to)
            done += 1
        return done / (now - start)

    return netns.inside(path, work)


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0
    print(f"machine: {os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}")
    with contextlib.ExitStack() as stack:
        places = build(stack)
        kernel = stack.enter_context(contextlib.closing(netns.inside(places["node"], Kernel)))
        program = Program(ProxyConfig("n", (NODE,), ("10.42.0.0/24",)), {Family.IPV4: kernel})
        for i in range(1000):  # not alone in its maps
            name = ("d", f"s{i}")
            address = VIP if i == 0 else f"10.43.{1 + (i >> 8)}.{i & 255}"
            program.set_service(name, Service(name, (ServicePort("", 6, 80),), (address,)))
            program.set_slice(name, Slice(name, Family.IPV4, {("", 6): (Endpoint(POD_B, 8080, "n"),)}))
        program.flush()
        pid = serve(places["pod-b"])
        stack.callback(os.waitpid, pid, 0)
        stack.callback(os.kill, pid, signal.SIGKILL)
        rate(places["pod-a"], (VIP, 80), 0.5)
        direct, through = [], []
        for _ in range(10):
            direct.append(rate(places["pod-a"], (POD_B, 8080), seconds / 20))
            through.append(rate(places["pod-a"], (VIP, 80), seconds / 20))
        one, two = statistics.median(direct), statistics.median(through)
        print(f"direct {one:8.0f}/s   ClusterIP {two:8.0f}/s   direct ÷ ClusterIP {one / two:.2f}")


if __name__ == "__main__":
    main()
