"""IP addresses, CIDRs and their families: the one place where text becomes packed bytes, and either family a name.

Addresses and CIDRs are text in the API's notation, packed bytes in network order.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import Literal

FamilyName = Literal["IPv4", "IPv6"]


class Family(IntEnum):
    """An address family; the number is the kernel's NFPROTO_*."""

    IPV4 = 2
    IPV6 = 10

    @property
    def size(self) -> int:
        """Bytes of an address."""
        return 4 if self is Family.IPV4 else 16

    @property
    def words(self) -> int:
        """32-bit registers of an address."""
        return self.size // 4

    @property
    def keyword(self) -> str:
        """What nft calls it."""
        return "ip" if self is Family.IPV4 else "ip6"

    @property
    def api_name(self) -> FamilyName:
        """What the API calls it: a Service's ipFamily, an EndpointSlice's addressType."""
        return "IPv4" if self is Family.IPV4 else "IPv6"


BY_API_NAME: dict[str, Family] = {family.api_name: family for family in Family}


@lru_cache(maxsize=65536)
def packed_ip(address: str) -> bytes:
    """The address in network byte order. ValueError when it is none."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except OSError as err:
        raise ValueError(f"not an IP address: {address!r}") from err


def family_of(address: str) -> Family:
    """The family of an address or CIDR."""
    return Family.IPV6 if ":" in address else Family.IPV4


def is_ip(text: str) -> bool:
    try:
        packed_ip(text)
    except ValueError:
        return False
    return True


def is_cidr(text: str) -> bool:
    address, _, bits = text.partition("/")
    return is_ip(address) and bits.isascii() and bits.isdigit() and int(bits) <= family_of(address).size * 8


@lru_cache(maxsize=256)
def network(cidr: str) -> tuple[bytes, bytes]:
    """Network address and mask of a CIDR."""
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
