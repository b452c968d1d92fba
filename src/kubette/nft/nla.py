"""Netlink attributes: type, length, value, padded to four bytes."""

from __future__ import annotations

import struct
from typing import TypeAlias

Attrs: TypeAlias = dict[int, bytes]
_HEAD = struct.Struct("=HH")
_PAD = (b"", b"\0\0\0", b"\0\0", b"\0")
NESTED = 0x8000


def nla(kind: int, value: bytes) -> bytes:
    """A plain attribute."""
    size = len(value)
    return _HEAD.pack(size + 4, kind) + value + _PAD[size & 3]


def nest(kind: int, value: bytes) -> bytes:
    """An attribute that holds attributes."""
    return _HEAD.pack(len(value) + 4, kind | NESTED) + value


def be32(kind: int, value: int) -> bytes:
    """A 32-bit number, big-endian as all of nf_tables."""
    return nla(kind, struct.pack(">I", value))


def be64(kind: int, value: int) -> bytes:
    """A 64-bit number, big-endian."""
    return nla(kind, struct.pack(">Q", value))


def text(kind: int, value: str) -> bytes:
    """A zero-terminated string."""
    return nla(kind, value.encode() + b"\0")


def parse(data: bytes) -> Attrs:
    """Attributes by type; of repeated ones the last."""
    out: Attrs = {}
    at = 0
    end = len(data)
    while at + 4 <= end:
        size, kind = _HEAD.unpack_from(data, at)
        if size < 4:
            break
        out[kind & 0x3FFF] = data[at + 4 : at + size]
        at += (size + 3) & ~3
    return out
