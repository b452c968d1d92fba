"""From a Service and its endpoints to resource records: sections 2.3 to 2.5 of the specification, as a function.

Pure. An owner without record sets is a name that exists only because others lie below it (``_tcp.web.shop…``): its
questions have no data, but the name exists (RFC 8020).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from kubette.dns import wire
from kubette.dns.objects import Endpoint, Service, Slice, packed


class RRset(NamedTuple):
    """Records of one owner and type; ``targets`` are names whose addresses may go with the answer."""

    type: int
    rdatas: tuple[bytes, ...]
    targets: tuple[bytes, ...] = ()


Records: TypeAlias = dict[bytes, tuple[RRset, ...]]  # by owner


def of_service(service: Service, slices: Iterable[Slice], zone: bytes) -> Records:
    """All records that the service brings about, reverse ones included. ``zone``: the cluster domain."""
    namespace, name = service.key
    owner = _label(name) + _label(namespace) + b"\x03svc" + zone
    if service.external_name:
        return _external(owner, service.external_name)
    slices = tuple(slices)
    served = [(s, [e for e in s.endpoints if e.ready or service.publish_not_ready]) for s in slices]
    out = _Builder()
    if service.headless:
        for slice_, endpoints in served:
            out.endpoints(owner, slice_, endpoints)
        for _, endpoints in served:
            for e in endpoints:
                out.add(owner, _address_type(e.ip), e.ip)
    else:
        for ip in service.ips:
            out.add(owner, _address_type(ip), ip)
            out.add(reverse(ip), wire.PTR, owner)
        if service.ips:
            for port in service.ports:
                out.service_port(owner, port.name, port.proto, port.number, [owner])
        for _, endpoints in served:  # pods with hostname and subdomain are found below any service
            for e in endpoints:
                if e.hostname:
                    out.named(owner, e)
    return out.records()


def _external(owner: bytes, target: str) -> Records:
    try:
        if packed(target.rstrip(".")):  # addresses are no names; upstream warns of them
            return {}
        return {owner: (RRset(wire.CNAME, (wire.name(target),)),)}
    except ValueError:
        return {}


class _Builder:
    """Collects records in order, each once."""

    def __init__(self) -> None:
        self._rows: dict[bytes, dict[int, dict[bytes, bytes]]] = {}  # owner → type → rdata → target

    def add(self, owner: bytes, type_: int, rdata: bytes, target: bytes = b"") -> None:
        self._rows.setdefault(owner, {}).setdefault(type_, {})[rdata] = target

    def named(self, service: bytes, endpoint: Endpoint) -> bytes:
        """The endpoint's own name, with its address and the way back."""
        owner = _label(endpoint.hostname or dashed(endpoint.ip)) + service
        self.add(owner, _address_type(endpoint.ip), endpoint.ip)
        self.add(reverse(endpoint.ip), wire.PTR, owner)
        return owner

    def endpoints(self, service: bytes, slice_: Slice, endpoints: Iterable[Endpoint]) -> None:
        names = [self.named(service, e) for e in endpoints]
        for port in slice_.ports:
            if names:
                self.service_port(service, port.name, port.proto, port.number, names)

    def service_port(self, service: bytes, name: str, proto: str, number: int, targets: list[bytes]) -> None:
        above = _label("_" + proto) + service
        self._rows.setdefault(above, {})
        for target in targets:
            self.add(_label("_" + name) + above, wire.SRV, struct.pack("!H", number) + target, target)

    def records(self) -> Records:
        return {
            owner: tuple(_rrset(type_, rdatas) for type_, rdatas in types.items())
            for owner, types in self._rows.items()
        }


def _rrset(type_: int, rdatas: dict[bytes, bytes]) -> RRset:
    if type_ != wire.SRV:
        return RRset(type_, tuple(rdatas))
    weight = struct.pack("!HH", 0, max(1, 100 // len(rdatas)))  # priority, weight: alike, as CoreDNS has it
    return RRset(type_, tuple(weight + r for r in rdatas), tuple(dict.fromkeys(rdatas.values())))


def reverse(ip: bytes) -> bytes:
    """The name under in-addr.arpa or ip6.arpa, as wire bytes."""
    if len(ip) == 4:
        return b"".join(_label(str(octet)) for octet in reversed(ip)) + b"\x07in-addr\x04arpa\0"
    return b"".join(_label(nibble) for nibble in reversed(ip.hex())) + b"\x03ip6\x04arpa\0"


def reverse_zones(cidr: str) -> list[bytes]:
    """The reverse zones that cover the CIDR exactly: one, or up to 128 where it ends inside a label.
    ValueError when it is no CIDR."""
    address, slash, bits = cidr.partition("/")
    ip = packed(address)
    if not ip or not slash or not bits.isdigit() or int(bits) > len(ip) * 8:
        raise ValueError(f"{cidr!r} is no CIDR")
    step = 8 if len(ip) == 4 else 4
    kept = -(-int(bits) // step)  # labels
    shift = len(ip) * 8 - kept * step
    first = int.from_bytes(ip, "big") >> (len(ip) * 8 - int(bits)) << (kept * step - int(bits))
    out = []
    for number in range(first, first + (1 << (kept * step - int(bits)))):
        name = reverse((number << shift).to_bytes(len(ip), "big"))
        for _ in range(len(ip) * 8 // step - kept):
            name = name[1 + name[0] :]
        out.append(name)
    return out


def dashed(ip: bytes) -> str:
    """``10-42-0-7``: the name of an endpoint or pod that has no other."""
    if len(ip) == 4:
        return socket.inet_ntop(socket.AF_INET, ip).replace(".", "-")
    text = socket.inet_ntop(socket.AF_INET6, ip)
    if "." in text:  # ::ffff:192.0.2.1
        text = ":".join(ip.hex()[i : i + 4] for i in range(0, 32, 4))
    return text.replace(":", "-")


def undashed(label: str) -> bytes:
    """The address of a pod's name ``10-42-0-7`` or ``fd00--1``; nothing when it is none."""
    if label.count("-") == 3 and "--" not in label and (ip := packed(label.replace("-", "."))):
        return ip
    return packed(label.replace("-", ":"))


def _address_type(ip: bytes) -> int:
    return wire.A if len(ip) == 4 else wire.AAAA


def _label(text: str) -> bytes:
    raw = text.lower().encode("ascii", "ignore")[:63]
    return bytes((len(raw),)) + raw
