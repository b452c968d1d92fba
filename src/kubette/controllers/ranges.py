"""Handing out subnets and addresses, of either family. Pure bookkeeping; callers keep it up to date."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def family_of(value: Network | Address) -> str:
    return "IPv6" if value.version == 6 else "IPv4"


def free_subnet(network: Network, prefix: int, taken: Iterable[Network]) -> Network | None:
    """The first subnet of ``network`` with that prefix length which overlaps none in ``taken``."""
    used = [t for t in taken if t.version == network.version]
    for subnet in network.subnets(new_prefix=max(prefix, network.prefixlen)):
        if not any(subnet.overlaps(t) for t in used):
            return subnet
    return None


class Pool:
    """Addresses to give to load balancers: single ones, ``FROM-TO`` ranges, CIDRs (as written, all of it)."""

    def __init__(self, ranges: Sequence[str]) -> None:
        self._spans: list[tuple[Address, Address]] = [_span(text.strip()) for text in ranges]

    def __contains__(self, address: Address) -> bool:
        return any(
            first.version == address.version and int(first) <= int(address) <= int(last) for first, last in self._spans
        )

    def addresses(self, family: str) -> Iterator[Address]:
        for first, last in self._spans:
            if family_of(first) == family:
                make = type(first)
                yield from (make(number) for number in range(int(first), int(last) + 1))

    def free(self, family: str, taken: set[Address]) -> Address | None:
        return next((a for a in self.addresses(family) if a not in taken), None)


def _span(text: str) -> tuple[Address, Address]:
    if "/" in text:
        network = ipaddress.ip_network(text, strict=False)
        return network[0], network[-1]
    first, dash, last = text.partition("-")
    start = ipaddress.ip_address(first.strip())
    return start, ipaddress.ip_address(last.strip()) if dash else start
