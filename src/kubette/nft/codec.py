"""Transactions as netlink bytes, and the few kernel messages that we read. Pure; the socket is elsewhere.

Numbers are those of ``linux/netfilter/nf_tables.h``. A batch is begin, messages, end, in one datagram: the kernel
applies it whole or not at all. Elements are packed by a prefix that is constant per set, which keeps 40,000 of
them cheap.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from kubette.nft import transaction as t
from kubette.nft.expr import Code, Family, Verdict
from kubette.nft.exprcodec import encode_rule
from kubette.nft.nla import Attrs, be32, be64, nest, nla, parse, text
from kubette.nft.types import Elements, Field, Set, Value

SUBSYS = 10
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLM_F_CREATE, NLM_F_APPEND = 0x400, 0x800
NLMSG_ERROR, NLMSG_DONE = 2, 3
BATCH_BEGIN, BATCH_END = 0x10, 0x11
NEWTABLE, DELTABLE, NEWCHAIN, DELCHAIN, NEWRULE = 0, 2, 3, 5, 6
NEWSET, DELSET, NEWSETELEM, GETSETELEM, DELSETELEM, NEWGEN, GETGEN = 9, 11, 12, 13, 14, 15, 16

_HEADER = struct.Struct("=IHHIIBBH")  # nlmsghdr, nfgenmsg
_ERROR = struct.Struct("=i")
_NLMSG = struct.Struct("=IHHII")
_LIST_BYTES = 60_000  # an attribute's length is 16 bits
_VERDICT_TYPE = 0xFFFFFF00
_DATA_BYTEORDER, _HOST_ENDIAN = 1, 1  # of nft's own user data


def message(kind: int, flags: int, seq: int, family: int, body: bytes, subsys: int = SUBSYS) -> bytes:
    """One nfnetlink message."""
    return _HEADER.pack(20 + len(body), subsys << 8 | kind, flags | NLM_F_REQUEST, seq, 0, family, 0, 0) + body


def _edge(kind: int, seq: int) -> bytes:
    return _HEADER.pack(20, kind, NLM_F_REQUEST, seq, 0, 0, 0, SUBSYS << 8)  # res_id is big-endian


def encode(tx: t.Transaction, seq: int) -> tuple[bytes, dict[int, t.Op]]:
    """The batch for a transaction and which operation each sequence number belongs to.

    Only the last operation asks for an acknowledgement; errors are reported for any.
    """
    parts = [_edge(BATCH_BEGIN, seq)]
    origin: dict[int, t.Op] = {}
    pending: tuple[int, int, bytes] | None = None
    number = seq
    for op in tx.ops:
        for kind, flags, body in _bodies(tx.table, op):
            if pending is not None:
                parts.append(message(pending[0], pending[1], number, tx.family, pending[2]))
            number += 1
            origin[number] = op
            pending = (kind, flags, body)
    if pending is not None:
        parts.append(message(pending[0], pending[1] | NLM_F_ACK, number, tx.family, pending[2]))
    parts.append(_edge(BATCH_END, number + 1))
    return b"".join(parts), origin


def _bodies(table: str, op: t.Op) -> Iterator[tuple[int, int, bytes]]:
    name = text(1, table)
    match op:
        case t.AddTable():
            yield NEWTABLE, NLM_F_CREATE, name
        case t.DelTable():
            yield DELTABLE, 0, name
        case t.AddChain(chain):
            body = name + text(3, chain.name)
            if chain.hook is not None:
                hook = be32(1, chain.hook) + nla(2, struct.pack(">i", chain.priority))
                body += nest(4, hook) + text(7, chain.kind)
            yield NEWCHAIN, NLM_F_CREATE, body
        case t.DelChain(chain_name):
            yield DELCHAIN, 0, name + text(3, chain_name)
        case t.AddRule(chain_name, rule):
            yield NEWRULE, NLM_F_CREATE | NLM_F_APPEND, name + text(2, chain_name) + nest(4, encode_rule(rule))
        case t.AddSet(spec):
            yield NEWSET, NLM_F_CREATE, name + _set_body(spec)
        case t.DelSet(set_name):
            yield DELSET, 0, name + text(2, set_name)
        case t.AddElements(spec, elements):
            head = name + text(2, spec.name)
            for chunk in _chunks(encode_elements(spec, elements)):
                yield NEWSETELEM, NLM_F_CREATE, head + nest(3, chunk)
        case t.DelElements(spec, keys):
            head = name + text(2, spec.name)
            for chunk in _chunks(_encode_keys(spec, keys)):
                yield DELSETELEM, 0, head + nest(3, chunk)


def _chunks(items: Iterable[bytes]) -> Iterator[bytes]:
    """Join, starting anew before an attribute would overflow."""
    held: list[bytes] = []
    size = 0
    for item in items:
        if size + len(item) > _LIST_BYTES:
            yield b"".join(held)
            held, size = [], 0
        held.append(item)
        size += len(item)
    if held:
        yield b"".join(held)


def _type_of(fields: tuple[Field, ...]) -> int:
    number = 0
    for f in fields:
        number = number << 6 | f
    return number


@lru_cache(maxsize=64)
def _set_id(name: str) -> int:
    return zlib.crc32(name.encode()) | 1  # any number, distinct within the batch


def _set_body(spec: Set) -> bytes:
    flags = 4 * spec.interval | 8 * bool(spec.data or spec.verdicts) | 0x10 * bool(spec.timeout_ms)
    flags |= 0x20 * spec.dynamic | 0x80 * (spec.interval and len(spec.key) > 1)
    body = text(2, spec.name) + be32(3, flags) + be32(4, _type_of(spec.key)) + be32(5, spec.key_size)
    if spec.verdicts:
        body += be32(6, _VERDICT_TYPE)
    elif spec.data:
        body += be32(6, _type_of(spec.data)) + be32(7, spec.data_size)
    desc = be32(1, spec.size) if spec.size else b""
    if spec.interval and len(spec.key) > 1:  # fields are described only where NFT_SET_CONCAT is set
        desc += nest(2, b"".join(nest(1, be32(1, f.size)) for f in spec.key))
    if desc:
        body += nest(9, desc)
    body += be32(10, _set_id(spec.name))
    if spec.data == (Field.MARK,):  # nft reads it as big-endian unless told
        body += nla(13, struct.pack("=BBI", _DATA_BYTEORDER, 4, _HOST_ENDIAN))
    if spec.timeout_ms:
        body += be64(11, spec.timeout_ms)
    return body


@lru_cache(maxsize=1024)
def _verdict_data(verdict: Verdict) -> bytes:
    body = nla(1, struct.pack(">i", verdict.code)) + (text(2, verdict.chain) if verdict.chain else b"")
    return nest(2, nest(2, body))


def encode_elements(spec: Set, elements: Elements) -> Iterator[bytes]:
    """Each element as a list entry."""
    size = spec.key_size
    if spec.interval:
        for key, value in elements.items():
            body = nest(1, nla(1, key[:size])) + nest(10, nla(1, key[size:]))
            yield nest(1, body + (_verdict_data(value) if isinstance(value, Verdict) else _plain(value)))
        return
    key_head = struct.pack("=HHHH", 8 + size, 0x8001, 4 + size, 1)
    if spec.verdicts:
        heads: dict[Value, tuple[bytes, bytes]] = {}
        for key, value in elements.items():
            known = heads.get(value)
            if known is None:
                assert isinstance(value, Verdict)
                data = _verdict_data(value)
                known = struct.pack("=HH", 4 + 8 + size + len(data), 0x8001) + key_head, data
                heads[value] = known
            yield known[0] + key + known[1]
    else:
        width = spec.data_size
        tail = struct.pack("=HHHH", 8 + width, 0x8002, 4 + width, 1) if width else b""
        head = struct.pack("=HH", 4 + 8 + size + (8 + width if width else 0), 0x8001) + key_head
        for key, value in elements.items():
            assert isinstance(value, bytes)
            yield head + key + tail + value


def _plain(value: bytes) -> bytes:
    return nest(2, nla(1, value)) if value else b""


def _encode_keys(spec: Set, keys: tuple[bytes, ...]) -> Iterator[bytes]:
    size = spec.key_size
    for key in keys:
        body = nest(1, nla(1, key[:size]))
        yield nest(1, body + nest(10, nla(1, key[size:])) if spec.interval else body)


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the kernel: ``kind`` is NFT_MSG_*, or -1 with ``error`` (0: acknowledged), or -2 at a
    dump's end."""

    kind: int
    seq: int
    family: int
    attrs: Attrs
    error: int = 0
    port: int = 0  # of the socket whose request caused it


