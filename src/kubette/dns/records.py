"""From a Service and its endpoints to resource records: sections 2.3 to 2.5 of the specification, as a function.

Pure. Where the specification is silent, the answers are those of CoreDNS' kubernetes plugin: the plain name of a
Service lists its ports, and every ready endpoint has a name below each of its Services.
An owner without record sets is a name that exists only because others lie below it (``_tcp.web.shop…``): its
questions have no data, but the name exists (RFC 8020).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from kubette.dns import wire
from kubette.dns.objects import Endpoint, Port, Service, Slice, packed


class RRset(NamedTuple):
    """Records of one owner and type; ``targets`` are names whose addresses may go with the answer."""

    type: int
    rdatas: tuple[bytes, ...]
    targets: tuple[bytes, ...] = ()


Records: TypeAlias = dict[bytes, tuple[RRset, ...]]  # by owner


def of_service(service: Service, slices: Iterable[Slice], zone: bytes) -> Records:
    """All records of a Service, reverse ones included. ``zone``: the cluster domain."""
    namespace, name = service.key
    owner = _label(name) + _label(namespace) + b"\x03svc" + zone
    if service.external_name:
        return _external(owner, service.external_name)
    ready = [(s, [e for e in s.endpoints if e.ready or service.publish_not_ready]) for s in slices]
    out = _Builder()
    for slice_, endpoints in ready:
        for e in endpoints:
            out.endpoint(owner, e, slice_.ports)
    if service.headless:
        for slice_, endpoints in ready:
            names = {endpoint_name(e, owner): e.ip for e in endpoints}
            for e in endpoints:
                out.add(owner, _address_type(e.ip), e.ip)
                out.add(reverse(e.ip), wire.PTR, endpoint_name(e, owner))
            for port in slice_.ports:
                out.port(owner, port, names)
        return out.records()
    for ip in service.ips:
        out.add(owner, _address_type(ip), ip)
        out.add(reverse(ip), wire.PTR, owner)
        for port in service.ports:
            out.port(owner, port, {owner: ip})
    for _, endpoints in ready:  # a pod with hostname and subdomain is found by its name below any Service
        for e in endpoints:
            if e.hostname:
                out.add(reverse(e.ip), wire.PTR, endpoint_name(e, owner))
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

    def endpoint(self, service: bytes, endpoint: Endpoint, ports: Iterable[Port]) -> None:
        """The endpoint's own name: its address and its ports."""
        owner = endpoint_name(endpoint, service)
        self.add(owner, _address_type(endpoint.ip), endpoint.ip)
        for port in ports:
            self._srv(owner, port, owner)

    def port(self, service: bytes, port: Port, targets: Mapping[bytes, bytes]) -> None:
        """A port of the Service, below the Service's name and, if it has a name, below its own.

        ``targets``: name → address. As in CoreDNS, the name of a port has addresses too."""
        above = _label("_" + port.proto) + service
        own = _label("_" + port.name) + above
        for target, ip in targets.items():
            self._srv(service, port, target)
            if port.name:
                self._rows.setdefault(above, {})
                self._srv(own, port, target)
                self.add(own, _address_type(ip), ip)

    def _srv(self, owner: bytes, port: Port, target: bytes) -> None:
        self.add(owner, wire.SRV, struct.pack("!H", port.number) + target, target)

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


def endpoint_name(endpoint: Endpoint, service: bytes) -> bytes:
    """``HOSTNAME.SERVICE…``, or ``10-42-0-7.SERVICE…`` where the endpoint has no hostname."""
    return _label(endpoint.hostname or dashed(endpoint.ip)) + service


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
