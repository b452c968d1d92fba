"""Watches for routes and addresses that another program removes, so that their owner can restore them.

The kernel reports a deleted route, but not the routes that go with a link or an address, so changes of links and
addresses count as well. The answer is that something may be missing, never what. This reads rtnetlink(7) without a
library, because every agent holds one.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Collection

_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_LINK, _IPV4_ADDR, _IPV4_ROUTE, _IPV6_ADDR, _IPV6_ROUTE = 1, 5, 7, 9, 11  # RTNLGRP_…
_NEWLINK, _DELADDR, _DELROUTE = 16, 21, 25
_OF_A_LINK = (_NEWLINK, _DELADDR)  # their bodies have the link's index at offset 4


class Disturbance:
    """Listens in the network namespace in which it was made. ``links``: the links whose changes count; None: all."""

    def __init__(self, links: Collection[str] | None = None) -> None:
        self._links = None if links is None else {socket.if_nametoindex(name) for name in links}
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._sock.bind((0, 0))  # a socket without a port receives no multicast
        self._sock.setblocking(False)
        for group in (_LINK, _IPV4_ADDR, _IPV4_ROUTE, _IPV6_ADDR, _IPV6_ROUTE):
            self._sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

    def fileno(self) -> int:
        """For the event loop: readable when there is something to ``read``."""
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def read(self) -> bool:
        """Read all pending messages. True: a route or address may be missing now."""
        found = False
        while True:
            try:
                data = self._sock.recv(1 << 16)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                found = True  # so much that some of it was lost
                continue
            found = found or self._matters(data)

    def _matters(self, data: bytes) -> bool:
        at = 0
        while at + 24 <= len(data):
            length, kind = struct.unpack_from("=IH", data, at)
            if kind == _DELROUTE:
                return True
            if kind in _OF_A_LINK and (
                self._links is None or struct.unpack_from("=I", data, at + 20)[0] in self._links
            ):
                return True
            at += max(16, length + 3 & ~3)
        return False
