"""The DNS message format, as far as a server of small zones needs it: questions in, answers out, TTLs in place.

Pure. Names are wire bytes throughout, lower case where they are compared. Bytes that are not a message raise
``FormatError``. Sources: RFC 1035 (format), RFC 6891 (EDNS), RFC 2181 (truncation).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 255
AXFR, IXFR = 252, 251
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010

UDP_SIZE = 512  # what a client without EDNS takes
OUR_UDP_SIZE = 1232  # fits every link unfragmented
TCP_SIZE = 65535
QUESTION = b"\xc0\x0c"  # a pointer to the question's name

_HEADER = struct.Struct("!HHHHHH")
_RR = struct.Struct("!HHIH")


class FormatError(ValueError):
    """The bytes are not a DNS message."""


def name(text: str) -> bytes:
    """``a.b.`` or ``a.b`` → wire bytes, in lower case. ValueError when it cannot be a name."""
    labels = [label.encode("ascii") for label in text.lower().rstrip(".").split(".") if label or text.strip(".")]
    if any(not 0 < len(label) < 64 for label in labels):
        raise ValueError(f"{text!r} is no domain name")
    out = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(out) > 255:
        raise ValueError(f"{text!r} is longer than a domain name may be")
    return out


def labels(wire: bytes) -> list[bytes]:
    """The labels of an uncompressed name."""
    out, at = [], 0
    while wire[at]:
        out.append(wire[at + 1 : at + 1 + wire[at]])
        at += 1 + wire[at]
    return out


def suffixes(wire: bytes) -> Iterator[bytes]:
    """The name, its parent, and so on; not the root."""
    while wire[0]:
        yield wire
        wire = wire[1 + wire[0] :]


def text(wire: bytes) -> str:
    """For people: ``a.b.``."""
    return ".".join(label.decode("ascii", "replace") for label in labels(wire)) + "."


def record(owner: bytes, type_: int, ttl: int, rdata: bytes) -> bytes:
    """One resource record of class IN. ``owner``: wire name or ``QUESTION``."""
    return owner + _RR.pack(type_, IN, ttl, len(rdata)) + rdata


@dataclass(frozen=True, slots=True)
class Edns:
    """The client's OPT: its UDP payload size, EDNS version, and whether it wants DNSSEC records."""

    size: int
    version: int
    do: bool


@dataclass(frozen=True, slots=True)
class Query:
    """One question. ``question`` is its section as it was sent, ``name`` its name in lower case."""

    id: int
    flags: int
    question: bytes
    name: bytes
    type: int
    klass: int
    edns: Edns | None = None

    @property
    def opcode(self) -> int:
        return self.flags >> 11 & 15

    @property
    def limit(self) -> int:
        """The longest answer that its sender takes over UDP."""
        return UDP_SIZE if self.edns is None else min(max(self.edns.size, UDP_SIZE), OUR_UDP_SIZE)


def parse(data: bytes) -> Query:
    """A query message. FormatError for anything but one well-formed question."""
    if len(data) < 12:
        raise FormatError("shorter than a header")
    id_, flags, qd, an, ns, ar = _HEADER.unpack_from(data)
    if qd != 1:
        raise FormatError("not exactly one question")
    at = 12
    while True:
        if at >= len(data):
            raise FormatError("the question is cut off")
        length = data[at]
        at += 1 + length
        if length > 63 or at - 12 > 255:
            raise FormatError("the question's name is malformed")
        if not length:
            break
    if at + 4 > len(data):
        raise FormatError("the question is cut off")
    type_, klass = struct.unpack_from("!HH", data, at)
    edns = None
    for r in records(data, at + 4, an + ns + ar):
        if r.type == OPT:
            if edns is not None:
                raise FormatError("two OPT records")
            edns = Edns(r.klass, r.ttl >> 16 & 255, bool(r.ttl & 0x8000))
    return Query(id_, flags, data[12 : at + 4], data[12:at].lower(), type_, klass, edns)


@dataclass(frozen=True, slots=True)
class Located:
    """A record in a message: ``start`` of its owner, ``ttl_at`` of its TTL, ``rdata_at``, ``end``."""

    start: int
    type: int
    klass: int
    ttl: int
    ttl_at: int
    rdata_at: int
    end: int


def records(data: bytes, at: int, count: int) -> Iterator[Located]:
    """The ``count`` records from offset ``at`` on. FormatError when they are cut off."""
    for _ in range(count):
        start = at
        at = _skip_name(data, at)
        if at + 10 > len(data):
            raise FormatError("a record is cut off")
        type_, klass, ttl, length = _RR.unpack_from(data, at)
        end = at + 10 + length
        if end > len(data):
            raise FormatError("a record is cut off")
        yield Located(start, type_, klass, ttl, at + 4, at + 10, end)
        at = end


def _skip_name(data: bytes, at: int) -> int:
    while at < len(data):
        length = data[at]
        if length >= 0xC0:
            return at + 2
        if length > 63:
            break
        at += 1 + length
        if not length:
            return at
    raise FormatError("a name is cut off")


def query(id_: int, question: bytes, *, edns: bool, do: bool, cd: bool) -> bytes:
    """A question to a recursive server."""
    opt = _opt(0, do) if edns else b""
    return _HEADER.pack(id_, RD | (CD if cd else 0), 1, 0, 0, 1 if edns else 0) + question + opt


def response(
    query: Query,
    rcode: int,
    answers: Sequence[bytes] = (),
    authority: Sequence[bytes] = (),
    additional: Sequence[bytes] = (),
    *,
    authoritative: bool = True,
    limit: int = TCP_SIZE,
) -> bytes:
    """The answer, in at most ``limit`` bytes: records that do not fit are left out; TC is set when answers are."""
    opt = b"" if query.edns is None else _opt(rcode >> 4, query.edns.do)
    room = limit - 12 - len(query.question) - len(opt)
    flags = QR | RA | (query.flags & (RD | CD | 0x7800)) | (AA if authoritative else 0) | rcode & 15
    kept = _fitting(answers, room)
    if len(kept) < len(answers):
        flags |= TC
        authority = additional = ()
    room -= sum(map(len, kept))
    authority = _fitting(authority, room)
    additional = _fitting(additional, room - sum(map(len, authority)))
    counts = (len(kept), len(authority), len(additional) + bool(opt))
    head = _HEADER.pack(query.id, flags, 1, *counts)
    return b"".join((head, query.question, *kept, *authority, *additional, opt))


def error(data: bytes, rcode: int) -> bytes | None:
    """The answer to a malformed message; None when even the header is incomplete."""
    if len(data) < 12 or data[2] & 0x80:
        return None
    flags = QR | (int.from_bytes(data[2:4], "big") & (RD | 0x7800)) | rcode
    return data[:2] + _HEADER.pack(0, flags, 0, 0, 0, 0)[2:]


def truncated(data: bytes, end_of_question: int) -> bytes:
    """The message with TC and nothing but its question: its client asks again over TCP."""
    flags = int.from_bytes(data[2:4], "big") | TC
    return data[:2] + _HEADER.pack(0, flags, 1, 0, 0, 0)[2:] + data[12:end_of_question]


def _opt(extended_rcode: int, do: bool) -> bytes:
    return b"\0" + struct.pack("!HHBBHH", OPT, OUR_UDP_SIZE, extended_rcode, 0, 0x8000 if do else 0, 0)


def _fitting(rows: Iterable[bytes], room: int) -> list[bytes]:
    out = []
    for row in rows:
        room -= len(row)
        if room < 0:
            break
        out.append(row)
    return out
