"""Where packets to a Service land, told twice: to the fake kernel's tracer, and to the real kernel with real sockets.

A node with two pods, and somebody outside; the same stories must hold on both. Places: pod-a, pod-b (on the node),
node, outside (172.29.0.1, also the "other node": a backend there stands for a pod elsewhere).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from kubette.network import netns
from kubette.nft.expr import Family
from kubette.nft.fake import FakeKernel
from kubette.nft.flows import FlowCleaner
from kubette.nft.socket import Kernel
from kubette.nft.tracer import Packet, Tracer
from kubette.nft.types import packed_ip
from kubette.proxy import routes
from kubette.proxy.config import ProxyConfig
from kubette.proxy.program import Program
from kubette.proxy.state import Endpoint, Service, ServicePort, Slice

IPS = {"pod-a": "10.42.0.2", "pod-b": "10.42.0.3", "node": "172.29.0.11", "outside": "172.29.0.1"}
NAMES = {ip: name for name, ip in IPS.items()}
CONFIG = ProxyConfig("node-1", (IPS["node"],), ("10.42.0.0/24",))
TCP, UDP, ICMP = 6, 17, 1
VIP, LB = "10.43.0.7", "172.29.0.200"


class World(Protocol):
    """Where stories happen."""

    program: Program

    def send(self, client: str, to: str, proto: int = TCP) -> str:
        """``server saw-client``, ``refused`` (at once), or ``silence``."""

    def flush(self) -> None:
        """Commit what the program knows."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""


class FakeWorld:
    """The tracer's answers."""

    def __init__(self) -> None:
        self.kernel = FakeKernel()
        self.program = Program(CONFIG, {Family.IPV4: self.kernel})
        self.program.flush()
        self._turn = itertools.count()
        self._now = 0.0
        self._tracer = Tracer(self._table(), lambda n: next(self._turn) % n, lambda: self._now, _in_service_cidr)

    def _table(self):  # type: ignore[no-untyped-def]
        return self.kernel.tables[Family.IPV4, "kubette"]

    def flush(self) -> None:
        self.program.flush()
        self._tracer.table = self._table()

    def wait(self, seconds: float) -> None:
        self._now += seconds

    def send(self, client: str, to: str, proto: int = TCP) -> str:
        ip, _, port = to.partition(":")
        packet = Packet(Family.IPV4, packed_ip(IPS[client]), packed_ip(ip), proto, int(port or 0))
        out = self._tracer.output(packet) if client == "node" else self._tracer.prerouting(packet)
        if out.fate != "accept":
            return "silence" if out.fate == "drop" else "refused"
        server = NAMES.get(socket.inet_ntoa(out.packet.dst), "nobody")
        if out.packet.dport != 8080:
            return "refused"
        return f"{server} {NAMES[socket.inet_ntoa(out.packet.src)]}"


def _in_service_cidr(address: bytes) -> bool:
    return address.startswith(bytes((10, 43)))


