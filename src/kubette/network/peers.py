"""Routes to the pods of the other nodes: one per node, by way of its address on the link that all share.

Used by every node and by the control plane, which must reach pods to proxy to them. Level-triggered:
``apply`` takes what should be and makes the kernel so; routes are marked as ours, others are left alone.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

ROUTE_PROTOCOL = 76  # marks our routes in a node (ip route: "proto 76")


def apply(wanted: Mapping[str, str]) -> None:
    """``wanted``: pod CIDR → next hop, in the network namespace of the calling thread.

    OSError when a route could not be made, for example because its next hop cannot be reached now; all others are."""
    failed: list[str] = []
    with IPRoute() as ip:
        held = {
            f"{r.get_attr('RTA_DST')}/{r['dst_len']}": r.get_attr("RTA_GATEWAY")
            for r in ip.get_routes(family=socket.AF_INET, proto=ROUTE_PROTOCOL)
            if r["proto"] == ROUTE_PROTOCOL
        }
        changes = [("del", cidr, held[cidr]) for cidr in held.keys() - wanted.keys()]
        changes += [("replace", cidr, gateway) for cidr, gateway in wanted.items() if held.get(cidr) != gateway]
        for verb, cidr, gateway in changes:
            try:
                ip.route(verb, dst=cidr, gateway=gateway, proto=ROUTE_PROTOCOL)
            except NetlinkError as error:
                if (verb, error.code) != ("del", errno.ESRCH):
                    failed.append(f"{cidr} via {gateway}: {error}")
    if failed:
        raise OSError("; ".join(failed))
