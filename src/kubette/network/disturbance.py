"""Notices when links, addresses or routes were taken away, so that whoever configured them can do so again.

The kernel names a deleted route, but not those that fall with a link or an address, so these count as well. A
disturbance says that something may be missing, never what. rtnetlink(7), without a library: the event loop reads this
socket itself.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable

from kubette.nft.nla import parse

_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_LINK, _IPV4_ADDR, _IPV4_ROUTE, _IPV6_ADDR, _IPV6_ROUTE = 1, 5, 7, 9, 11  # RTNLGRP_…
_NEWLINK, _DELLINK, _DELADDR, _DELROUTE = 16, 17, 21, 25
_IFLA_IFNAME, _RTA_OIF = 3, 4
_IFF_UP, _NEW = 1, 0xFFFF_FFFF  # _NEW: as ifi_change, the link was just made


class Disturbance:
    """Listens in the network namespace in which it was made.

    ``matters(link)``: whether it counts that a link of that name, or what lies on it, went or went down. Routes without
    a link always count."""

    def __init__(self, matters: Callable[[str], bool] = lambda link: True) -> None:
        self._matters = matters
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._sock.bind((0, 0))  # without a port of its own it would hear nothing
        self._sock.setblocking(False)
        for group in (_LINK, _IPV4_ADDR, _IPV4_ROUTE, _IPV6_ADDR, _IPV6_ROUTE):
            self._sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        self._names = dict(socket.if_nameindex())  # the reader may be in another namespace

    def fileno(self) -> int:
        """For the event loop: readable when there is something to ``read``."""
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def read(self) -> bool:
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
            at = 0
            while at + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                found = self._counts(kind, data[at + 16 : at + length]) or found
                at += max(16, length + 3 & ~3)

    def _counts(self, kind: int, body: bytes) -> bool:
        if kind == _DELROUTE:
            link = parse(body[12:]).get(_RTA_OIF)
            return link is None or self._known(struct.unpack("=I", link)[0])
        if kind == _DELADDR:
            return self._known(struct.unpack_from("=I", body, 4)[0])
        if kind not in (_NEWLINK, _DELLINK):
            return False
        family, index, flags, change = struct.unpack_from("=BxxxiII", body)
        name = parse(body[16:]).get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
        if family == socket.AF_BRIDGE:  # a port came to its bridge, or left it
            return kind == _DELLINK and self._matters(name)
        if kind == _DELLINK:
            self._names.pop(index, None)
            return self._matters(name)
        renamed = self._names.get(index, name) != name
        self._names[index] = name
        return change != _NEW and (renamed or not flags & _IFF_UP or bool(change)) and self._matters(name)

    def _known(self, index: int) -> bool:
        """Whether the link counts; what lay on one that has gone went with it."""
        name = self._names.get(index)
        return name is not None and self._matters(name)
