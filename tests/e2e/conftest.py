"""Clusters for the e2e tests, both kubectls, and a watch on the machine's own uplink.

Everything has its own data directory, kubeconfig and resolv.conf; clusters are removed whatever happens.
"""

from __future__ import annotations

import ipaddress
import os
import select
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubette.testing.local import LocalCluster, cluster

KUBECTLS = ("current", "debian")
INSIDE = [ipaddress.ip_network(cidr) for cidr in ("10.42.0.0/16", "10.43.0.0/16", "172.29.0.0/16")]
_OUTGOING, _ALL = 4, 3  # linux/if_packet.h, linux/if_ether.h


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            if "e2e" in item.path.parts:
                item.add_marker(pytest.mark.skip(reason="a cluster needs root"))


def _uplink() -> str | None:
    """The interface of the default route."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        name, destination, *_ = line.split()
        if destination == "00000000":
            return name
    return None


def _belongs_inside(frame: bytes) -> str | None:
    """What of the frame is a pod's, a Service's or a node's address: IPv4, or a question for one (ARP)."""
    kind = frame[12:14]
    if kind == b"\x08\x00":
        addresses = (frame[26:30], frame[30:34])
    elif kind == b"\x08\x06":
        addresses = (frame[28:32], frame[38:42])
    else:
        return None
    found = [ipaddress.ip_address(a) for a in addresses if len(a) == 4]
    return f"{found}" if any(a in network for a in found for network in INSIDE) else None


@pytest.fixture(scope="session", autouse=True)
def nothing_leaves_by_the_uplink() -> Iterator[None]:
    """No packet for, or from, an address of a cluster may leave the machine while the tests run."""
    name = _uplink()
    if name is None or os.geteuid() != 0:
        yield
        return
    seen: list[str] = []
    stop_read, stop_write = os.pipe()

    def watch(sock: socket.socket) -> None:
        while True:
            ready, _, _ = select.select([sock.fileno(), stop_read], [], [])
            if stop_read in ready:
                return
            frame, address = sock.recvfrom(128)
            if address[2] == _OUTGOING and (leak := _belongs_inside(frame)):
                seen.append(leak)

    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)) as sock:
        sock.bind((name, _ALL))
        thread = threading.Thread(target=watch, args=(sock,), name="uplink")
        thread.start()
        yield
        os.write(stop_write, b"x")
        thread.join()
    os.close(stop_read)
    os.close(stop_write)
    assert not seen, f"{len(seen)} packets left by {name}, such as {seen[:5]}"


def _debian_kubectl() -> str:
    """Debian 12's kubectl 1.20, unpacked into a cache, not installed."""
    installed = shutil.which("kubectl")
    if (
        installed
        and "v1.20" in subprocess.run([installed, "version", "--client"], capture_output=True, text=True).stdout
    ):
        return installed
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubette-tests"
    program = base / "kubernetes-client/usr/bin/kubectl"
    if not program.exists():
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base) as directory:
            for command in (["apt-get", "update", "-qq"], ["apt-get", "download", "-qq", "kubernetes-client"]):
                done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120)
            debs = list(Path(directory).glob("kubernetes-client_*.deb"))
            if not debs:
                pytest.skip(f"Debian's kubernetes-client cannot be fetched: {done.stderr.strip()}")
            subprocess.run(["dpkg", "-x", debs[0], f"{directory}/unpacked"], check=True, timeout=60)
            Path(directory, "unpacked").rename(base / "kubernetes-client")
    return str(program)


def find_kubectl(which: str) -> str:
    if which == "debian":
        return _debian_kubectl()
    return shutil.which("kubectl") or pytest.skip("this machine has no kubectl of its own")


@pytest.fixture(scope="session")
def kubectl() -> str:
    """One that every machine has: its own, else Debian's."""
    return shutil.which("kubectl") or _debian_kubectl()


@pytest.fixture(scope="session", params=KUBECTLS)
def each_kubectl(request: pytest.FixtureRequest) -> str:
    return find_kubectl(request.param)


@pytest.fixture(scope="session")
def two_nodes(kubectl: str) -> Iterator[LocalCluster]:
    """The cluster of two nodes that most tests share; each test removes what it makes."""
    with tempfile.TemporaryDirectory(prefix="kubette-e2e-") as directory:
        with cluster(f"e2e-{os.getpid()}", Path(directory), 2, kubectl=kubectl) as made:
            yield made
            made.down()
            assert made.leftovers() == []


@pytest.fixture
def namespace(two_nodes: LocalCluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for one test."""
    name = f"t{abs(hash(request.node.nodeid)) % 10**8}"
    two_nodes.kubectl("create", "namespace", name)
    yield name
    two_nodes.kubectl("delete", "namespace", name, "--wait=false")
