"""Load-balancer addresses on the nodes' own link: one node answers for each, another when it has gone.

Every node decides alone, from the same facts, by rendezvous hashing (the highest hash of node and address
wins), so that a node that goes moves only its own addresses. The winner holds the address on its link: the
kernel answers ARP, and a gratuitous ARP (RFC 5227) announces to the neighbours that it has moved.
"""

from __future__ import annotations

import errno
import hashlib
import socket
import struct
from collections.abc import Collection, Iterable

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

_ETH_P_ARP = 0x0806


def announcer(address: str, nodes: Iterable[str]) -> str | None:
    """The node of ``nodes`` that answers for ``address``; None when there is no node."""
    return max(nodes, key=lambda node: hashlib.blake2s(f"{node}/{address}".encode()).digest(), default=None)


def apply(link: str, wanted: Collection[str], pool: Collection[str] | None, own: Collection[str]) -> list[str]:
    """Hold exactly ``wanted`` on ``link``, beside the node's ``own`` addresses; returns those newly taken.

    In the network namespace of the calling thread. ``pool`` None: every other /32 on the link is ours. OSError when one
    address could not be taken or given up; all others are."""
    failed: list[str] = []
    taken: list[str] = []
    with IPRoute() as ip:
        (index,) = ip.link_lookup(ifname=link) or (0,)
        if not index:
            raise OSError(errno.ENODEV, f"there is no link {link}")
        held = {
            a.get_attr("IFA_ADDRESS")
            for a in ip.get_addr(family=2, index=index)
            if a["prefixlen"] == 32 and a.get_attr("IFA_ADDRESS") not in own
        }
        changes = [("del", a) for a in held - set(wanted) if pool is None or a in pool]
        changes += [("replace", a) for a in wanted if a not in held]
        for verb, address in changes:
            try:
                ip.addr(verb, index=index, address=address, prefixlen=32)
            except NetlinkError as error:
                failed.append(f"{address} on {link}: {error}")
            else:
                taken += [address] if verb == "replace" else []
    for address in taken:
        try:
            gratuitous_arp(link, address)
        except OSError as error:
            if error.errno != errno.ENETDOWN:  # else the kernel announces it when the link is back (arp_notify)
                failed.append(f"announce {address}: {error}")
    if failed:
        raise OSError("; ".join(failed))
    return taken


def gratuitous_arp(link: str, address: str) -> None:
    """Announce that ``address`` is here now, by an ARP request and a reply for ourselves: some hosts read only one."""
    ip = socket.inet_aton(address)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.htons(_ETH_P_ARP)) as sock:
        sock.bind((link, _ETH_P_ARP))
        mac = sock.getsockname()[4]
        ethernet = b"\xff" * 6 + mac + struct.pack("!H", _ETH_P_ARP)
        for operation, target in ((1, b"\0" * 6), (2, mac)):
            sock.send(ethernet + struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + ip + target + ip)
