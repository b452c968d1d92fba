"""Routes of the service CIDRs to the node itself.

Routing comes before the OUTPUT hook, so a process of the node needs a route to a ClusterIP before nftables rewrites it.
``dev lo`` with the node's address as source gives one that never leads out; what stays unrewritten is refused by the
guard chains.
"""

from __future__ import annotations

import errno
import socket

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from kubette.api.ip import Family, family_of

_RT_SCOPE_LINK = 253
_GONE = (errno.ESRCH, errno.ENODEV, errno.ENOENT)


def _route(verb: str, cidr: str, source: str) -> None:
    family = socket.AF_INET if family_of(cidr) is Family.IPV4 else socket.AF_INET6
    with IPRoute() as ip:
        (lo,) = ip.link_lookup(ifname="lo")
        ip.route(verb, family=family, dst=cidr, oif=lo, prefsrc=source, scope=_RT_SCOPE_LINK)


def add(cidr: str, source: str) -> None:
    """Route a service CIDR to the node, or make the route so. OSError when ``lo`` is down or ``source`` not ours.

    Blocks for some milliseconds, and not on a thread that runs an event loop: the library has one of its own."""
    try:
        _route("replace", cidr, source)
    except NetlinkError as error:
        raise OSError(error.code, f"route {cidr} dev lo src {source}: {error}") from error


def remove(cidr: str, source: str) -> None:
    """Remove the route; no error when there is none."""
    try:
        _route("del", cidr, source)
    except NetlinkError as error:
        if error.code not in _GONE:
            raise OSError(error.code, f"route {cidr} dev lo src {source}: {error}") from error
