"""Tells when routes or addresses were taken away, so that whoever put them there can put them back.

The kernel names a deleted route, but not those that fall with a link or an address, so these count as well. What is
told is that something may be missing, never what. rtnetlink(7), without a library: every agent holds this.
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
    """Listens in the network namespace in which it was made. ``links``: whose changes count; None: everyone's."""

    def __init__(self, links: Collection[str] | None = None) -> None:
        self._links = None if links is None else {socket.if_nametoindex(name) for name in links}
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._sock.bind((0, 0))  # without a port of its own it would hear nothing
        self._sock.setblocking(False)
        for group in (_LINK, _IPV4_ADDR, _IPV4_ROUTE, _IPV6_ADDR, _IPV6_ROUTE):
            self._sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

    def fileno(self) -> int:
        """For the event loop: readable when there is something to ``heed``."""
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def heed(self) -> bool:
        """Read what waits; whether something of ours may be missing now."""
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
