"""Names outside the cluster: asked of recursive servers, cached by TTL in a bounded number of bytes.

Messages are passed on unchanged but for ID, question and TTLs. The server is asked with EDNS for a client with EDNS,
and over TCP for a client over TCP, so that nothing needs to be taken out of an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from kubette.dns import wire

log = logging.getLogger(__name__)

Server: TypeAlias = tuple[str, int]  # address, port
_Key: TypeAlias = tuple[bytes, int, bool, bool, bool]  # name, type, EDNS, DO, CD

_CACHE_BYTES = 8 << 20
_LONGEST_CACHED = 8192  # bytes of one answer
_ENTRY_OVERHEAD = 512  # bytes of Python's own objects for one answer
_IN_FLIGHT = 1024  # questions
_ASK_ANOTHER = (wire.SERVFAIL, wire.NOTIMP, wire.REFUSED)


def servers_of(resolv_conf: Path, *, listening_on_53: bool) -> tuple[Server, ...]:
    """The file's name servers; loopback ones are left out where they would be this server itself."""
    out: list[Server] = []
    try:
        lines = resolv_conf.read_text().splitlines()
    except OSError as error:
        log.warning("%s: %s; other names will be refused", resolv_conf, error.strerror)
        return ()
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            if listening_on_53 and (words[1].startswith("127.") or words[1] in ("::1", "0.0.0.0", "::")):
                log.warning("%s names this server itself (%s): left out", resolv_conf, words[1])
                continue
            out.append((words[1], 53))
    return tuple(dict.fromkeys(out))


@dataclass(slots=True)
class _Cached:
    data: bytes
    ttls: tuple[tuple[int, int], ...]  # (offset, seconds)
    stored: float
    expires: float


def _size(key: _Key, entry: _Cached) -> int:
    return _ENTRY_OVERHEAD + len(key[0]) + len(entry.data) + 128 * len(entry.ttls)


class Forwarder:
    """Asks ``servers`` in order; one that fails comes last from then on."""

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        timeout: float = 2.0,
        max_ttl: int = 30,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.asked = self.cached = self.failed = 0
        self._servers = list(servers)
        self._timeout = timeout
        self._max_ttl = max_ttl
        self._clock = clock
        self._cache: OrderedDict[_Key, _Cached] = OrderedDict()
        self._cache_size = 0  # bytes
        self._asking: dict[tuple[_Key, bool], asyncio.Task[bytes | None]] = {}

    async def resolve(self, query: wire.Query, *, tcp: bool) -> bytes:
        """The message for the client; SERVFAIL when no server answers in time."""
        found = await self._fetch(query, tcp)
        limit = wire.TCP_SIZE if tcp else query.limit
        if found is None:
            return wire.response(query, wire.SERVFAIL, authoritative=False, limit=limit)
        end = 12 + len(query.question)
        out = query.id.to_bytes(2, "big") + found[2:12] + query.question + found[end:]
        return out if len(out) <= limit else wire.truncated(out, end)

    async def follow(self, name: bytes, type_: int) -> tuple[int, tuple[bytes, ...]]:
        """(rcode, records) of a name, each record whole in itself; (SERVFAIL, ()) when no server answers."""
        question = name + type_.to_bytes(2, "big") + b"\0\1"
        query = wire.Query(0, wire.RD, question, name, type_, wire.IN, wire.Edns(wire.OUR_UDP_SIZE, 0, False))
        found = await self._fetch(query, False)
        if found is not None and found[2] & 2:
            found = await self._fetch(query, True)
        if found is None:
            return wire.SERVFAIL, ()
        return _unpacked(found)

    async def close(self) -> None:
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, query: wire.Query, tcp: bool) -> bytes | None:
        edns = query.edns
        key = (query.name, query.type, edns is not None, edns is not None and edns.do, bool(query.flags & wire.CD))
        if (hit := self._cached(key)) is not None:
            return hit
        task = self._asking.get((key, tcp))
        if task is None:
            if len(self._asking) >= _IN_FLIGHT:
                self.failed += 1
                return None
            task = asyncio.get_running_loop().create_task(self._ask_all(query, key, tcp), name="dns-upstream")
            self._asking[key, tcp] = task
            task.add_done_callback(lambda _: self._asking.pop((key, tcp), None))
        return await asyncio.shield(task)

    def _cached(self, key: _Key) -> bytes | None:
        entry = self._cache.get(key)
        if entry is None:
            return None
        now = self._clock()
        if now >= entry.expires:
            self._drop(key)
            return None
        self._cache.move_to_end(key)
        self.cached += 1
        age = int(now - entry.stored)
        if not age:
            return entry.data
        out = bytearray(entry.data)
        for at, ttl in entry.ttls:
            out[at : at + 4] = max(0, ttl - age).to_bytes(4, "big")
        return bytes(out)

    def _keep(self, key: _Key, data: bytes, end: int) -> None:
        """Cache an answer, unless it is very long, truncated, without a TTL, or an error."""
        if len(data) > _LONGEST_CACHED or data[2] & 2 or data[3] & 15 not in (wire.NOERROR, wire.NXDOMAIN):
            return
        counts = [int.from_bytes(data[i : i + 2], "big") for i in (6, 8, 10)]
        rows = [r for r in wire.records(data, end, sum(counts)) if r.type != wire.OPT]
        life = min((r.ttl for r in rows), default=0)
        if not counts[0] or data[3] & 15:  # negative: RFC 2308
            minimum = [int.from_bytes(data[r.end - 4 : r.end], "big") for r in rows if r.type == wire.SOA]
            life = min([life, *minimum]) if minimum else 0
        life = min(life, self._max_ttl)
        if life > 0:
            now = self._clock()
            self._drop(key)
            entry = _Cached(data, tuple((r.ttl_at, r.ttl) for r in rows), now, now + life)
            self._cache[key] = entry
            self._cache_size += _size(key, entry)
            while self._cache_size > _CACHE_BYTES:
                self._drop(next(iter(self._cache)))

    def _drop(self, key: _Key) -> None:
        if (entry := self._cache.pop(key, None)) is not None:
            self._cache_size -= _size(key, entry)

    async def _ask_all(self, query: wire.Query, key: _Key, tcp: bool) -> bytes | None:
        self.asked += 1
        last: bytes | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * self._timeout):
                for server in list(self._servers):
                    try:
                        async with asyncio.timeout(self._timeout):
                            data = await self._exchange(server, query, tcp)
                    except (OSError, TimeoutError, EOFError, wire.FormatError) as error:
                        log.debug("%s: %s", server[0], error or type(error).__name__)
                        self._demote(server)
                        continue
                    last = data
                    if data[3] & 15 not in _ASK_ANOTHER:
                        break
                    self._demote(server)
        if last is None:
            self.failed += 1
            return None
        try:
            self._keep(key, last, 12 + len(query.question))
        except wire.FormatError:
            return None
        return last

    async def _exchange(self, server: Server, query: wire.Query, tcp: bool) -> bytes:
        try:
            return await _exchange(server, query, tcp)
        except (OSError, EOFError):
            if not tcp:
                raise
        data = await _exchange(server, query, False)  # a server with UDP only: accept an answer that is whole
        if data[2] & 2:
            raise EOFError("the answer is cut off, and TCP is refused")
        return data

    def _demote(self, server: Server) -> None:
        self._servers.remove(server)
        self._servers.append(server)


