"""The proxy as it runs: API events to the kernel, repair after others meddle, stale flows, host ports, transactions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from kubette import proxy
from kubette.client.http import Client
from kubette.network import netns
from kubette.network.hostports import HostPorts
from kubette.nft.conntrack import Conntrack
from kubette.nft.errors import Busy, Exists, Missing
from kubette.nft.expr import Family, MapLookup, MetaKey, MetaSet, dport, goto
from kubette.nft.fake import FakeKernel
from kubette.nft.flows import Destination, FlowCleaner
from kubette.nft.live import Backend, LiveTable
from kubette.nft.socket import Kernel
from kubette.nft.transaction import AddChain, AddElements, AddRule, DelChain, DelElements, DelSet, Transaction, replace
from kubette.nft.types import Chain, Field, Set, Table, packed_ip
from kubette.proxy import state
from kubette.proxy.config import ProxyConfig
from kubette.proxy.health import HealthChecks
from kubette.proxy.program import Program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
T = TypeVar("T")
NODE = "172.29.0.11"
PORTS = Set("m", (Field.INET_SERVICE,), (Field.MARK,))
CONFIG = ProxyConfig("node-1", (NODE,), ("10.42.0.0/24",))


@pytest.fixture
def node() -> Iterator[Path]:
    path = Path(f"/run/netns/kbt-{os.getpid()}-service")
    netns.create(path)
    commands = "\n".join(["link set lo up", *(f"addr add {ip}/32 dev lo" for ip in (NODE, "10.42.0.2", "10.42.0.3"))])
    subprocess.run(["ip", "-n", path.name, "-batch", "-"], input=commands, text=True, check=True, timeout=10)
    yield path
    netns.remove(path)


class OneService:
    """An API with one Service and one EndpointSlice, which a test may change."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def list(self, kind: Any, namespace: str | None = None, **_: Any) -> dict[str, Any]:
        items = [SERVICE] if kind.plural == "services" else [a_slice("10.42.0.2", 1)]
        return {"metadata": {"resourceVersion": "1"}, "items": items}

    async def watch(self, kind: Any, namespace: str | None = None, **_: Any) -> AsyncIterator[tuple[str, Any]]:
        while True:
            if kind.plural == "services":
                await asyncio.Event().wait()
            yield "MODIFIED", await self.changes.get()


SERVICE = {
    "metadata": {"namespace": "d", "name": "web", "resourceVersion": "1"},
    "spec": {"type": "ClusterIP", "clusterIP": "10.43.0.7", "ports": [{"port": 80, "targetPort": "http"}]},
}


def a_slice(ip: str, version: int) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "d", "name": "web-1", "resourceVersion": str(version),
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}, "nodeName": "node-1"}],
    }  # fmt: skip


