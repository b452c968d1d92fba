"""Routes of the service CIDRs to the node itself.

Routing comes before the OUTPUT hook, so a process of the node needs a route to a ClusterIP before nftables rewrites it.
``dev lo`` with the node's address as source gives one that never leads out; what stays unrewritten is refused by the
guard chains. Written as rtnetlink messages (rtnetlink(7)): two are not worth a library's memory in every agent.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from kubette.nft.expr import Family
from kubette.nft.nla import nla
from kubette.nft.types import family_of, network, packed_ip

_NEWROUTE, _DELROUTE = 24, 25
_REQUEST_ACK, _CREATE_REPLACE = 0x1 | 0x4, 0x400 | 0x100
_TABLE_MAIN, _PROTO_STATIC, _SCOPE_LINK, _UNICAST = 254, 4, 253, 1
_DST, _OIF, _PREFSRC = 1, 4, 7


def _request(kind: int, flags: int, cidr: str, source: str) -> None:
    family = family_of(cidr)
    net, mask = network(cidr)
    bits = int.from_bytes(mask, "big").bit_count()
    af = socket.AF_INET if family is Family.IPV4 else socket.AF_INET6
    body = struct.pack("=BBBBBBBBI", af, bits, 0, 0, _TABLE_MAIN, _PROTO_STATIC, _SCOPE_LINK, _UNICAST, 0)
    lo = struct.pack("=I", socket.if_nametoindex("lo"))
    body += nla(_DST, net) + nla(_OIF, lo) + nla(_PREFSRC, packed_ip(source))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
        sock.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        number = -struct.unpack_from("=i", sock.recv(65536), 16)[0]
    if number:
        raise OSError(number, f"route {cidr} dev lo src {source}: {os.strerror(number)}")


def add(cidr: str, source: str) -> None:
    """Route a service CIDR to the node, or make the route so. OSError when ``lo`` is down or ``source`` not ours."""
    _request(_NEWROUTE, _REQUEST_ACK | _CREATE_REPLACE, cidr, source)


def remove(cidr: str, source: str) -> None:
    """Remove the route; no error when there is none."""
    try:
        _request(_DELROUTE, _REQUEST_ACK, cidr, source)
    except OSError as err:
        if err.errno not in (errno.ESRCH, errno.ENODEV):
            raise