ERROR_KIND, DONE_KIND = -1, -2


def decode(data: bytes) -> Iterator[Received]:
    """The messages of a datagram."""
    at = 0
    while at + 16 <= len(data):
        size, kind, _flags, seq, port = _NLMSG.unpack_from(data, at)
        if size < 16:
            return
        if kind in (NLMSG_ERROR, NLMSG_DONE):
            error = -_ERROR.unpack_from(data, at + 16)[0] if size >= 20 else 0
            yield Received(ERROR_KIND if kind == NLMSG_ERROR else DONE_KIND, seq, 0, {}, error, port)
        elif size >= 20:
            yield Received(kind & 0xFF, seq, data[at + 16], parse(data[at + 20 : at + size]), port=port)
        at += (size + 3) & ~3


def decode_elements(attrs: Attrs, spec: Set) -> Iterator[tuple[bytes, Value]]:
    """The elements in a NEWSETELEM message."""
    for item in _list(attrs.get(3, b"")):
        elem = parse(item)
        key = parse(elem[1])[1]
        if spec.interval:
            key += parse(elem[10])[1] if 10 in elem else key
        if spec.verdicts:
            verdict = parse(parse(elem[2])[2])
            code = Code(struct.unpack(">i", verdict[1])[0])
            yield key, Verdict(code, verdict.get(2, b"").rstrip(b"\0").decode())
        else:
            yield key, parse(elem[2])[1] if 2 in elem else b""


def _list(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 2], "little" if struct.pack("=H", 1)[0] else "big")
        if size < 4:
            return
        yield data[at + 4 : at + size]
        at += (size + 3) & ~3


def get_elements(family: Family, table: str, name: str, seq: int) -> bytes:
    """Ask for the contents of a set."""
    return message(GETSETELEM, NLM_F_DUMP | NLM_F_ACK, seq, family, text(1, table) + text(2, name))


def get_generation(seq: int) -> bytes:
    """Ask for the ruleset's generation."""
    return message(GETGEN, 0, seq, 0, b"")
