"""Load-balancer addresses on the nodes' own link: one node answers for each, another when it has gone.

Every node decides alone, from the same facts, by rendezvous hashing (the highest hash of node and address
wins), so that a node that goes moves only its own addresses. The winner holds the address on its link: the
kernel answers ARP, and a gratuitous ARP (RFC 5227) tells the neighbours that it has moved.
"""

from __future__ import annotations

import errno
import hashlib
import socket
import struct
from collections.abc import Collection, Iterable

from pyroute2 import IPRoute

_ETH_P_ARP = 0x0806


def announcer(address: str, nodes: Iterable[str]) -> str | None:
    """The node of ``nodes`` that answers for ``address``; None when there is no node."""
    return max(nodes, key=lambda node: hashlib.blake2s(f"{node}/{address}".encode()).digest(), default=None)


def apply(link: str, wanted: Collection[str], pool: Collection[str] | None, own: Collection[str]) -> list[str]:
    """Hold exactly ``wanted`` on ``link``, beside the node's ``own`` addresses; returns those newly taken.

    In the network namespace of the calling thread. ``pool`` None: every other /32 on the link is ours."""
    with IPRoute() as ip:
        index = ip.link_lookup(ifname=link)[0]
        held = {
            a.get_attr("IFA_ADDRESS")
            for a in ip.get_addr(family=2, index=index)
            if a["prefixlen"] == 32 and a.get_attr("IFA_ADDRESS") not in own
        }
        for address in held - set(wanted):
            if pool is None or address in pool:
                ip.addr("del", index=index, address=address, prefixlen=32)
        taken = [address for address in wanted if address not in held]
        for address in taken:
            ip.addr("replace", index=index, address=address, prefixlen=32)
    for address in taken:
        try:
            gratuitous_arp(link, address)
        except OSError as error:
            if error.errno != errno.ENETDOWN:  # then it is told when the link is back (arp_notify)
                raise
    return taken


def gratuitous_arp(link: str, address: str) -> None:
    """Announce ``address`` on the link: a gratuitous ARP request and reply, since some hosts accept only one."""
    ip = socket.inet_aton(address)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.htons(_ETH_P_ARP)) as sock:
        sock.bind((link, _ETH_P_ARP))
        mac = sock.getsockname()[4]
        ethernet = b"\xff" * 6 + mac + struct.pack("!H", _ETH_P_ARP)
        for operation, target in ((1, b"\0" * 6), (2, mac)):
            sock.send(ethernet + struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + ip + target + ip)
