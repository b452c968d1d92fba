"""Pod addresses and links of one node: a /32 on a veth, routed, with the gateway 169.254.1.1.

Runs in the node's network namespace. There is no bridge (Services between pods of one node would need
br_netfilter): the node holds a host route to each pod and answers ARP for the gateway. Which address a pod has is noted
in a file for as long as its namespace lives, so an agent that restarts knows what its predecessor gave out, whatever
was taken away in the kernel meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import ipaddress
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from kubette.network import netns

GATEWAY = "169.254.1.1"
PREFIX = "kp"  # of a pod's veth in the node; the rest is a hash of its UID
MTU = 1500
RT_SCOPE_LINK = 253
_IFF_UP = 1

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


@dataclass(frozen=True, slots=True)
class Lease:
    """A pod's address, and its network namespace where that is known."""

    address: str
    netns: Path | None


class PodNetwork:
    """The links of the pods of one node. ``start`` before anything else; every call is idempotent.

    ``leases``: the directory in which addresses are noted; on a file system that a reboot empties."""

    def __init__(self, node_ip: str, leases: Path | None = None) -> None:
        self._node_ip = node_ip
        self._directory = leases
        self._cidr: IPNetwork | None = None
        self._leases: dict[str, Lease] = {}  # by link name
        self._busy: set[str] = set()  # links that attach or detach is at work on
        self._lock = threading.Lock()  # one thread at a time changes links
        self._last: str | None = None

    async def start(self, pod_cidrs: Sequence[str]) -> None:
        """Turn forwarding on and learn what pods of an earlier agent hold. IPv4 is the first CIDR."""
        self._cidr = ipaddress.ip_network(pod_cidrs[0])
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")

        def learn() -> dict[str, Lease]:
            hold_gateway()
            with IPRoute() as ip:
                found = {name: Lease(address, None) for name, address in _pod_routes(ip)}
            return {**found, **self._noted()}

        self._leases = await asyncio.to_thread(learn)  # IPRoute has a loop of its own

    async def attach(self, pod_uid: str, ns: Path, *, ip: str | None = None) -> tuple[str, ...]:
        """Give the pod's namespace its ``eth0``, or what is missing of it; returns its addresses. PoolExhausted when
        there is none."""
        if self._cidr is None:
            raise RuntimeError("PodNetwork.start has not run")
        name = link_name(pod_uid)
        known = self._leases.get(name)
        used = {lease.address for lease in self._leases.values()}
        address = known.address if known else ip or free_address(self._cidr, used, self._last)
        lease = self._leases[name] = Lease(address, ns)
        if known is None:
            self._last = address
        self._busy.add(name)
        try:
            await asyncio.to_thread(self._make, name, lease)
        except BaseException:
            if known is None:
                self._forget(name)
            raise
        finally:
            self._busy.discard(name)
        return (address,)

    async def detach(self, pod_uid: str) -> None:
        """Remove the pod's link, its route and its claim on the address."""
        name = link_name(pod_uid)

        def body() -> None:
            with self._lock, IPRoute() as ip:
                for index in ip.link_lookup(ifname=name):
                    ip.link("del", index=index)

        self._busy.add(name)
        try:
            await asyncio.to_thread(body)
            self._forget(name)
        finally:
            self._busy.discard(name)

    def holds(self, link: str) -> bool:
        """Whether a link is a pod's, and should be whole now."""
        return link in self._leases and link not in self._busy

    def restore(self) -> None:
        """Bring back what others took away of the pods' links and routes. Blocks: for a thread."""
        failed: list[str] = []
        with IPRoute() as ip:
            up = {link.get_attr("IFLA_IFNAME") for link in ip.get_links() if link["flags"] & _IFF_UP}
            routed = set(_pod_routes(ip))
        for name, lease in list(self._leases.items()):
            if not self.holds(name) or (name in up and (name, lease.address) in routed):
                continue
            if lease.netns is not None and not netns.pinned(lease.netns):
                continue  # the pod is on its way out
            try:
                self._make(name, lease)
            except (OSError, NetlinkError) as error:
                failed.append(f"{lease.address}: {error}")
        if failed:
            raise OSError("; ".join(failed))

    def _make(self, name: str, lease: Lease) -> None:
        """The whole of a pod's link, from whatever is there of it."""
        with self._lock:
            if self._leases.get(name) is not lease:
                return  # detached meanwhile
            self._note(name, lease)
            self._connect(name, lease)

    def _connect(self, name: str, lease: Lease) -> None:
        address, ns = lease.address, lease.netns
        with IPRoute() as ip:
            found = ip.link_lookup(ifname=name)
            if found and ns is not None and not netns.inside(ns, _has_link):
                ip.link("del", index=found[0])  # its other end is in a namespace that is no more
                found = []
            if not found:
                if ns is None:
                    raise OSError(errno.ENODEV, f"the link {name} has gone, and with it the way to its pod")
                with ns.open("rb") as pinned:
                    peer = {"ifname": "eth0", "net_ns_fd": pinned.fileno(), "mtu": MTU}
                    ip.link("add", ifname=name, kind="veth", mtu=MTU, peer=peer)
            (index,) = ip.link_lookup(ifname=name)
            try:
                if ns is not None:
                    netns.inside(ns, lambda: _pod_side(address))
                ip.link("set", index=index, state="up")
                ip.route("replace", dst=f"{address}/32", oif=index, scope="link", prefsrc=self._node_ip)
            except BaseException:
                if not found:
                    ip.link("del", index=index)
                raise

    # -- files ---------------------------------------------------------------------------------------

    def _note(self, name: str, lease: Lease) -> None:
        if self._directory is None or lease.netns is None:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        fresh = self._directory / f".{name}"
        fresh.write_text(f"{lease.address}\n{lease.netns}\n")
        os.replace(fresh, self._directory / name)

    def _forget(self, name: str) -> None:
        self._leases.pop(name, None)
        if self._directory is not None:
            (self._directory / name).unlink(missing_ok=True)

    def _noted(self) -> dict[str, Lease]:
        """Leases of pods whose namespace is there; the others are forgotten."""
        out: dict[str, Lease] = {}
        for file in self._directory.glob(f"{PREFIX}*") if self._directory is not None else ():
            with contextlib.suppress(ValueError):
                address, ns = file.read_text().split()
                if netns.pinned(Path(ns)):
                    out[file.name] = Lease(str(ipaddress.ip_address(address)), Path(ns))
                    continue
            file.unlink(missing_ok=True)
        return out


def _has_link() -> bool:
    with IPRoute() as ip:
        return bool(ip.link_lookup(ifname="eth0"))


def _pod_side(address: str) -> None:
    """Inside the pod: its address, and everything else by way of the gateway."""
    with IPRoute() as ip:
        ip.link("set", index=1, state="up")
        (index,) = ip.link_lookup(ifname="eth0")
        ip.addr("replace", index=index, address=address, prefixlen=32)
        ip.link("set", index=index, state="up")
        ip.route("replace", dst=f"{GATEWAY}/32", oif=index, scope="link")
        ip.route("replace", dst="0.0.0.0/0", gateway=GATEWAY, oif=index, prefsrc=address)


def _pod_routes(ip: Any) -> Iterator[tuple[str, str]]:
    """(link name, address) of each pod that has its host route in this namespace."""
    names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ip.get_links()}
    for route in ip.get_routes(family=2):
        name = names.get(route.get_attr("RTA_OIF"), "")
        if route["dst_len"] == 32 and name.startswith(PREFIX):
            yield name, route.get_attr("RTA_DST")
