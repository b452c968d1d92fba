"""Which addresses the server dials for a request: those of pods, nodes and endpoints lie in objects that users write.

An address of the server's own host or link would lend a user the server's place in the network, and to what listens
there only locally.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable

from kubette.api.errors import BadRequest

#: Whether the server may dial this address.
Rule = Callable[[str], bool]


def is_global_unicast(address: str) -> bool:
    """Whether the text is an address that is not loopback, link-local, unspecified, multicast or broadcast.

    Go's ``net.IP.IsGlobalUnicast``: private addresses are global."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        ip = ip.ipv4_mapped or ip
    special = ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast
    return not special and str(ip) != "255.255.255.255"


def checked(address: str, rule: Rule) -> str:
    """The address. Raises BadRequest for one that is never dialed."""
    if not rule(address):
        raise BadRequest("address not allowed")
    return address


async def resolve(host: str, rule: Rule) -> str:
    """An address of ``host``, a name or an address; all of its addresses must be allowed. Raises BadRequest.

    The caller dials what is returned, never the name: it may lead elsewhere by then."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as e:
        raise BadRequest(f"lookup {host}: {e}") from e
    return next(checked(str(sockaddr[0]), rule) for *_, sockaddr in found)
