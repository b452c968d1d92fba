"""Connection tracking over netlink: find and delete UDP flows that still go to where a Service no longer leads.

A TCP client notices that its backend is gone; a UDP client keeps sending, and the kernel keeps its flow's
translation as long as it does. So what changed is deleted here, and the next packet chooses anew. The kernel filters by
original destination (Linux 5.8), so the cost does not grow with our reading of the whole table.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kubette.nft import codec
from kubette.nft.errors import Missing, NftError, classify
from kubette.nft.expr import Family
from kubette.nft.nla import Attrs, nest, nla, parse
from kubette.nft.socket import open_netlink

_SUBSYS, _GET, _DELETE = 1, 1, 2
_TUPLE_ORIG, _TUPLE_REPLY, _FILTER = 1, 2, 25
_F_IP_DST, _F_PROTO, _F_DPORT = 1 << 1, 1 << 3, 1 << 5
_AF = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Tracked:
    """A tracked flow: where it was sent, and who answers (packed address, port)."""

    dst: tuple[bytes, int]
    answered_by: tuple[bytes, int]
    original: bytes  # the tuple as the kernel wrote it, for deletion


class Conntrack:
    """The connection tracking table of the network namespace in which it was made."""

    def __init__(self) -> None:
        self._sock = open_netlink()
        self._seq = int.from_bytes(os.urandom(3), "little") + 1

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def flows(self, family: Family, proto: int, address: bytes | None = None, port: int = 0) -> list[Tracked]:
        """Flows of a protocol, of those only the ones first sent to ``address`` and ``port`` when given."""
        # Kernels up to 6.18 at least compare IPv6 addresses the wrong way round: those are left to us.
        by_kernel = address if family is Family.IPV4 else None
        ip = nla(2, by_kernel) if by_kernel else b""
        l4 = nla(1, bytes((proto,))) + (nla(3, struct.pack(">H", port)) if port else b"")
        flags = _F_PROTO | (_F_IP_DST if by_kernel else 0) | (_F_DPORT if port else 0)
        body = nest(_TUPLE_ORIG, (nest(1, ip) if ip else b"") + nest(2, l4))
        body += nest(_FILTER, nla(1, struct.pack("=I", flags)) + nla(2, struct.pack("=I", 0)))
        out: list[Tracked] = []
        for msg in self._ask(_GET, codec.NLM_F_DUMP, family, body):
            flow = _flow(msg.attrs, proto)
            if flow is None or (address and flow.dst[0] != address) or (port and flow.dst[1] != port):
                continue  # what the kernel did not filter
            out.append(flow)
        return out

    def delete(self, family: Family, flow: Tracked) -> bool:
        """Delete a flow; False when it had gone by itself."""
        try:
            for _ in self._ask(_DELETE, codec.NLM_F_ACK, family, nest(_TUPLE_ORIG, flow.original)):
                pass
        except Missing:
            return False
        return True

    def _ask(self, kind: int, flags: int, family: Family, body: bytes) -> Iterator[codec.Received]:
        self._seq += 1
        try:
            self._sock.send(codec.message(kind, flags, self._seq, _AF[family], body, _SUBSYS))
        except OSError as err:
            raise classify(err.errno or errno.EIO, "conntrack") from err
        while True:
            try:
                data = self._sock.recv(1 << 18)
            except BlockingIOError:
                raise NftError(errno.EPROTO, "conntrack: no answer") from None
            except OSError as err:
                raise classify(err.errno or errno.EIO, "conntrack") from err
            for msg in codec.decode(data):
                if msg.seq != self._seq:
                    continue
                if msg.error:
                    raise classify(msg.error, "conntrack")
                if msg.kind < 0:
                    return
                yield msg


def _flow(attrs: Attrs, proto: int) -> Tracked | None:
    original, reply = attrs.get(_TUPLE_ORIG), attrs.get(_TUPLE_REPLY)
    if original is None or reply is None:
        return None
    there, back = _ends(original), _ends(reply)
    if there is None or back is None or there[2] != proto:
        return None
    return Tracked(there[1], back[0], original)


def _ends(data: bytes) -> tuple[tuple[bytes, int], tuple[bytes, int], int] | None:
    """Source, destination and protocol of a tuple."""
    parts = parse(data)
    ip, l4 = parse(parts.get(1, b"")), parse(parts.get(2, b""))
    src, dst = ip.get(1, ip.get(3)), ip.get(2, ip.get(4))
    if src is None or dst is None or not {1, 2, 3} <= l4.keys():
        return None
    return (src, int.from_bytes(l4[2], "big")), (dst, int.from_bytes(l4[3], "big")), l4[1][0]