async def until(what: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition of the kernel, at most so long; how long it took."""
    start = time.perf_counter()
    while not what():
        assert time.perf_counter() - start < seconds, "deadline"
        await asyncio.sleep(0.001)
    return time.perf_counter() - start


def run_nft(command: str) -> None:
    """Somebody else at work."""
    subprocess.run(["nft", command], check=True, timeout=10)


def run_ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True, timeout=10)


def hit(ip: str = "10.43.0.7", port: int = 80) -> str:
    """Which backend's address answers, seen from the node."""
    with socket.socket() as sock:
        sock.settimeout(0.5)
        try:
            sock.connect((ip, port))
            return sock.recv(100).decode()
        except OSError as err:
            return type(err).__name__


@contextlib.contextmanager
def servers() -> Iterator[None]:
    """Two pods' servers, each telling its address from the kernel's backlog: connected means answered."""
    import threading

    socks = [socket.create_server((ip, 8080)) for ip in ("10.42.0.2", "10.42.0.3")]

    def work(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                conn, _ = sock.accept()
                with conn:
                    conn.sendall(sock.getsockname()[0].encode())

    threads = [threading.Thread(target=work, args=(s,), name="pod") for s in socks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for sock, thread in zip(socks, threads, strict=True):
            sock.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            sock.close()


def test_events_reach_the_kernel_and_a_flush_by_others_is_repaired(node: Path) -> None:
    async def story() -> tuple[float, float]:
        api = OneService()
        task = asyncio.create_task(proxy.run(cast(Client, api), CONFIG), name="proxy")
        try:
            with servers():
                await until(lambda: hit() == "10.42.0.2", 2)
                api.changes.put_nowait(a_slice("10.42.0.3", 2))
                changed = await until(lambda: hit() == "10.42.0.3", 1)
                run_nft("flush ruleset")
                repaired = await until(lambda: hit() == "10.42.0.3", 1)
                run_nft("delete chain ip kubette guard-output")
                await until(lambda: hit(port=81) == "ConnectionRefusedError", 1)
                run_ip("route del 10.43.0.0/16")
                await until(lambda: hit() == "10.42.0.3", 1)
                run_ip(f"addr del {NODE}/32 dev lo")  # the route falls with its source
                run_ip(f"addr add {NODE}/32 dev lo")
                await until(lambda: hit() == "10.42.0.3", 2)
                return changed, repaired
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            proxy.cleanup(CONFIG)

    netns.inside(node, lambda: asyncio.run(story()))
    left = netns.inside(node, lambda: subprocess.run(["nft", "list", "ruleset"], capture_output=True, timeout=10))
    assert left.stdout == b""


def test_health_checks_count_the_nodes_own_ready_endpoints(node: Path) -> None:
    web = ("d", "web")
    obj = {
        "metadata": {"namespace": "d", "name": "web"},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.43.0.7", "healthCheckNodePort": 30299, "ports": []},
    }

    def ask() -> tuple[int, Any]:
        with socket.create_connection((NODE, 30299), 2) as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b"".join(iter(lambda: sock.recv(4096), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        count = json.loads(body)["localEndpoints"]
        assert f"X-Load-Balancing-Endpoint-Weight: {count}".encode() in head
        return int(head.split()[1]), count

    async def story() -> list[Any]:
        program = Program(CONFIG, {Family.IPV4: FakeKernel()})
        checks = HealthChecks((NODE,), program.local_endpoints)
        running = asyncio.create_task(checks.run(), name="checks")
        said: list[Any] = []

        async def change(service: Any, *slices: Any) -> None:
            narrowed = state.service(service) if service else None
            program.set_service(web, narrowed)
            for i, part in enumerate(slices):
                program.set_slice(("d", f"web-{i}"), state.endpoint_slice(part))
            checks.set(web, narrowed)
            listening = await asyncio.to_thread(until_listening, bool(service))
            said.append(await asyncio.to_thread(ask) if listening else "refused")

        elsewhere = a_slice("10.42.0.3", 1)
        elsewhere["endpoints"][0]["nodeName"] = "node-2"
        here = a_slice("10.42.0.2", 1)
        here["endpoints"][0]["nodeName"] = "node-1"
        await change(obj, elsewhere)
        await change(obj, here)
        here["endpoints"][0]["conditions"] = {"ready": False, "serving": True, "terminating": True}
        await change(obj, here)
        await change(None)
        running.cancel()
        return said

    def until_listening(wanted: bool) -> bool:
        deadline = time.monotonic() + 2
        while True:
            with socket.socket() as sock:
                if (sock.connect_ex((NODE, 30299)) == 0) is wanted:
                    return wanted
            assert time.monotonic() < deadline, "deadline"

    assert netns.inside(node, lambda: asyncio.run(story())) == [(503, 0), (200, 1), (503, 0), "refused"]


def test_a_foreign_change_read_with_our_own_answer_is_repaired_too(node: Path) -> None:
    async def story() -> None:
        kernel = Kernel()
        table = Table(Family.IPV4, "mine")
        table.add_set(PORTS)
        table.add_chain(Chain("precious"))
        live = LiveTable(table, kernel)
        live.load()
        stop = live.watch(asyncio.get_running_loop())
        run_nft("delete chain ip mine precious")
        live.apply({"m": {b"\0\x50\0\0": b"\1\0\0\0"}})  # reads the notification before the event loop can
        await until(lambda: live.repairs == 1, 1)
        listed = subprocess.check_output(["nft", "list", "table", "ip", "mine"], text=True, timeout=10)  # noqa: ASYNC221
        assert "chain precious" in listed and ": 0x00000001" in listed
        stop()
        kernel.close()

    netns.inside(node, lambda: asyncio.run(story()))


def test_our_own_changes_are_not_foreign_others_are(node: Path) -> None:
    def story() -> None:
        kernel = Kernel()
        table = Table(Family.IPV4, "mine")
        kernel.subscribe()
        kernel.commit(replace(table))
        assert kernel.foreign() == set()
        subprocess.run(["nft", "add", "table", "ip", "theirs"], check=True, timeout=10)
        assert kernel.foreign() == {(2, "theirs")}
        kernel.close()

    netns.inside(node, story)


def test_stale_udp_flows_go_and_others_stay(node: Path) -> None:
    def story() -> None:
        subprocess.run(
            ["nft", "add table ip t; add chain ip t o { type nat hook output priority -100; }; "
             "add rule ip t o ip daddr 10.43.0.7 udp dport 53 dnat to 10.42.0.2:5353"], check=True, timeout=10,
        )  # fmt: skip
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pod,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            pod.bind(("10.42.0.2", 5353))
            subprocess.run(["ip", "route", "add", "10.43.0.0/16", "dev", "lo", "src", NODE], check=True, timeout=10)
            client.sendto(b"?", ("10.43.0.7", 53))
            client.sendto(b"?", ("10.42.0.2", 5353))
            tracked = Conntrack()
            cleaner = FlowCleaner(CONFIG.node_ips)
            serves = Destination(Family.IPV4, "10.43.0.7", 53, frozenset({("10.42.0.2", 5353)}))
            assert cleaner.clean([serves]) == 0
            assert cleaner.clean([Destination(Family.IPV4, "10.43.0.7", 53, frozenset({("10.42.0.3", 5353)}))]) == 1
            assert [f.dst for f in tracked.flows(Family.IPV4, 17)] == [(packed_ip("10.42.0.2"), 5353)]
            cleaner.close()
            tracked.close()

    netns.inside(node, story)


def test_host_ports(node: Path) -> None:
    def story() -> None:
        kernel, flows = Kernel(), FlowCleaner([NODE])
        ports = HostPorts.open(kernel, flows, [NODE])
        with servers():
            ports.set("uid-a", [("TCP", "", 8081, "10.42.0.2", 8080)])
            ports.set("uid-b", [("TCP", "10.42.0.2", 8082, "10.42.0.3", 8080)])
            assert hit(NODE, 8081) == "10.42.0.2"
            assert hit("10.42.0.2", 8082) == "10.42.0.3"
            assert hit(NODE, 8082) == "ConnectionRefusedError"
            ports.remove("uid-a")
            ports.remove("uid-a")
            assert hit(NODE, 8081) == "ConnectionRefusedError"
        flows.close()
        kernel.close()

    netns.inside(node, story)


def test_a_udp_client_keeps_its_socket_through_every_change_of_a_host_port(node: Path) -> None:
    def bound(ip: str, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(5)
        sock.bind((ip, port))
        return sock

    def story() -> None:
        kernel, flows, tracked = Kernel(), FlowCleaner([NODE]), Conntrack()
        ports = HostPorts.open(kernel, flows, [NODE])
        with bound("10.42.0.2", 5353) as one, bound("10.42.0.3", 5353) as two, bound(NODE, 6000) as own, bound(
            NODE, 0
        ) as client, bound(NODE, 0) as bystander:
            client.sendto(b"early", (NODE, 5077))  # nobody has the port yet
            bystander.sendto(b"other", (NODE, 6000))
            for uid, pod, ip in (("a", one, "10.42.0.2"), ("b", two, "10.42.0.3")):
                ports.set(uid, [("UDP", "", 5077, ip, 5353)])
                client.sendto(uid.encode(), (NODE, 5077))
                assert pod.recv(100) == uid.encode()
            ports.remove("b")  # the older pod is still there
            client.sendto(b"a again", (NODE, 5077))
            assert one.recv(100) == b"a again"
            ports.remove("a")
            client.sendto(b"late", (NODE, 5077))
            ports.set("c", [("UDP", NODE, 5077, "10.42.0.3", 5353)])
            client.sendto(b"c", (NODE, 5077))
            assert two.recv(100) == b"c"
            assert own.recv(100) == b"other"
            kept = [f for f in tracked.flows(Family.IPV4, 17) if f.dst == (packed_ip(NODE), 6000)]
            assert len(kept) == 1, "a flow to another port is nobody's to delete"
        for opened in (kernel, flows, tracked):
            opened.close()

    netns.inside(node, story)


def test_flows_that_began_while_others_had_emptied_the_tables_are_translated_again(node: Path) -> None:
    async def story() -> None:
        kernel, flows = Kernel(), FlowCleaner([NODE])
        ports = HostPorts.open(kernel, flows, [NODE])
        stop = ports.watch(asyncio.get_running_loop())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pod, socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM
        ) as client:
            pod.bind(("10.42.0.2", 5353))
            pod.setblocking(False)
            ports.set("a", [("UDP", "", 5077, "10.42.0.2", 5353)])
            run_nft("flush ruleset")
            client.sendto(b"lost", (NODE, 5077))  # before the event loop repairs

            def answered() -> bool:
                client.sendto(b"?", (NODE, 5077))
                with contextlib.suppress(BlockingIOError):
                    return pod.recv(100) == b"?"
                return False

            await until(answered, 5)
        stop()
        flows.close()
        kernel.close()

    netns.inside(node, lambda: asyncio.run(story()))


@pytest.mark.parametrize("make", [FakeKernel, Kernel])
def test_both_kernels_refuse_the_same_and_then_change_nothing(node: Path, make: type[Any]) -> None:
    numbers = PORTS
    verdicts = Set("v", (Field.INET_SERVICE,), verdicts=True)
    one, two, key = b"\1\0\0\0", b"\2\0\0\0", b"\0\x50\0\0"

    def story() -> None:
        kernel = make()
        table = Table(Family.IPV4, "contract")
        table.add_set(numbers)
        table.add_set(verdicts)
        table.add_chain(Chain("c"))
        table.elements["m"] = {key: one}
        table.elements["v"] = {key: goto("c")}
        kernel.commit(replace(table))
        other = b"\0\x51\0\0"

        def refused(error: type[Exception], *ops: Any) -> None:
            with pytest.raises(error):
                kernel.commit(Transaction(Family.IPV4, "contract", [AddElements(numbers, {other: one}), *ops]))
            assert kernel.elements(Family.IPV4, "contract", numbers) == {key: one}

        refused(Exists, AddElements(numbers, {key: two}))
        refused(Missing, DelElements(numbers, (b"\0\x99\0\0",)))
        refused(Missing, AddElements(verdicts, {other: goto("nowhere")}))
        refused(Exception, DelChain("c"))
        refused(Missing, DelSet("nowhere"))
        looks_up = Chain("looks-up", ((dport(0), MapLookup("m", 0, 0), MetaSet(0, MetaKey.MARK)),))
        refused(Busy, AddChain(looks_up), AddRule("looks-up", looks_up.rules[0]), DelSet("m"))
        change = [DelElements(numbers, (key,)), AddElements(numbers, {key: two})]
        kernel.commit(Transaction(Family.IPV4, "contract", change))
        assert kernel.elements(Family.IPV4, "contract", numbers) == {key: two}
        assert kernel.elements(Family.IPV4, "contract", verdicts) == {key: goto("c")}
        kernel.close()

    netns.inside(node, story)


def test_the_fake_has_the_kernels_interface() -> None:
    fake: Backend = FakeKernel()
    assert fake.foreign() == set()
    cast(FakeKernel, fake).close()
