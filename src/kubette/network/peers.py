"""Routes to the pods of the other nodes: one per node, by way of its address on the link that all share.

Used by every node and by the control plane, which must reach pods to proxy to them. Level-triggered:
``apply`` takes what should be and makes the kernel so; routes are marked as ours, others are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

ROUTE_PROTOCOL = 76  # marks our routes in a node (ip route: "proto 76")


def apply(wanted: Mapping[str, str]) -> None:
    """``wanted``: pod CIDR → next hop, in the network namespace of the calling thread.

    A next hop that cannot be reached now is left out; the next call tries again."""
    with IPRoute() as ip:
        held = {
            f"{r.get_attr('RTA_DST')}/{r['dst_len']}": r.get_attr("RTA_GATEWAY")
            for r in ip.get_routes(family=2, proto=ROUTE_PROTOCOL)
            if r["proto"] == ROUTE_PROTOCOL
        }
        for cidr in held.keys() - wanted.keys():
            _route(ip, "del", cidr, held[cidr])
        for cidr, gateway in wanted.items():
            if held.get(cidr) != gateway:
                _route(ip, "replace", cidr, gateway)


def _route(ip: IPRoute, verb: str, cidr: str, gateway: str) -> None:
    try:
        ip.route(verb, dst=cidr, gateway=gateway, proto=ROUTE_PROTOCOL)
    except NetlinkError as error:
        if error.code not in (3, 101):  # ESRCH: gone already; ENETUNREACH: the link is down
            raise
