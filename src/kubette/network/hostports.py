"""Container ports on a node's own addresses (``hostPort``): a small nftables table of the node agent.

The proxy's table is left alone; both may run without the other. A host port keeps the client's address; only a pod that
meets itself by its host port has its source rewritten, or it would answer past us.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from kubette.nft import expr as e
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
    """The host ports of one node and address family. ``set`` and ``remove`` are idempotent."""

    def __init__(self, live: LiveTable) -> None:
        self._live = live
        self._held: dict[str, dict[tuple[str, bytes], Value]] = {}

    @classmethod
    def open(cls, backend: Backend, node_ips: Iterable[str], family: e.Family = e.Family.IPV4) -> HostPorts:
        """Write an empty table, replacing what an earlier run left."""
        live = LiveTable(table(family, node_ips), backend)
        live.load()
        return cls(live)

    @property
    def live(self) -> LiveTable:
        """The table behind; ``live.watch(loop)`` repairs it when others meddle."""
        return self._live

    def set(self, pod_uid: str, ports: Iterable[HostPort]) -> None:
        """These are the pod's host ports now. Ports of the other address family are not ours."""
        elements: dict[tuple[str, bytes], Value] = {}
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

    def _apply(self, pod_uid: str, new: dict[tuple[str, bytes], Value]) -> None:
        old = self._held.pop(pod_uid, {})
        if new:
            self._held[pod_uid] = new
        kept = {key for held in self._held.values() for key in held}
        change: dict[str, dict[bytes, Value | None]] = {}
        for name, element in old.keys() - kept:
            change.setdefault(name, {})[element] = None
        for (name, element), value in new.items():
            change.setdefault(name, {})[element] = value
        self._live.apply(change)
