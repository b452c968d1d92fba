"""The network of a local cluster: one bridge on the host, a namespace for the control plane and one a node.

The host is outside the cluster: it has an address on the bridge, one nftables table and, where it has no route
of its own for them, unreachable routes for the pod and service CIDRs, so that no packet for them leaves by its
default route, and a last one for the nodes' subnet, should the bridge be taken away. Everything is named after the
cluster; ``remove`` needs only the name, whatever was left behind.
"""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from kubette.network import hostnft, netns

ROUTE_PROTOCOL = 75  # marks the routes that are ours (ip route: "proto 75")
UNREACHABLE = 7  # RTN_UNREACHABLE
_LAST = 0x7FFF_FFFF  # metric of a route that is to be taken when there is no other
BRIDGE_PREFIX = "kbt-"
POOL = "172.29.0.0/16"  # of the clusters' subnets
LINK = "eth0"  # of the control plane and of every node, towards the bridge


def bridge_name(cluster: str) -> str:
    """The cluster's bridge; at most 15 bytes (IFNAMSIZ)."""
    name = BRIDGE_PREFIX + cluster
    return name if len(name) <= 15 else BRIDGE_PREFIX + _hash(cluster)


def link_name(cluster: str, member: str) -> str:
    """The host's end of a member's veth."""
    return f"kbt{_hash(f'{cluster}/{member}')}"


def _hash(text: str) -> str:
    return hashlib.blake2s(text.encode(), digest_size=5).hexdigest()


def namespace(cluster: str, node: str = "") -> Path:
    """Where the namespace of the control plane, or of a node, is pinned: ``ip netns exec`` knows it."""
    return netns.NETNS_DIR / (f"kubette-{cluster}-{node}" if node else f"kubette-{cluster}")


@dataclass(frozen=True, slots=True)
class Topology:
    """Addresses of the one link that all share. ``members``: node name → IP; ``""`` is the control plane."""

    cluster: str
    subnet: str  # 172.29.K.0/24
    members: Mapping[str, str]
    unroutable: Sequence[str]  # pod and service CIDRs

    @property
    def host_ip(self) -> str:
        return str(ipaddress.ip_network(self.subnet)[1])


def used_networks() -> list[ipaddress.IPv4Network]:
    """What the host's routes and addresses cover, but for the default route and our own unreachable ones."""
    out = []
    with IPRoute() as ip:
        for route in ip.get_routes(family=2):
            if route["dst_len"] and route["proto"] != ROUTE_PROTOCOL:
                out.append(ipaddress.IPv4Network((route.get_attr("RTA_DST"), route["dst_len"]), strict=False))
    return out


def holder(subnet: str, bridge: str) -> str:
    """Who on this host has a route into ``subnet``, but for ``bridge``; empty when nobody has."""
    wanted = ipaddress.IPv4Network(subnet)
    with IPRoute() as ip:
        own = ip.link_lookup(ifname=bridge)
        for route in ip.get_routes(family=2):
            if not route["dst_len"] or route["proto"] == ROUTE_PROTOCOL or route.get_attr("RTA_OIF") in own:
                continue
            network = ipaddress.IPv4Network((route.get_attr("RTA_DST"), route["dst_len"]), strict=False)
            if network.overlaps(wanted):
                links = ip.get_links(route.get_attr("RTA_OIF")) if route.get_attr("RTA_OIF") else ()
                by = "".join(f" ({link.get_attr('IFLA_IFNAME')})" for link in links)
                return f"{network}{by}"
    return ""


def members_left(cluster: str) -> list[str] | None:
    """The nodes whose namespaces are there, by name alone; None when there is no trace of the cluster's network."""
    pattern = re.compile(rf"kubette-{re.escape(cluster)}(?:-(node-\d+))?").fullmatch
    found = [match for path in netns.NETNS_DIR.glob("kubette-*") if (match := pattern(path.name))]
    with IPRoute() as ip:
        bridge = ip.link_lookup(ifname=bridge_name(cluster))
    return [match[1] for match in found if match[1]] if found or bridge else None


def free_subnet(taken: Iterable[str], pool: str = POOL) -> str:
    """The first /24 of ``pool`` that overlaps nothing that the host knows and nothing in ``taken``."""
    busy = [*used_networks(), *(ipaddress.IPv4Network(t) for t in taken)]
    for candidate in ipaddress.IPv4Network(pool).subnets(new_prefix=24):
        if not any(candidate.overlaps(network) for network in busy):
            return str(candidate)
    raise OSError(f"no free /24 is left in {pool} for the cluster's nodes")


def build(topology: Topology) -> None:
    """Make all of it, or what is missing of it. OSError when the kernel refuses."""
    try:
        _build(topology)
    except NetlinkError as error:
        raise OSError(error.code, f"the network of cluster {topology.cluster}: {error}") from error


def _build(topology: Topology) -> None:
    cluster = topology.cluster
    prefix = ipaddress.ip_network(topology.subnet).prefixlen
    bridge = bridge_name(cluster)
    with IPRoute() as ip:
        if not ip.link_lookup(ifname=bridge):
            ip.link("add", ifname=bridge, kind="bridge")
        index = ip.link_lookup(ifname=bridge)[0]
        _sysctl(f"net/ipv6/conf/{bridge}/disable_ipv6", "1")
        ip.addr("replace", index=index, address=topology.host_ip, prefixlen=prefix)
        ip.link("set", index=index, state="up")
        for member in topology.members:
            _member(ip, topology, member, index)
        # While the bridge is there, its own route comes first; without it nothing for a node goes astray.
        ip.route("replace", dst=topology.subnet, type=UNREACHABLE, proto=ROUTE_PROTOCOL, priority=_LAST)
        for cidr in topology.unroutable:
            if not any(ipaddress.ip_network(cidr).overlaps(network) for network in used_networks()):
                ip.route("replace", dst=cidr, type=UNREACHABLE, proto=ROUTE_PROTOCOL)
    hostnft.build(cluster, bridge, topology.subnet, topology.unroutable)
    _sysctl("net/ipv4/ip_forward", "1")


