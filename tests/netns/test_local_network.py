"""A local cluster's network, made in a throwaway namespace that plays the host."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from kubette import compose
from kubette.agent import neighbours
from kubette.api.kinds import resource
from kubette.network import announce, local, netns, peers
from kubette.network.pods import GATEWAY, hold_gateway
from kubette.testing.fakeapi import FakeApi

CLUSTER = f"t{os.getpid()}"
CIDRS = ("10.42.0.0/16", "10.43.0.0/16")
TOPOLOGY = local.Topology(
    CLUSTER, "172.29.7.0/24", {"": "172.29.7.2", "node-1": "172.29.7.11", "node-2": "172.29.7.12"}, CIDRS
)


@pytest.fixture
def host() -> Iterator[Path]:
    path = Path(f"/run/netns/kbt-test-{os.getpid()}-host")
    netns.create(path)
    netns.inside(path, _loopback)
    yield path
    netns.inside(path, lambda: local.remove(CLUSTER, TOPOLOGY.members, CIDRS))
    netns.remove(path)


def _loopback() -> None:
    with IPRoute() as ip:
        ip.link("set", index=1, state="up")


def _run(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_members_reach_one_another_and_the_host_and_removal_leaves_nothing(host: Path) -> None:
    netns.inside(host, lambda: local.build(TOPOLOGY))
    netns.inside(host, lambda: local.build(TOPOLOGY))  # again: nothing changes
    node = local.namespace(CLUSTER, "node-1")
    for address in ("172.29.7.1", "172.29.7.2", "172.29.7.12"):
        netns.inside(node, lambda a=address: _run("ping", "-c1", "-W2", a))  # type: ignore[misc]
    routes = netns.inside(host, lambda: _run("ip", "route"))
    assert "unreachable 10.42.0.0/16" in routes and "unreachable 10.43.0.0/16" in routes
    assert f"table ip kubette-{CLUSTER}" in netns.inside(host, lambda: _run("nft", "list", "tables"))
    netns.inside(host, lambda: local.remove(CLUSTER, TOPOLOGY.members, CIDRS))
    assert netns.inside(host, lambda: _run("ip", "route")) == ""
    assert netns.inside(host, lambda: _run("nft", "list", "ruleset")) == ""
    assert netns.inside(host, lambda: [name for _, name in socket.if_nameindex()]) == ["lo"]
    assert not node.exists()
    netns.inside(host, lambda: local.remove(CLUSTER, TOPOLOGY.members, CIDRS))  # nothing there: fine


def test_a_route_of_the_hosts_own_is_left_alone(host: Path) -> None:
    def story() -> str:
        _run("ip", "link", "add", "up0", "type", "bridge")
        _run("ip", "addr", "add", "10.42.9.1/24", "dev", "up0")
        _run("ip", "link", "set", "up0", "up")
        local.build(TOPOLOGY)
        return _run("ip", "route")

    routes = netns.inside(host, story)
    assert "unreachable 10.42.0.0/16" not in routes
    assert "unreachable 10.43.0.0/16" in routes


def test_a_free_subnet_overlaps_neither_routes_nor_other_clusters(host: Path) -> None:
    def story() -> str:
        _run("ip", "link", "add", "up0", "type", "bridge")
        _run("ip", "addr", "add", "172.29.0.9/23", "dev", "up0")
        _run("ip", "link", "set", "up0", "up")
        return local.free_subnet(["172.29.2.0/24"])

    assert netns.inside(host, story) == "172.29.3.0/24"


def test_addresses_that_somebody_took_meanwhile_are_told(host: Path) -> None:
    bridge = local.bridge_name(CLUSTER)

    def story() -> list[str]:
        free = local.holder(TOPOLOGY.subnet, bridge)
        local.build(TOPOLOGY)
        own = local.holder(TOPOLOGY.subnet, bridge)
        _run("ip", "link", "add", "up0", "type", "bridge")
        _run("ip", "addr", "add", "172.29.6.9/23", "dev", "up0")
        _run("ip", "link", "set", "up0", "up")
        return [free, own, local.holder(TOPOLOGY.subnet, bridge)]

    assert netns.inside(host, story) == ["", "", "172.29.6.0/23 (up0)"]


def test_nothing_for_a_node_goes_astray_when_the_bridge_is_taken_away(host: Path) -> None:
    def story() -> None:
        _run("ip", "link", "add", "up0", "type", "bridge")
        _run("ip", "addr", "add", "192.0.2.9/24", "dev", "up0")
        _run("ip", "link", "set", "up0", "up")
        _run("ip", "route", "add", "default", "via", "192.0.2.1")
        local.build(TOPOLOGY)
        assert f"dev {local.bridge_name(CLUSTER)}" in _run("ip", "route", "get", "172.29.7.11")
        _run("ip", "link", "del", local.bridge_name(CLUSTER))
        lost = subprocess.run(["ip", "route", "get", "172.29.7.11"], capture_output=True, text=True)
        assert lost.returncode != 0 and "No route to host" in lost.stderr
        local.build(TOPOLOGY)
        assert f"dev {local.bridge_name(CLUSTER)}" in _run("ip", "route", "get", "172.29.7.11")
        _run("ip", "link", "del", local.bridge_name(CLUSTER))
        local.remove(CLUSTER, TOPOLOGY.members, CIDRS, [TOPOLOGY.subnet])  # stopped
        stopped = subprocess.run(["ip", "route", "get", "172.29.7.11"], capture_output=True, text=True)
        assert stopped.returncode != 0 and "No route to host" in stopped.stderr
        local.remove(CLUSTER, TOPOLOGY.members, CIDRS)
        assert "unreachable" not in _run("ip", "route")

    netns.inside(host, story)


def test_what_is_left_of_a_cluster_is_found_by_its_name(host: Path) -> None:
    assert netns.inside(host, lambda: local.members_left(CLUSTER)) is None
    netns.inside(host, lambda: local.build(TOPOLOGY))
    netns.create(other := local.namespace(f"{CLUSTER}-b"))
    try:
        assert sorted(netns.inside(host, lambda: local.members_left(CLUSTER)) or ()) == ["node-1", "node-2"]
    finally:
        netns.remove(other)


def test_a_namespace_of_which_only_the_file_is_left_is_made_anew(host: Path) -> None:
    node = local.namespace(CLUSTER, "node-1")
    node.touch()
    assert not netns.pinned(node)
    netns.inside(host, lambda: local.build(TOPOLOGY))
    assert netns.pinned(node)
    assert "172.29.7.11/24" in netns.inside(node, lambda: _run("ip", "addr"))


def test_peer_routes_come_and_go(host: Path) -> None:
    netns.inside(host, lambda: local.build(TOPOLOGY))
    node = local.namespace(CLUSTER, "node-1")

    def story() -> list[str]:
        out = []
        for wanted in ({"10.42.1.0/24": "172.29.7.12"}, {"10.42.2.0/24": "172.29.7.12"}, {}):
            peers.apply(wanted)
            out.append(_run("ip", "route", "show", "proto", str(peers.ROUTE_PROTOCOL)).strip())
        return out

    assert netns.inside(node, story) == [
        "10.42.1.0/24 via 172.29.7.12 dev eth0",
        "10.42.2.0/24 via 172.29.7.12 dev eth0",
        "",
    ]


def test_a_load_balancer_address_that_moves_is_found_at_its_new_node(host: Path) -> None:
    netns.inside(host, lambda: local.build(TOPOLOGY))
    first, second = (local.namespace(CLUSTER, n) for n in ("node-1", "node-2"))
    address = "172.29.7.200"
    reach = ("ping", "-c1", "-W2", address)
    netns.inside(first, lambda: announce.apply("eth0", {address}, None, ("172.29.7.11",)))
    netns.inside(host, lambda: _run(*reach))
    netns.inside(first, lambda: announce.apply("eth0", (), None, ("172.29.7.11",)))
    netns.inside(second, lambda: announce.apply("eth0", {address}, None, ("172.29.7.12",)))
    netns.inside(host, lambda: _run(*reach))  # the neighbour entry was replaced: gratuitous ARP


def test_only_the_addresses_of_a_node_that_goes_move() -> None:
    nodes = ["node-1", "node-2", "node-3"]
    addresses = [f"172.29.7.{i}" for i in range(200, 250)]
    before = {a: announce.announcer(a, nodes) for a in addresses}
    after = {a: announce.announcer(a, nodes[:2]) for a in addresses}
    assert all(after[a] == before[a] for a in addresses if before[a] != "node-3")
    assert set(before.values()) == set(nodes)
    assert announce.announcer("172.29.7.200", []) is None


def _while_kept(work: Callable[[FakeApi], Awaitable[None]]) -> None:
    """Run ``work`` on node-1 of two, next to all that keeps the node's own part of the network."""
    address = TOPOLOGY.members["node-1"]

    def restore() -> None:
        hold_gateway()
        local.restore(TOPOLOGY.subnet, address)

    async def story() -> None:
        api = FakeApi()
        for i, name in enumerate(("node-1", "node-2")):
            status = {
                "addresses": [{"type": "InternalIP", "address": TOPOLOGY.members[name]}],
                "conditions": [{"type": "Ready", "status": "True" if name == "node-1" else "Unknown"}],
            }
            spec = {"podCIDR": f"10.42.{i}.0/24", "podCIDRs": [f"10.42.{i}.0/24"]}
            node = await api.create(resource("nodes"), {"metadata": {"name": name}, "spec": spec})
            await api.update(resource("nodes"), {**node, "status": status}, subresource="status")
        web = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"type": "LoadBalancer"}}
        service = await api.create(resource("services"), web)
        assigned = {"loadBalancer": {"ingress": [{"ip": "172.29.7.200"}]}}
        await api.update(resource("services"), {**service, "status": assigned}, subresource="status")
        keeping = neighbours.keep(api, "node-1", address, "eth0", restore)
        async with compose.node_tables(address, CIDRS[0]), asyncio.TaskGroup() as group:
            task = group.create_task(keeping, name="neighbours")
            await work(api)
            task.cancel()

    asyncio.run(story())


