"""Container ports on a node's own addresses (``hostPort``): a small nftables table of the node agent.

The proxy's table is left alone; both may run without the other. A host port keeps the client's address; only a pod that
meets itself by its host port has its source rewritten, or it would answer past us.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from typing import TypeAlias

from kubette.nft import expr as e
from kubette.nft.flows import UDP, Destination, FlowCleaner
from kubette.nft.live import Backend, LiveTable
from kubette.nft.types import (
    Chain,
    Field,
    Hook,
    Set,
    Table,
    Value,
    addr_field,
    family_of,
    packed_ip,
    packed_port,
    packed_proto,
)  # fmt: skip

PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
HostPort: TypeAlias = tuple[str, str, int, str, int]  # protocol, host IP ("" all), host port, pod IP, container port
Element: TypeAlias = tuple[str, bytes]  # set, key


def table(family: e.Family, node_ips: Iterable[str], name: str = "kubette-hostports") -> Table:
    """The table without any port. ``node_ips``: where ports without a host IP answer, the first is for hairpin."""
    out = Table(family, name)
    address = addr_field(family)
    pod = (address, Field.INET_SERVICE)
    out.add_set(Set("by-address", (address, Field.INET_PROTO, Field.INET_SERVICE), pod))
    out.add_set(Set("by-port", (Field.INET_PROTO, Field.INET_SERVICE), pod))
    out.add_set(Set("node-ips", (address,)))
    out.add_set(Set("hairpin", (address, address)))
    own = [packed_ip(ip) for ip in node_ips if family_of(ip) is family]
    out.elements["node-ips"] = dict.fromkeys(own, b"")
    w = family.words
    nat = e.Nat(family, 0, w)
    by_address = (e.daddr(family, 0), e.l4proto(w), e.dport(w + 1), e.MapLookup("by-address", 0, 0), nat)
    ours = (e.daddr(family, 0), e.Lookup("node-ips", 0))
    by_port = (*ours, e.l4proto(0), e.dport(1), e.MapLookup("by-port", 0, 0), nat)
    # After the services (-100): a Service's node port that is taken twice stays the Service's.
    for chain, hook in (("prerouting", Hook.PREROUTING), ("output", Hook.OUTPUT)):
        out.add_chain(Chain(chain, (by_address, by_port), "nat", hook, -95))
    if own:
        itself = (e.saddr(family, 0), e.daddr(family, w), e.Lookup("hairpin", 0))
        rewrite = (*itself, e.Immediate(0, own[0]), e.Nat(family, 0, source=True))
        out.add_chain(Chain("postrouting", (rewrite,), "nat", Hook.POSTROUTING, 95))
    return out


class HostPorts:
    """The host ports of one node and address family. ``set`` and ``remove`` are idempotent.

    Both raise NftError when the kernel refuses. The change is noted all the same: the next call writes it, and so does
    ``watch`` after a while. Where two pods have the same port (one is ending), the later one is served, and the other
    again when that goes."""

    def __init__(self, live: LiveTable, flows: FlowCleaner) -> None:
        self._live = live
        self._flows = flows
        self._held: dict[str, dict[Element, bytes]] = {}  # by pod UID
        self._unchecked: set[Element] = set()  # UDP ports that changed since flows were cleaned

    @classmethod
    def open(
        cls, backend: Backend, flows: FlowCleaner, node_ips: Iterable[str], family: e.Family = e.Family.IPV4
    ) -> HostPorts:
        """Write an empty table, replacing what an earlier run left."""
        live = LiveTable(table(family, node_ips), backend)
        live.load()
        return cls(live, flows)

    def watch(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """Repair the table when others meddle, and look after the flows that began meanwhile. Returns what ends it."""

        def repaired() -> None:
            self._unchecked.update(element for held in self._held.values() for element in held)
            self._clean()

        return self._live.watch(loop, repaired)

    def set(self, pod_uid: str, ports: Iterable[HostPort]) -> None:
        """These are the pod's host ports now. Ports of the other address family are not ours."""
        elements: dict[Element, bytes] = {}
        for proto, host_ip, host_port, pod_ip, container_port in ports:
            if family_of(pod_ip) is not self._live.table.family:
                continue
            key = packed_proto(PROTOCOLS[proto]) + packed_port(host_port)
            pod = packed_ip(pod_ip) + packed_port(container_port)
            if host_ip in ("", "0.0.0.0", "::"):
                elements["by-port", key] = pod
            else:
                elements["by-address", packed_ip(host_ip) + key] = pod
            elements["hairpin", packed_ip(pod_ip) * 2] = b""
        self._apply(pod_uid, elements)

    def remove(self, pod_uid: str) -> None:
        """The pod has no host ports any more."""
        self._apply(pod_uid, {})

    def _apply(self, pod_uid: str, new: dict[Element, bytes]) -> None:
        old = self._held.get(pod_uid, {})
        if new != old:
            self._held.pop(pod_uid, None)  # the pod is now the latest
            if new:
                self._held[pod_uid] = new
        change: dict[str, dict[bytes, Value | None]] = {}
        for element in old.keys() | new.keys():
            change.setdefault(element[0], {})[element[1]] = self._value(element)
            if old.get(element) != new.get(element):
                self._unchecked.add(element)
        self._live.apply(change)
        self._clean()

    def _value(self, element: Element) -> bytes | None:
        """What the element is: as the latest pod that has it says."""
        found = [held[element] for held in self._held.values() if element in held]
        return found[-1] if found else None

    def _clean(self) -> None:
        """Delete stale flows of the UDP ports that have changed."""
        changed = [d for d in map(self._destination, self._unchecked) if d is not None]
        self._unchecked.clear()
        if changed:
            self._flows.clean(changed)

    def _destination(self, element: Element) -> Destination | None:
        name, key = element
        family = self._live.table.family
        address = key[: family.size] if name == "by-address" else b""
        proto, port = key[len(address)], int.from_bytes(key[len(address) + 4 : len(address) + 6], "big")
        if name == "hairpin" or proto != UDP:
            return None
        keep = frozenset({_backend(pod, family)} if (pod := self._value(element)) else ())
        return Destination(family, _text(address) if address else "", port, keep)


def _backend(packed: bytes, family: e.Family) -> tuple[str, int]:
    """The address and port of a map's value."""
    return _text(packed[: family.size]), int.from_bytes(packed[family.size : family.size + 2], "big")


def _text(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed))
