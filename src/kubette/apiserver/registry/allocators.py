"""Pools of Service addresses and node ports. Pure bookkeeping: what is taken, what is next.

A pool keeps its lower band for those who ask for a certain value and serves everyone else from the upper
band first, as upstream does (KEP-3070, KEP-3668), so that static and automatic choices seldom meet.
Source of the error texts: pkg/registry/core/service/{ipallocator,portallocator}.
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass, field
from typing import Literal

Family = Literal["IPv4", "IPv6"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ALLOCATED_IP = "provided IP is already allocated"
ALLOCATED_PORT = "provided port is already allocated"
FULL = "range is full"


class Unavailable(Exception):
    """The value cannot be had; the text is upstream's."""


def family_of(ip: str) -> Family:
    return "IPv6" if ":" in ip else "IPv4"


@dataclass(slots=True)
class Pool:
    """The numbers ``first..last``; those below ``first + reserved`` are given out last."""

    first: int
    last: int
    reserved: int
    taken: set[int] = field(default_factory=set)

    def take(self, value: int) -> bool:
        """False when somebody has it."""
        if value in self.taken:
            return False
        self.taken.add(value)
        return True

    def take_any(self) -> int | None:
        """A random free number, or None when there is none."""
        for low, high in ((self.first + self.reserved, self.last), (self.first, self.first + self.reserved - 1)):
            value = self._free_in(low, high)
            if value is not None:
                self.taken.add(value)
                return value
        return None

    def give_back(self, value: int) -> None:
        self.taken.discard(value)

    def _free_in(self, low: int, high: int) -> int | None:
        if high < low:
            return None
        for _ in range(16):
            value = random.randint(low, high)
            if value not in self.taken:
                return value
        start = random.randint(low, high)
        for band in (range(start, high + 1), range(low, start)):
            found = next((value for value in band if value not in self.taken), None)
            if found is not None:
                return found
        return None


def _band(size: int, largest: int, divisor: int) -> int:
    """The size of the static band: size/divisor within 16..largest, none in a range that small."""
    return 0 if size <= 16 else min(max(16, size // divisor), largest)


class AddressPool:
    """The Service addresses of one family."""

    def __init__(self, cidr: str) -> None:
        self.network: Network = ipaddress.ip_network(cidr)
        self.family: Family = "IPv6" if self.network.version == 6 else "IPv4"
        base, size = int(self.network.network_address), self.network.num_addresses
        last = size - 2 if self.network.version == 4 else min(size - 1, 1 << 16)
        self._base = base
        self._pool = Pool(1, last, _band(last, 256, 16))

    def take(self, ip: str) -> None:
        """Raises Unavailable when ``ip`` is outside the range or taken."""
        address = ipaddress.ip_address(ip)
        offset = int(address) - self._base
        inside = address in self.network and offset != 0
        if address.version == 4 and offset > self._pool.last:
            inside = False
        if not inside:
            raise Unavailable(
                f"the provided IP ({ip}) is not in the valid range. The range of valid IPs is {self.network}"
            )
        if not self._pool.take(offset):
            raise Unavailable(ALLOCATED_IP)

    def take_any(self) -> str:
        """A free address. Raises Unavailable when there is none."""
        offset = self._pool.take_any()
        if offset is None:
            raise Unavailable(FULL)
        return str(type(self.network.network_address)(self._base + offset))

    def give_back(self, ip: str) -> None:
        self._pool.give_back(int(ipaddress.ip_address(ip)) - self._base)

    def has(self, ip: str) -> bool:
        return int(ipaddress.ip_address(ip)) - self._base in self._pool.taken

    @property
    def used(self) -> int:
        return len(self._pool.taken)


class PortPool:
    """Node ports. A number belongs to one Service, which may use it for several protocols."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        size = last - first + 1
        self._pool = Pool(first, last, _band(size, 128, 32))

    def take(self, port: int) -> None:
        """Raises Unavailable when ``port`` is outside the range or taken."""
        if not self.first <= port <= self.last:
            raise Unavailable(
                f"provided port is not in the valid range. The range of valid ports is {self.first}-{self.last}"
            )
        if not self._pool.take(port):
            raise Unavailable(ALLOCATED_PORT)

    def take_any(self) -> int:
        port = self._pool.take_any()
        if port is None:
            raise Unavailable(FULL)
        return port

    def give_back(self, port: int) -> None:
        self._pool.give_back(port)

    def has(self, port: int) -> bool:
        return port in self._pool.taken

    @property
    def used(self) -> int:
        return len(self._pool.taken)
