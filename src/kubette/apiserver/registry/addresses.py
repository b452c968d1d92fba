"""IP addresses and subnets in objects: what upstream warns of, and how they relate. Pure.

Source: k8s.io/apimachinery/pkg/util/validation/ip.go. What is refused is in ``kubette.api.names``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _plain(text: str) -> str:
    """``text`` without leading zeros in the parts of an IPv4 address."""
    if ":" in text:
        return text
    return ".".join(str(int(p)) if p.isascii() and p.isdigit() and len(p) < 20 else p for p in text.split("."))


def subnet(text: str) -> Network | None:
    """The subnet that ``text`` means in any of the forms that Kubernetes ever took; None for other texts."""
    address, slash, length = text.partition("/")
    try:
        return ipaddress.ip_network(f"{_plain(address)}/{int(length)}", strict=False) if slash else None
    except ValueError:
        return None


def strictly_within(part: Network, whole: Network) -> bool:
    if isinstance(part, ipaddress.IPv4Network) and isinstance(whole, ipaddress.IPv4Network):
        return part != whole and part.subnet_of(whole)
    if isinstance(part, ipaddress.IPv6Network) and isinstance(whole, ipaddress.IPv6Network):
        return part != whole and part.subnet_of(whole)
    return False


def ip_warnings(value: str, path: str) -> Iterator[str]:
    """Upstream's warning for an address in another than its canonical form."""
    try:
        address = ipaddress.ip_address(_plain(value))
    except ValueError:
        return
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped is not None or (address.version == 4 and str(address) != value):
        yield f'{path}: non-standard IP address "{value}" is invalid: use "{mapped or address}"'
    elif str(address) != value:
        yield f'{path}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{address}")'


def cidr_warnings(value: str, path: str) -> Iterator[str]:
    """Upstream's warnings for a subnet in another than its canonical form."""
    network = subnet(value)
    if network is None:
        return
    address = ipaddress.ip_address(_plain(value.partition("/")[0]))
    ambiguous = address != network.network_address
    if ambiguous:
        one = f"{address}/{address.max_prefixlen}"
        yield f'{path}: CIDR value "{value}" is ambiguous in this context (should be "{network}" or "{one}"?)'
    own = f"{address}/{network.prefixlen}"
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    if mapped or (address.version == 4 and own != value):
        yield f'{path}: non-standard CIDR value "{value}" is invalid: use "{network}"'
    elif not ambiguous and own != value:
        yield f'{path}: IPv6 CIDR value "{value}" should be in RFC 5952 canonical format ("{own}")'