async def _until(holds: Callable[[], bool], seconds: float = 3.0) -> None:
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, "deadline"
        await asyncio.sleep(0.005)


async def _until_the_same(show: Callable[[], list[str]], wanted: list[str]) -> None:
    try:
        await _until(lambda: show() == wanted)
    except AssertionError:
        assert show() == wanted


def _network() -> list[str]:
    shown = _run("ip", "route").splitlines() + _run("ip", "-o", "-4", "addr").splitlines()
    return sorted(shown)


def test_what_others_take_away_comes_back(host: Path) -> None:
    netns.inside(host, lambda: local.build(TOPOLOGY))

    async def work(_api: FakeApi) -> None:
        await _until(lambda: "172.29.7.200" in _run("ip", "addr") and "10.42.1.0/24" in _run("ip", "route"))
        whole = _network()
        for loss in (
            "route del 10.42.1.0/24",
            "route del default",
            "addr del 172.29.7.200/32 dev eth0",
            f"addr del {GATEWAY}/32 dev lo",
            "addr del 172.29.7.11/24 dev eth0",
        ):
            _run("ip", *loss.split())
            await _until_the_same(_network, whole)
        _run("ip", "link", "set", "eth0", "down")
        _run("ip", "link", "set", "eth0", "up")
        await _until_the_same(_network, whole)

        def tables() -> list[str]:
            return sorted(_run("nft", "list", "tables").splitlines())

        before = tables()
        assert before == ["table ip kubette-egress", "table ip kubette-hostports"]
        _run("nft", "flush", "ruleset")
        await _until_the_same(tables, before)

    netns.inside(local.namespace(CLUSTER, "node-1"), lambda: _while_kept(work))
