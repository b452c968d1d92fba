"""A table as data: chains of rules, sets and maps with their contents.

Elements are ``{key: value}``. A key is the concatenation of its fields, each padded to four bytes (an
interval key is the first key followed by the last). The value is ``b""`` in a set, bytes in a map, and a Verdict in a
verdict map. Numbers that come from registers (slots, marks) are in host byte order, the rest as on the wire.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import TypeAlias

from kubette.nft.expr import Family, Rule, Verdict

Value: TypeAlias = bytes | Verdict
Elements: TypeAlias = dict[bytes, Value]
Change: TypeAlias = Mapping[str, Mapping[bytes, Value | None]]  # set name → key → value, None: not there


class Hook(IntEnum):
    """Where a base chain hangs (NF_INET_*)."""

    PREROUTING = 0
    INPUT = 1
    FORWARD = 2
    OUTPUT = 3
    POSTROUTING = 4


class Field(IntEnum):
    """Field types, as nft numbers them, so that ``nft list`` can print a set."""

    IPV4_ADDR = 7
    IPV6_ADDR = 8
    INET_PROTO = 12
    INET_SERVICE = 13
    MARK = 19  # also for slots: nft has no fixed-size integer that needs no user data

    @property
    def size(self) -> int:
        """Bytes before padding."""
        return {Field.IPV4_ADDR: 4, Field.IPV6_ADDR: 16, Field.INET_PROTO: 1, Field.INET_SERVICE: 2}.get(self, 4)


def addr_field(family: Family) -> Field:
    """The address type of a family."""
    return Field.IPV4_ADDR if family is Family.IPV4 else Field.IPV6_ADDR


@dataclass(frozen=True, slots=True)
class Set:
    """A set, or a map when it has ``data`` fields, or a verdict map when ``verdicts``.

    ``timeout_ms`` is the elements' default; ``dynamic`` lets rules add to it; ``interval`` makes keys ranges.
    """

    name: str
    key: tuple[Field, ...]
    data: tuple[Field, ...] = ()
    verdicts: bool = False
    interval: bool = False
    dynamic: bool = False
    timeout_ms: int = 0
    size: int = 0

    @property
    def key_size(self) -> int:
        """Bytes of a key, padded."""
        return sum((f.size + 3) & ~3 for f in self.key)

    @property
    def data_size(self) -> int:
        """Bytes of a value, padded."""
        return sum((f.size + 3) & ~3 for f in self.data)


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain; with ``hook`` a base chain of type ``kind`` (nat, filter) at ``priority``."""

    name: str
    rules: tuple[Rule, ...] = ()
    kind: str = ""
    hook: Hook | None = None
    priority: int = 0


@dataclass
class Table:
    """A whole table. Chains are in an order in which each refers only to earlier ones, or to sets."""

    family: Family
    name: str
    sets: dict[str, Set] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)
    elements: dict[str, Elements] = field(default_factory=dict)

    def add_set(self, spec: Set) -> None:
        """Declare a set or map."""
        self.sets[spec.name] = spec
        self.elements[spec.name] = {}

    def add_chain(self, chain: Chain) -> None:
        """Declare a chain with its rules."""
        self.chains[chain.name] = chain


_PORT = struct.Struct(">Hxx")


@lru_cache(maxsize=65536)
def packed_ip(address: str) -> bytes:
    """Address in network byte order."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except OSError as err:
        raise ValueError(f"not an IP address: {address!r}") from err


def family_of(address: str) -> Family:
    """The family of an address or CIDR."""
    return Family.IPV6 if ":" in address else Family.IPV4


@lru_cache(maxsize=65536)
def packed_port(port: int) -> bytes:
    """A port as a padded key field."""
    return _PORT.pack(port)


def packed_proto(number: int) -> bytes:
    """A protocol number as a padded key field."""
    return bytes((number, 0, 0, 0))


@lru_cache(maxsize=4096)
def packed_number(number: int) -> bytes:
    """A slot or mark, host byte order."""
    return struct.pack("=I", number)


@lru_cache(maxsize=256)
def network(cidr: str) -> tuple[bytes, bytes]:
    """Network address and mask of a CIDR, in network byte order."""
    net = ipaddress.ip_network(cidr, strict=False)
    return net.network_address.packed, net.netmask.packed


def interval(cidr: str) -> tuple[bytes, bytes]:
    """First and last address of a CIDR."""
    net = ipaddress.ip_network(cidr, strict=False)
    return net.network_address.packed, net.broadcast_address.packed


@lru_cache(maxsize=256)
def _numbers(cidr: str) -> tuple[int, int, int]:
    net, mask = network(cidr)
    return len(net), int.from_bytes(net, "big"), int.from_bytes(mask, "big")


def inside(cidrs: Iterable[str], address: str) -> bool:
    """Whether an address lies in one of the CIDRs."""
    packed = packed_ip(address)
    number = int.from_bytes(packed, "big")
    for cidr in cidrs:
        size, net, mask = _numbers(cidr)
        if size == len(packed) and number & mask == net:
            return True
    return False