async def _exchange(server: Server, query: wire.Query, tcp: bool) -> bytes:
    """One question to one server, over a port and with an unpredictable ID."""
    edns = query.edns
    id_ = int.from_bytes(os.urandom(2), "big")
    message = wire.query(
        id_,
        query.question,
        edns=edns is not None,
        do=edns is not None and edns.do,
        cd=bool(query.flags & wire.CD),
    )
    if tcp:
        reader, writer = await asyncio.open_connection(*server)
        try:
            writer.write(len(message).to_bytes(2, "big") + message)
            data = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        finally:
            writer.close()
        if not _belongs(data, message, len(query.question)):
            raise wire.FormatError("the answer is to another question")
        return data
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _Datagrams(message, len(query.question)), remote_addr=server
    )
    try:
        transport.sendto(message)
        return await protocol.answer
    finally:
        transport.close()


class _Datagrams(asyncio.DatagramProtocol):
    """Waits for the datagram that answers ``message``; others are ignored."""

    def __init__(self, message: bytes, question: int) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._message = message
        self._question = question

    def datagram_received(self, data: bytes, _addr: object) -> None:
        if not self.answer.done() and _belongs(data, self._message, self._question):
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


def _belongs(data: bytes, asked: bytes, question: int) -> bool:
    end = 12 + question
    return (
        len(data) >= end
        and data[:2] == asked[:2]
        and data[2] & 0x80 != 0
        and data[4:6] == b"\0\1"
        and data[12:end].lower() == asked[12:end].lower()
    )


def _unpacked(data: bytes) -> tuple[int, tuple[bytes, ...]]:
    """The answer section with every name written out. dnspython costs 6 MB: only ExternalNames load it."""
    import dns.exception
    import dns.message

    try:
        message = dns.message.from_wire(data)
        rows = tuple(
            wire.record(rrset.name.to_wire() or b"", rrset.rdtype, rrset.ttl, rdata.to_wire() or b"")
            for rrset in message.answer
            for rdata in rrset
        )
    except (dns.exception.DNSException, ValueError):
        return wire.SERVFAIL, ()
    return int(message.rcode()), rows