class KernelWorld:
    """Namespaces, routed veths as in a real node, and a server in each that says whom it sees."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise

    def close(self) -> None:
        self._stack.close()

    def _build(self) -> None:
        self.ns = {name: Path(f"/run/netns/kbt-{os.getpid()}-{name}") for name in IPS}
        for path in self.ns.values():
            netns.create(path)
            self._stack.callback(netns.remove, path)
            self.ip(path, "link set lo up")
        node = self.ns["node"]
        self.ip(node, f"link add out type veth peer name eth0 netns {self.ns['outside'].name}")
        self.ip(node, f"addr add {IPS['node']}/24 dev out", "link set out up")
        self.ip(self.ns["outside"], f"addr add {IPS['outside']}/24 dev eth0", "link set eth0 up")
        for cidr in ("10.43.0.0/16", "10.42.0.0/16", f"{LB}/32", "172.29.0.201/32"):
            self.ip(self.ns["outside"], f"route add {cidr} via {IPS['node']}")
        for pod in ("pod-a", "pod-b"):
            self.ip(node, f"link add {pod} type veth peer name eth0 netns {self.ns[pod].name}")
            self.ip(node, f"addr add 169.254.1.1/32 dev {pod}", f"link set {pod} up")
            self.ip(node, f"route add {IPS[pod]}/32 dev {pod} src {IPS['node']}")
            self.ip(self.ns[pod], f"addr add {IPS[pod]}/32 dev eth0", "link set eth0 up")
            self.ip(self.ns[pod], "route add 169.254.1.1 dev eth0", "route add default via 169.254.1.1")
        netns.inside(node, lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
        netns.inside(node, lambda: routes.add("10.43.0.0/16", IPS["node"]))
        self.kernel = netns.inside(node, Kernel)
        self._stack.callback(self.kernel.close)
        self.cleaner = netns.inside(node, lambda: FlowCleaner(CONFIG.node_ips))
        self._stack.callback(self.cleaner.close)
        self.program = Program(CONFIG, {Family.IPV4: self.kernel})
        self.program.flush()
        for name, path in self.ns.items():
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                self._serve(name, path, kind)

    @staticmethod
    def ip(path: Path, *commands: str) -> None:
        text = "\n".join(commands)
        subprocess.run(["ip", "-n", path.name, "-batch", "-"], input=text, text=True, check=True, timeout=10)

    def _serve(self, name: str, path: Path, kind: int) -> None:
        sock = netns.inside(path, lambda: socket.socket(socket.AF_INET, kind))
        sock.bind(("0.0.0.0", 8080))
        if kind == socket.SOCK_STREAM:
            sock.listen(64)

        def work() -> None:
            with contextlib.suppress(OSError):
                while True:
                    if kind == socket.SOCK_STREAM:
                        conn, peer = sock.accept()
                        with conn:
                            conn.sendall(f"{name} {NAMES.get(peer[0], peer[0])}".encode())
                    else:
                        _, peer = sock.recvfrom(100)
                        if peer is None:  # shut down
                            return
                        sock.sendto(f"{name} {NAMES.get(peer[0], peer[0])}".encode(), peer)

        thread = threading.Thread(target=work, name=f"server {name}")
        thread.start()

        def stop() -> None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
            thread.join(5)

        self._stack.callback(stop)

    def flush(self) -> None:
        self.cleaner.clean(self.program.flush().stale)

    def wait(self, seconds: float) -> None:
        threading.Event().wait(seconds)

    def socket(self, place: str, kind: int, proto: int = 0) -> socket.socket:
        sock = netns.inside(self.ns[place], lambda: socket.socket(socket.AF_INET, kind, proto))
        sock.settimeout(0.4)
        return sock

    def send(self, client: str, to: str, proto: int = TCP) -> str:
        ip, _, port = to.partition(":")
        if proto == ICMP:
            return self._ping(client, ip)
        with self.socket(client, socket.SOCK_STREAM if proto == TCP else socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((ip, int(port)))
                if proto == UDP:
                    sock.send(b"?")
                return sock.recv(100).decode()
            except (ConnectionRefusedError, PermissionError):  # the latter: from a node's own process over UDP
                return "refused"
            except TimeoutError:
                return "silence"

    def _ping(self, client: str, ip: str) -> str:
        with self.socket(client, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            try:
                sock.sendto(struct.pack(">BBHHH", 8, 0, 0xF7FE, 1, 0), (ip, 0))
                while sock.recv(200)[20] == 8:
                    pass
            except (TimeoutError, PermissionError):
                return "silence"
            return "reply"


@pytest.fixture(params=["fake", "kernel"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        fake = FakeWorld()
        yield fake
        fake.kernel.close()
        return
    if os.geteuid() != 0:
        pytest.skip("needs root")
    real = KernelWorld()
    try:
        yield real
    finally:
        real.close()


def serve(world: World, *backends: str, proto: int = TCP, **fields: Any) -> None:
    """A service ``web`` at VIP:80 with these backends; ``outside`` counts as a pod of another node."""
    fields.setdefault("ports", (ServicePort("", proto, 80, 30123),))
    world.program.set_service(("d", "web"), Service(("d", "web"), cluster_ips=(VIP,), **fields))
    endpoints(world, *backends, proto=proto)


def endpoints(world: World, *backends: str, proto: int = TCP) -> None:
    found = tuple(Endpoint(IPS[b], 8080, "node-2" if b == "outside" else "node-1") for b in backends)
    ports = {("", proto): found} if found else {}
    world.program.set_slice(("d", "web-1"), Slice(("d", "web"), Family.IPV4, ports))
    world.flush()


def spread(world: World, client: str, to: str, proto: int = TCP, times: int = 12) -> set[str]:
    return {world.send(client, to, proto) for _ in range(times)}


@pytest.mark.parametrize("proto", [TCP, UDP])
def test_cluster_ip_reaches_every_backend_from_everywhere(world: World, proto: int) -> None:
    serve(world, "pod-a", "pod-b", proto=proto)
    for client, seen in (("node", "node"), ("outside", "node")):
        assert spread(world, client, f"{VIP}:80", proto) == {f"pod-a {seen}", f"pod-b {seen}"}
    # a pod that meets itself sees the node, another pod sees the client
    assert spread(world, "pod-a", f"{VIP}:80", proto) == {"pod-a node", "pod-b pod-a"}


@pytest.mark.parametrize("client", ["pod-a", "node", "outside"])
def test_without_a_ready_endpoint_it_is_refused_at_once(world: World, client: str) -> None:
    serve(world, ports=(ServicePort("", TCP, 80, 30123), ServicePort("dns", UDP, 53, 30053)))
    assert world.send(client, f"{VIP}:80") == "refused"
    assert world.send(client, f"{VIP}:53", UDP) == "refused"
    assert world.send(client, f"{IPS['node']}:30123") == "refused"
    endpoints(world, "pod-b")
    assert world.send(client, f"{VIP}:80").startswith("pod-b")


@pytest.mark.parametrize("client", ["pod-a", "node", "outside"])
def test_other_ports_and_addresses_of_the_range_are_refused_and_ping_is_silent(world: World, client: str) -> None:
    serve(world, "pod-b", lb_ips=(LB,))
    for address in (VIP, "10.43.99.99", LB):
        assert world.send(client, f"{address}:81") == "refused"
        assert world.send(client, f"{address}:81", UDP) == "refused"
        assert world.send(client, address, ICMP) == "silence"


def test_node_ports_load_balancer_and_external_ips(world: World) -> None:
    serve(world, "pod-a", "pod-b", lb_ips=(LB,), external_ips=("172.29.0.201",))
    for to in (f"{IPS['node']}:30123", f"{LB}:80", "172.29.0.201:80"):
        assert spread(world, "outside", to) == {"pod-a node", "pod-b node"}
        assert spread(world, "node", to) == {"pod-a node", "pod-b node"}
        assert spread(world, "pod-a", to) == {"pod-a node", "pod-b pod-a"}


def test_external_traffic_policy_local_keeps_the_client(world: World) -> None:
    serve(world, "pod-b", "outside", lb_ips=(LB,), external_local=True)
    for to in (f"{IPS['node']}:30123", f"{LB}:80"):
        assert spread(world, "outside", to) == {"pod-b outside"}
        assert {s.split()[0] for s in spread(world, "pod-a", to)} == {"pod-b", "outside"}
    endpoints(world, "outside")
    assert world.send("outside", f"{LB}:80") == "silence"
    assert world.send("pod-a", f"{LB}:80").startswith("outside")
    endpoints(world)
    assert world.send("outside", f"{LB}:80") == "refused"


def test_internal_traffic_policy_local(world: World) -> None:
    serve(world, "pod-b", "outside", internal_local=True)
    assert spread(world, "pod-a", f"{VIP}:80") == {"pod-b pod-a"}
    endpoints(world, "outside")
    assert world.send("pod-a", f"{VIP}:80") == "silence"


@pytest.mark.parametrize("to", [f"{VIP}:80", f"{IPS['node']}:30123", f"{LB}:80"])
def test_client_ip_affinity_holds_heals_and_times_out(world: World, to: str) -> None:
    serve(world, "pod-a", "pod-b", "outside", affinity=1, lb_ips=(LB,))
    client = "node"
    first = spread(world, client, to, times=10)
    assert len(first) == 1
    gone = first.pop().split()[0]
    left = [p for p in ("pod-a", "pod-b", "outside") if p != gone]
    endpoints(world, *left)
    healed = spread(world, client, to, times=10)
    assert len(healed) == 1 and healed.pop().split()[0] in left
    endpoints(world, "pod-a", "pod-b", "outside")
    seen = set()
    for _ in range(12):
        world.wait(1.1)
        seen.add(world.send(client, to).split()[0])
        if len(seen) > 1:
            break
    assert len(seen) > 1


def test_a_client_has_one_backend_by_every_address_of_a_service_port(world: World) -> None:
    other = ServicePort("other", TCP, 81, 30124)
    ports = (ServicePort("", TCP, 80, 30123), other)
    fields: dict[str, Any] = {"ports": ports, "affinity": 60, "lb_ips": (LB,), "external_ips": ("172.29.0.201",)}
    serve(world, "pod-a", "pod-b", **fields)
    found = tuple(Endpoint(IPS[b], 8080, "node-1") for b in ("pod-a", "pod-b"))
    world.program.set_slice(("d", "web-2"), Slice(("d", "web"), Family.IPV4, {("other", TCP): found}))
    world.flush()
    ways = (f"{VIP}:80", f"{IPS['node']}:30123", f"{LB}:80", "172.29.0.201:80")
    for client in ("node", "outside", "pod-a"):
        assert len({world.send(client, to).split()[0] for to in ways * 4}) == 1
    # another port of the Service is another choice; the clients of each are the fake's turns or the kernel's dice
    assert len({world.send("node", f"{VIP}:81").split()[0] for _ in range(8)}) == 1
    # a policy that leaves out the client's backend chooses anew
    serve(world, "pod-a", "outside", external_local=True, **fields)
    assert {world.send("outside", to) for to in ways[1:] * 4} == {"pod-a outside"}
    world.program.set_service(("d", "web"), None)
    world.flush()
    table = world.program.tables[Family.IPV4].table
    assert not [name for name in (*table.sets, *table.chains) if "affinity-d/web" in name]


def test_load_balancer_source_ranges(world: World) -> None:
    serve(world, "pod-b", lb_ips=(LB,), source_ranges=("10.42.0.0/24", "10.42.0.0/25"))
    assert world.send("outside", f"{LB}:80") == "silence"
    assert world.send("pod-a", f"{LB}:80") == "pod-b pod-a"
    assert world.send("outside", f"{IPS['node']}:30123") == "pod-b node"
    serve(world, "pod-b", lb_ips=(LB,), source_ranges=("172.29.0.0/24",))
    assert world.send("outside", f"{LB}:80") == "pod-b node"
    assert world.send("pod-a", f"{LB}:80") == "silence"


def test_terminating_endpoints_serve_when_nobody_else_does(world: World) -> None:
    serve(world, "pod-b")
    ends = Endpoint(IPS["pod-a"], 8080, "node-1", ready=False, serving=True, terminating=True)
    other = Endpoint(IPS["pod-b"], 8080, "node-1", ready=False, serving=False, terminating=True)
    world.program.set_slice(("d", "web-1"), Slice(("d", "web"), Family.IPV4, {("", TCP): (ends, other)}))
    world.flush()
    assert spread(world, "node", f"{VIP}:80") == {"pod-a node"}


def test_two_services_that_want_one_address_and_port(world: World) -> None:
    serve(world, "pod-a", external_ips=(LB,))
    second = Service(("d", "two"), (ServicePort("", TCP, 80),), ("10.43.0.8",), external_ips=(LB,))
    world.program.set_service(("d", "two"), second)
    two = Slice(("d", "two"), Family.IPV4, {("", TCP): (Endpoint(IPS["pod-b"], 8080, "node-1"),)})
    world.program.set_slice(("d", "two-1"), two)
    world.flush()
    assert spread(world, "outside", f"{LB}:80") == {"pod-a node"}
    assert world.send("node", "10.43.0.8:80") == "pod-b node"
    world.program.set_service(("d", "web"), None)
    world.flush()
    assert spread(world, "outside", f"{LB}:80") == {"pod-b node"}
    assert world.send("node", f"{VIP}:80") == "refused"