def _member(ip: Any, topology: Topology, member: str, bridge: int) -> None:
    path = namespace(topology.cluster, member)
    if not netns.pinned(path):
        netns.remove(path)  # an empty file that a lost mount left
        netns.create(path)
    name = link_name(topology.cluster, member)
    if not ip.link_lookup(ifname=name):
        with path.open("rb") as pinned:
            ip.link("add", ifname=name, kind="veth", peer={"ifname": LINK, "net_ns_fd": pinned.fileno()})
    index = ip.link_lookup(ifname=name)[0]
    ip.link("set", index=index, master=bridge, state="up")

    def inner() -> None:
        with IPRoute() as own:
            for link in (1, own.link_lookup(ifname=LINK)[0]):
                own.link("set", index=link, state="up")
        restore(topology.subnet, topology.members[member])
        _sysctl("net/ipv4/ip_forward", "1")
        # Replies of a service may come back by another way than the packet went; loose is enough here.
        _sysctl("net/ipv4/conf/all/rp_filter", "0")
        # "Port unreachable" to every client at once, not to one a second.
        _sysctl("net/ipv4/icmp_ratelimit", "0")
        _sysctl(f"net/ipv4/conf/{LINK}/arp_notify", "1")

    netns.inside(path, inner)


def restore(subnet: str, address: str) -> None:
    """Inside a member's namespace: its address and its way out; not the latter while its link is down."""
    network = ipaddress.ip_network(subnet)
    with IPRoute() as own:
        link = own.link_lookup(ifname=LINK)[0]
        own.addr("replace", index=link, address=address, prefixlen=network.prefixlen)
        try:
            own.route("replace", dst="0.0.0.0/0", gateway=str(network[1]))
        except NetlinkError as error:
            if error.code not in (errno.ENETDOWN, errno.ENETUNREACH):
                raise


def set_link(cluster: str, member: str, *, up: bool) -> None:
    """Plug or unplug a node's cable."""
    with IPRoute() as ip:
        for index in ip.link_lookup(ifname=link_name(cluster, member)):
            ip.link("set", index=index, state="up" if up else "down")


def remove(cluster: str, members: Iterable[str], unroutable: Sequence[str], kept: Collection[str] = ()) -> None:
    """Remove every trace; the unreachable routes with the last cluster's bridge. ``kept``: subnets of clusters that
    are stopped, for whose nodes clients may still ask: they are told at once, and nothing goes astray."""
    for member in members:
        netns.remove(namespace(cluster, member))
    with IPRoute() as ip:
        names = [bridge_name(cluster), *(link_name(cluster, m) for m in members)]
        for name in names:
            for index in ip.link_lookup(ifname=name):
                _ignoring(ip.link, "del", index=index)
        if not any(link.get_attr("IFLA_IFNAME").startswith(BRIDGE_PREFIX) for link in ip.get_links()):
            for cidr in unroutable:
                _ignoring(ip.route, "del", dst=cidr, type=UNREACHABLE, proto=ROUTE_PROTOCOL)
        _forget_subnets(ip, kept)
    hostnft.remove(cluster)


def remove_member(cluster: str, member: str) -> None:
    """Remove one node's namespace and link from a cluster that goes on."""
    netns.remove(namespace(cluster, member))
    with IPRoute() as ip:
        for index in ip.link_lookup(ifname=link_name(cluster, member)):
            _ignoring(ip.link, "del", index=index)


def _forget_subnets(ip: Any, kept: Collection[str]) -> None:
    """Remove the unreachable routes of subnets that no bridge has: whose they were is known by nothing else."""
    pool = ipaddress.IPv4Network(POOL)
    bridges = {link["index"] for link in ip.get_links() if link.get_attr("IFLA_IFNAME").startswith(BRIDGE_PREFIX)}
    held = {ipaddress.IPv4Address(a.get_attr("IFA_ADDRESS")) for a in ip.get_addr(family=2) if a["index"] in bridges}
    for route in ip.get_routes(family=2):
        if route["proto"] != ROUTE_PROTOCOL or route["type"] != UNREACHABLE:
            continue
        network = ipaddress.IPv4Network((route.get_attr("RTA_DST"), route["dst_len"]))
        if str(network) not in kept and network.subnet_of(pool) and not any(address in network for address in held):
            _ignoring(ip.route, "del", dst=str(network), type=UNREACHABLE, proto=ROUTE_PROTOCOL, priority=_LAST)


def _ignoring(call: Any, *args: Any, **kwargs: Any) -> None:
    """What is gone already is as good as removed."""
    try:
        call(*args, **kwargs)
    except NetlinkError as error:
        if error.code not in (2, 3, 19):  # ENOENT, ESRCH, ENODEV
            raise


def _sysctl(name: str, value: str) -> None:
    path = Path("/proc/sys") / name
    if path.exists() and path.read_text().strip() != value:
        path.write_text(value)
