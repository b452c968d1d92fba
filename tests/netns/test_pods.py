"""Pods of one node reach one another and their node, over real veths in throwaway namespaces."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from kubette.network import netns
from kubette.network.pods import PodNetwork, PoolExhausted, free_address, link_name

NODE_IP = "172.29.250.11"


@pytest.fixture
def spaces() -> Iterator[dict[str, Path]]:
    paths = {name: Path(f"/run/netns/kbt-test-{os.getpid()}-{name}") for name in ("node", "a", "b")}
    for path in paths.values():
        netns.create(path)
    yield paths
    for path in paths.values():
        netns.remove(path)
        assert not path.exists()


def _node_up() -> None:
    with IPRoute() as ip:
        ip.link("set", index=1, state="up")
        ip.addr("add", index=1, address=NODE_IP, prefixlen=32)


def _links() -> list[str]:
    return [name for _index, name in socket.if_nameindex()]


def _ask(address: str) -> bytes:
    with socket.create_connection((address, 8080), timeout=5) as peer:
        return peer.recv(100)


def _serve(listener: socket.socket, times: int) -> None:
    for _ in range(times):
        peer, (source, _port) = listener.accept()
        with peer:
            peer.sendall(source.encode())


def test_pods_and_node_reach_a_pod_and_a_new_agent_knows_the_addresses(spaces: dict[str, Path]) -> None:
    async def story() -> tuple[str, str]:
        network = PodNetwork(NODE_IP)
        await network.start(["10.42.7.0/24"])
        (first,) = await network.attach("uid-a", spaces["a"])
        (second,) = await network.attach("uid-b", spaces["b"])
        assert (await network.attach("uid-a", spaces["a"])) == (first,), "attaching twice changes nothing"
        successor = PodNetwork(NODE_IP)
        await successor.start(["10.42.7.0/24"])
        assert (await successor.attach("uid-b", spaces["b"])) == (second,)
        return first, second

    netns.inside(spaces["node"], _node_up)
    a, b = _run_in(spaces["node"], story)
    assert (a, b) == ("10.42.7.1", "10.42.7.2")
    listener = netns.inside(spaces["b"], lambda: socket.create_server((b, 8080)))
    server = threading.Thread(target=_serve, args=(listener, 2))
    server.start()
    assert netns.inside(spaces["a"], lambda: _ask(b)) == a.encode(), "pod to pod keeps the source"
    assert netns.inside(spaces["node"], lambda: _ask(b)) == NODE_IP.encode()
    server.join(5)
    listener.close()


def test_detach_leaves_nothing(spaces: dict[str, Path]) -> None:
    async def story() -> None:
        network = PodNetwork(NODE_IP)
        await network.start(["10.42.7.0/24"])
        await network.attach("uid-a", spaces["a"])
        await network.detach("uid-a")
        await network.detach("uid-a")

    netns.inside(spaces["node"], _node_up)
    _run_in(spaces["node"], story)
    assert link_name("uid-a") not in netns.inside(spaces["node"], _links)


def test_addresses_run_round_and_out() -> None:
    cidr = ipaddress.ip_network("10.42.0.0/30")
    assert free_address(cidr, set()) == "10.42.0.1"
    assert free_address(cidr, set(), after="10.42.0.1") == "10.42.0.2"
    assert free_address(cidr, set(), after="10.42.0.2") == "10.42.0.1"
    with pytest.raises(PoolExhausted, match=r"no free pod address in 10\.42\.0\.0/30"):
        free_address(cidr, {"10.42.0.1", "10.42.0.2"})


def _run_in(path: Path, story):  # type: ignore[no-untyped-def]
    """Run a coroutine function with its loop and its worker threads inside the namespace."""

    def body():  # type: ignore[no-untyped-def]
        return asyncio.run(story())  # threads inherit the namespace of the thread that starts them

    return netns.inside(path, body)
