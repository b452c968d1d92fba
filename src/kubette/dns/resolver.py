"""From a query message to its answer. The UDP server looks among the ``ready`` answers first. No sockets here."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from typing import Any, Protocol

from kubette.dns import wire
from kubette.dns.ready import ReadyAnswers, is_plain
from kubette.dns.zone import Answer, Zone

_ORDERS = 8  # of the records of one answer
_CHAIN = 8  # CNAMEs


class Upstream(Protocol):
    """Resolves the names outside the cluster."""

    def resolve(self, query: wire.Query, *, tcp: bool) -> Coroutine[Any, Any, bytes]:
        """A whole message for the client: its ID, its question."""

    async def follow(self, name: bytes, type_: int) -> tuple[int, tuple[bytes, ...]]:
        """(rcode, records with their owners) for the end of a CNAME chain."""


class Resolver:
    """Answers messages from a zone, else from upstream."""

    def __init__(self, zone: Zone, upstream: Upstream | None) -> None:
        self.ready = ReadyAnswers()
        self.rcodes = [0] * 32  # answers that were made, by rcode
        self._zone = zone
        self._upstream = upstream

    def answer(self, data: bytes, *, tcp: bool) -> bytes | Coroutine[Any, Any, bytes] | None:
        """The answer; a coroutine for it when other servers must be asked; None for no answer."""
        try:
            query = wire.parse(data)
        except wire.FormatError:
            return self._count(wire.error(data, wire.FORMERR))
        if query.flags & wire.QR:
            return None
        limit = wire.TCP_SIZE if tcp else query.limit
        if refusal := _refusal(query):
            return self._count(wire.response(query, refusal, authoritative=False, limit=limit))
        found = self._zone.answer(query.name, query.type)
        if found is None:
            if self._upstream is None:
                return self._count(wire.response(query, wire.REFUSED, authoritative=False, limit=limit))
            return self._upstream.resolve(query, tcp=tcp)
        if not self._zone.ready:  # a client would believe an NXDOMAIN
            return self._count(wire.response(query, wire.SERVFAIL, authoritative=False, limit=limit))
        if found.cname:
            return self._chase(query, found, limit)
        rows = found.answers
        out = wire.response(query, found.rcode, rows, found.authority, found.additional, limit=limit)
        if not tcp and is_plain(data, query):
            self._keep(data, query, found, out, limit)
        return self._count(out)

    def _keep(self, data: bytes, query: wire.Query, found: Answer, out: bytes, limit: int) -> None:
        ready: bytes | deque[bytes] = out[2:]
        rows = found.answers
        if len(rows) > 1:
            orders = min(len(rows), _ORDERS)
            ready = deque()
            for i in range(orders):
                at = i * len(rows) // orders
                turned = rows[at:] + rows[:at]
                message = wire.response(query, found.rcode, turned, found.authority, found.additional, limit=limit)
                ready.append(message[2:])
        self.ready.put(data[2:], query.name, ready)

    async def _chase(self, query: wire.Query, found: Answer, limit: int) -> bytes:
        """An ExternalName: its CNAME, and what that leads to."""
        rows = list(found.answers)
        rcode, name = wire.NOERROR, found.cname
        seen = {query.name}
        while name:
            if name in seen or len(seen) > _CHAIN:
                rcode = wire.SERVFAIL
                break
            seen.add(name)
            own = self._zone.answer(name, query.type, owner=name)
            if own is None:
                if self._upstream is not None:
                    rcode, more = await self._upstream.follow(name, query.type)
                    rows += more
                break
            rows += own.answers
            rcode, name = own.rcode, own.cname
        out = wire.response(query, rcode, rows, limit=limit)
        self.rcodes[rcode & 31] += 1
        return out

    def _count(self, out: bytes | None) -> bytes | None:
        if out is not None:
            self.rcodes[out[3] & 15] += 1
        return out


def _refusal(query: wire.Query) -> int:
    """The rcode for a question that is refused; 0 for one that is answered."""
    if query.opcode:
        return wire.NOTIMP
    if query.edns is not None and query.edns.version:
        return wire.BADVERS
    if query.klass != wire.IN or query.type in (wire.AXFR, wire.IXFR):
        return wire.REFUSED
    return 0
