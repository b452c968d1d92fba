"""The kernel: one NETLINK_NETFILTER socket that commits transactions and hears of other people's changes.

The same socket does both on purpose: the kernel leaves the sender out of a notification, so whatever is
heard here was done by somebody else. A commit is one system call; the answer is there when it returns.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Iterator

from kubette.nft import codec
from kubette.nft.errors import NftError, Rejected, classify
from kubette.nft.expr import Family
from kubette.nft.transaction import Transaction
from kubette.nft.types import Elements, Set

NETLINK_NETFILTER = 12
_SOL_NETLINK, _ADD_MEMBERSHIP, _DROP_MEMBERSHIP, _CAP_ACK = 270, 1, 2, 10
_GROUP_NFTABLES = 7
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_BIG = 10_000  # elements from which notifications about ourselves are worth switching off


def open_netlink() -> socket.socket:
    """A bound, non-blocking nfnetlink socket of the current network namespace."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    try:
        sock.bind((0, 0))
        sock.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        for option, plain, size in (
            (_SO_SNDBUFFORCE, socket.SO_SNDBUF, 256 << 20),
            (_SO_RCVBUFFORCE, socket.SO_RCVBUF, 4 << 20),
        ):
            try:
                sock.setsockopt(socket.SOL_SOCKET, option, size)
            except PermissionError:
                sock.setsockopt(socket.SOL_SOCKET, plain, size)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


class Kernel:
    """nftables of the network namespace in which it was made. Not for several threads at once."""

    def __init__(self) -> None:
        try:
            self._sock = open_netlink()
        except OSError as err:
            raise classify(err.errno or errno.EIO, "socket") from err
        self._port: int = self._sock.getsockname()[0]
        self._seq = int.from_bytes(os.urandom(3), "little") + 1
        self._subscribed = False
        self._foreign: deque[codec.Received] = deque()
        self._lost = False

    def close(self) -> None:
        """Close the socket; tables stay."""
        self._sock.close()

    def fileno(self) -> int:
        """For the event loop: readable when somebody else changed something."""
        return self._sock.fileno()

    def commit(self, tx: Transaction) -> None:
        """Apply a transaction whole, or raise NftError and leave everything as it was."""
        if not tx:
            return
        data, origin = codec.encode(tx, self._seq)
        last = self._seq + len(origin)
        self._seq = last + 2
        muted = self._subscribed and tx.weight > _BIG
        before = self._mute() if muted else 0
        try:
            self._send(data)
            acknowledged = False
            failure: NftError | None = None
            for msg in self._receive():
                if msg.kind != codec.ERROR_KIND:
                    continue
                if msg.error and failure is None:
                    failure = classify(msg.error, origin.get(msg.seq))
                acknowledged |= msg.seq == last and not msg.error
        finally:
            if muted:
                self._unmute(before)
        if failure is not None:
            raise failure
        if not acknowledged and not self._lost:
            raise Rejected(errno.EPROTO, "no acknowledgement")

    def elements(self, family: Family, table: str, spec: Set) -> Elements:
        """The contents of a set, read back. For tests, tracing and doctors; never in the sync loop."""
        self._seq += 1
        self._send(codec.get_elements(family, table, spec.name, self._seq))
        out: Elements = {}
        done = False
        while not done:
            done = True
            for msg in self._receive():
                if msg.seq == self._seq and msg.kind in (codec.ERROR_KIND, codec.DONE_KIND):
                    if msg.error:
                        raise classify(msg.error, f"elements of {spec.name}")
                elif msg.seq == self._seq and msg.kind == codec.NEWSETELEM:
                    done = False
                    out.update(codec.decode_elements(msg.attrs, spec))
        return out

    def generation(self) -> int:
        """The ruleset's generation; every commit in the namespace adds one."""
        self._seq += 1
        self._send(codec.get_generation(self._seq))
        for msg in self._receive():
            if msg.seq == self._seq and msg.kind == codec.NEWGEN:
                return int.from_bytes(msg.attrs[1], "big")
        raise Rejected(errno.EPROTO, "generation")

    def subscribe(self) -> None:
        """Hear of changes by others from now on."""
        self._sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
        self._subscribed = True

    def foreign(self) -> set[tuple[int, str]] | None:
        """Tables (family, name) that others touched since the last call; None: notifications were lost."""
        for _ in self._receive():
            pass
        touched = {(m.family, _table_of(m)) for m in self._foreign if m.kind not in (codec.NEWGEN,)}
        self._foreign.clear()
        lost, self._lost = self._lost, False
        return None if lost else touched

    def noticed(self) -> bool:
        """Whether ``foreign`` would tell something that the socket will not announce."""
        return bool(self._foreign) or self._lost

    def _mute(self) -> int:
        self._sock.setsockopt(_SOL_NETLINK, _DROP_MEMBERSHIP, _GROUP_NFTABLES)
        return self.generation()

    def _unmute(self, before: int) -> None:
        self._sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
        if self.generation() - before > 1:
            self._lost = True

    def _send(self, data: bytes) -> None:
        try:
            self._sock.send(data)
        except OSError as err:
            raise classify(err.errno or errno.EIO, "send") from err

    def _receive(self) -> Iterator[codec.Received]:
        """What waits in the socket: answers are yielded, notifications (sent to the group) kept aside."""
        while True:
            try:
                data, _ = self._sock.recvfrom(1 << 17)
            except BlockingIOError:
                return
            except OSError as err:
                if err.errno == errno.ENOBUFS:
                    self._lost = True
                    continue
                raise classify(err.errno or errno.EIO, "receive") from err
            for msg in codec.decode(data):
                if msg.kind >= 0 and msg.port != self._port:
                    self._foreign.append(msg)
                else:
                    yield msg


def _table_of(msg: codec.Received) -> str:
    return msg.attrs.get(1, b"").rstrip(b"\0").decode(errors="replace")
