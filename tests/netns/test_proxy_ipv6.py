"""The same table for the other family: nothing in the data plane may assume IPv4."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubette.network import netns
from kubette.nft.expr import Family
from kubette.nft.flows import FlowCleaner
from kubette.nft.socket import Kernel
from kubette.nft.types import packed_ip
from kubette.proxy import routes
from kubette.proxy.config import ProxyConfig
from kubette.proxy.program import Program
from kubette.proxy.state import Endpoint, Service, ServicePort, Slice

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NODE, PODS, CIDR, VIP = "fd00:29::11", ("fd00:42::2", "fd00:42::3"), "fd00:43::/112", "fd00:43::7"
LB = "fd00:29::200"
CONFIG = ProxyConfig("node-1", (NODE,), ("fd00:42::/64",), (CIDR,), ("fd00:42::/48",))
TCP, UDP = 6, 17


@pytest.fixture
def node() -> Iterator[Path]:
    path = Path(f"/run/netns/kbt-{os.getpid()}-six")
    netns.create(path)
    commands = ["link set lo up", *(f"addr add {ip}/128 dev lo nodad" for ip in (NODE, *PODS))]
    subprocess.run(["ip", "-n", path.name, "-batch", "-"], input="\n".join(commands), text=True, check=True, timeout=10)
    yield path
    netns.remove(path)


@contextlib.contextmanager
def servers() -> Iterator[None]:
    """In both pods, on 8080, TCP and UDP: who answers, and whom it saw."""
    threads, socks = [], []
    for ip in PODS:
        tcp = socket.create_server((ip, 8080), family=socket.AF_INET6)
        udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        udp.bind((ip, 8080))
        for sock, work in ((tcp, _serve_tcp), (udp, _serve_udp)):
            threads.append(threading.Thread(target=work, args=(sock, ip), name=f"pod {ip}"))
            socks.append(sock)
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for sock in socks:
            with contextlib.suppress(OSError):  # ENOTCONN: of a datagram socket, which wakes up all the same
                sock.shutdown(socket.SHUT_RDWR)
        for thread, sock in zip(threads, socks, strict=True):
            thread.join(5)
            sock.close()


def _serve_tcp(sock: socket.socket, ip: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, peer = sock.accept()
            with connection:
                connection.sendall(f"{ip} saw {peer[0]}".encode())


def _serve_udp(sock: socket.socket, ip: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            data, peer = sock.recvfrom(100)
            if not data:
                return
            sock.sendto(f"{ip} saw {peer[0]}".encode(), peer)


def send(to: str, port: int, proto: int = TCP, source: str = NODE) -> str:
    kind = socket.SOCK_STREAM if proto == TCP else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET6, kind) as sock:
        sock.settimeout(2)
        sock.bind((source, 0))
        try:
            sock.connect((to, port))
            if proto == UDP:
                sock.send(b"?")
            return sock.recv(100).decode()
        except TimeoutError:
            return "silence"
        except OSError:
            return "refused"


def service(affinity: int = 0) -> Service:
    ports = (ServicePort("t", TCP, 80, 30080), ServicePort("u", UDP, 80, 30080))
    return Service(("d", "web"), ports, (VIP,), lb_ips=(LB,), affinity=affinity, external_local=True)


def endpoints(*ips: str) -> Slice:
    rows = tuple(Endpoint(ip, 8080, "node-1") for ip in ips)
    return Slice(("d", "web"), Family.IPV6, {("t", TCP): rows, ("u", UDP): rows})


def test_services_of_ipv6(node: Path) -> None:
    def story() -> None:
        kernel = Kernel()
        program = Program(CONFIG, {Family.IPV6: kernel})
        program.flush()
        routes.add(CIDR, NODE)
        everyone = {f"{ip} saw {NODE}" for ip in PODS}
        program.set_service(("d", "web"), service())
        program.set_slice(("d", "web-1"), endpoints(*PODS))
        program.flush()
        for proto in (TCP, UDP):
            for to, port in ((VIP, 80), (NODE, 30080)):
                assert {send(to, port, proto) for _ in range(40)} == everyone
            assert send(VIP, 81, proto) == "refused"
            assert send("fd00:43::99", 80, proto) == "refused"
        hairpin = {send(VIP, 80, source=PODS[0]) for _ in range(40)}
        assert hairpin == {f"{PODS[0]} saw {NODE}", f"{PODS[1]} saw {PODS[0]}"}

        program.set_service(("d", "web"), service(affinity=60))
        program.flush()
        for to, port in ((VIP, 80), (NODE, 30080)):
            assert len({send(to, port) for _ in range(20)}) == 1

        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            client.connect((VIP, 80))
            client.send(b"?")
            first = client.recv(100).decode().split()[0]
            other = next(ip for ip in PODS if ip != first)
            program.set_slice(("d", "web-1"), endpoints(other))
            cleaner = FlowCleaner(CONFIG.node_ips)
            assert cleaner.clean(program.flush().stale) > 0
            cleaner.close()
            client.send(b"?")
            assert client.recv(100).decode().split()[0] == other

        listed = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True, timeout=10)
        assert "table ip6 kubette" in listed.stdout and f"{VIP} . tcp . 80" in listed.stdout
        program.set_slice(("d", "web-1"), None)
        program.flush()
        for proto in (TCP, UDP):
            for to, port in ((VIP, 80), (NODE, 30080)):
                assert send(to, port, proto) == "refused"
        program.set_service(("d", "web"), None)
        program.flush()
        table = program.tables[Family.IPV6].table
        for spec in table.sets.values():
            held = kernel.elements(Family.IPV6, "kubette", spec) if not spec.dynamic else {}
            kept = {packed_ip(NODE): b""} if spec.name in ("node-ips", "nodeport-ips") else {}
            assert held == kept, spec.name
        kernel.close()

    def run() -> None:
        with servers():
            story()

    netns.inside(node, run)
