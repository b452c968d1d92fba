"""Pod addresses and links of one node: a /32 on a veth, routed, with the gateway 169.254.1.1.

Runs in the node's network namespace. There is no bridge (Services between pods of one node would need
br_netfilter): the node holds a host route to each pod and answers ARP for the gateway. Which address a pod
has is read back from those routes, so an agent that restarts knows what its predecessor gave out.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from kubette.network import netns

GATEWAY = "169.254.1.1"
PREFIX = "kp"  # of a pod's veth in the node; the rest is a hash of its UID
MTU = 1500
RT_SCOPE_LINK = 253

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class PoolExhausted(Exception):
    """No free address is left in the node's pod CIDR."""


def link_name(pod_uid: str) -> str:
    """The veth's name in the node: at most 15 bytes (IFNAMSIZ), the same for the same pod."""
    return PREFIX + hashlib.blake2s(pod_uid.encode(), digest_size=6).hexdigest()


def free_address(cidr: IPNetwork, used: set[str], after: str | None = None) -> str:
    """The next free address of ``cidr`` behind ``after``, wrapping around: an address that was just released
    is the last to be given out again. The network's first and last addresses are not used."""
    size = cidr.num_addresses
    base = int(cidr.network_address)
    start = int(ipaddress.ip_address(after)) - base if after else 0
    for step in range(1, size + 1):
        offset = (start + step) % size
        if offset in (0, size - 1):
            continue
        candidate = str(cidr[offset])
        if candidate not in used:
            return candidate
    raise PoolExhausted(f"no free pod address in {cidr}")


def hold_gateway() -> None:
    """On lo: answered for by ARP on every veth. Of link scope: never chosen as a source."""
    with IPRoute() as ip:
        ip.addr("replace", index=1, address=GATEWAY, prefixlen=32, scope=RT_SCOPE_LINK)


class PodNetwork:
    """The links of the pods of one node. ``start`` before anything else; every call is idempotent."""

    def __init__(self, node_ip: str) -> None:
        self._node_ip = node_ip
        self._cidr: IPNetwork | None = None
        self._addresses: dict[str, str] = {}  # link name → pod address
        self._last: str | None = None

    async def start(self, pod_cidrs: Sequence[str]) -> None:
        """Turn forwarding on and learn what pods of an earlier agent hold. IPv4 is the first CIDR."""
        self._cidr = ipaddress.ip_network(pod_cidrs[0])
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")

        def learn() -> dict[str, str]:
            hold_gateway()
            with IPRoute() as ip:
                return dict(_pod_routes(ip))

        self._addresses = await asyncio.to_thread(learn)  # IPRoute has a loop of its own

    async def attach(self, pod_uid: str, ns: Path, *, ip: str | None = None) -> tuple[str, ...]:
        """Give the pod's namespace its ``eth0``; returns its addresses. PoolExhausted when there is none."""
        if self._cidr is None:
            raise RuntimeError("PodNetwork.start has not run")
        name = link_name(pod_uid)
        if name in self._addresses:
            return (self._addresses[name],)
        address = ip or free_address(self._cidr, set(self._addresses.values()), self._last)
        self._addresses[name] = self._last = address
        try:
            await asyncio.to_thread(self._build, name, ns, address)
        except BaseException:
            del self._addresses[name]
            raise
        return (address,)

    async def detach(self, pod_uid: str) -> None:
        """Remove the pod's link, its route and its claim on the address."""
        name = link_name(pod_uid)

        def body() -> None:
            with IPRoute() as ip:
                for index in ip.link_lookup(ifname=name):
                    ip.link("del", index=index)

        await asyncio.to_thread(body)
        self._addresses.pop(name, None)

    def _build(self, name: str, ns: Path, address: str) -> None:
        with IPRoute() as ip, ns.open("rb") as pinned:
            ip.link(
                "add",
                ifname=name,
                kind="veth",
                mtu=MTU,
                peer={"ifname": "eth0", "net_ns_fd": pinned.fileno(), "mtu": MTU},
            )
            index = ip.link_lookup(ifname=name)[0]
            try:
                netns.inside(ns, lambda: _pod_side(address))
                ip.link("set", index=index, state="up")
                ip.route("add", dst=f"{address}/32", oif=index, scope="link", prefsrc=self._node_ip)
            except BaseException:
                ip.link("del", index=index)
                raise


def _pod_side(address: str) -> None:
    """Inside the pod: its address, and everything else by way of the gateway."""
    with IPRoute() as ip:
        ip.link("set", index=1, state="up")
        index = ip.link_lookup(ifname="eth0")[0]
        ip.addr("add", index=index, address=address, prefixlen=32)
        ip.link("set", index=index, state="up")
        ip.route("add", dst=f"{GATEWAY}/32", oif=index, scope="link")
        ip.route("add", dst="0.0.0.0/0", gateway=GATEWAY, oif=index, prefsrc=address)


def _pod_routes(ip: Any) -> Iterator[tuple[str, str]]:
    """(link name, address) of each pod that has its host route in this namespace."""
    names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ip.get_links()}
    for route in ip.get_routes(family=2):
        name = names.get(route.get_attr("RTA_OIF"), "")
        if route["dst_len"] == 32 and name.startswith(PREFIX):
            yield name, route.get_attr("RTA_DST")
