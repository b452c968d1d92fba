"""Which endpoints may serve a frontend, from this node. Pure.

Sources: the Kubernetes documentation of virtual IPs and traffic policies, KEP-1669 (terminating endpoints), KEP-2086
(internalTrafficPolicy). A frontend is an address and port that clients use; its pool are the backends behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from kubette.nft.expr import Family
from kubette.nft.types import family_of, inside
from kubette.proxy.state import PROTOCOLS, Endpoint, Service, ServicePort, Slice

Backend: TypeAlias = tuple[str, int]  # ip, port
PROTOCOL_NAMES = {number: name.lower() for name, number in PROTOCOLS.items()}


class Scope(Enum):
    """Which of the table's map families a frontend belongs to.

    SERVICES and NODEPORTS are for everybody; the LOCAL ones are asked first, for sources outside the cluster only
    (externalTrafficPolicy: Local), and keep the client's address.
    """

    SERVICES = "services"
    NODEPORTS = "nodeports"
    LOCAL_SERVICES = "local-services"
    LOCAL_NODEPORTS = "local-nodeports"

    @property
    def by_address(self) -> bool:
        """Whether the destination address is part of the key (a NodePort answers on every node address)."""
        return self in (Scope.SERVICES, Scope.LOCAL_SERVICES)

    @property
    def keeps_source(self) -> bool:
        """Whether the client's address must reach the pod."""
        return self in (Scope.LOCAL_SERVICES, Scope.LOCAL_NODEPORTS)


class Empty(Enum):
    """What a frontend without backends does: refuse when nobody serves, drop when only others' nodes do."""

    REFUSE = "refuse"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Pool:
    """The backends behind one or more frontends. ``kind`` tells a service port's pools apart.

    ``keep``: the backends whose tracked UDP flows stay, wherever they are and whatever the policy.
    """

    kind: str
    backends: frozenset[Backend]
    empty: Empty = Empty.REFUSE
    keep: frozenset[Backend] = frozenset()


@dataclass(frozen=True, slots=True)
class Frontend:
    """An address (empty for NodePorts) and port, and what is behind it. ``ranges``: sources allowed, all when None.
    Frontends of one ``service_port`` share their clients' affinity."""

    scope: Scope
    family: Family
    address: str
    proto: int
    port: int
    pool: Pool
    port_name: str
    affinity: int = 0
    ranges: tuple[str, ...] | None = None
    service_port: str = ""  # namespace/service/protocol/port name, where there is affinity


@dataclass(frozen=True, slots=True)
class Node:
    """Where the proxy stands."""

    name: str
    ips: frozenset[str]
    pod_cidrs: tuple[str, ...] = ()


def usable(endpoints: Sequence[Endpoint], publish_not_ready: bool = False) -> frozenset[Backend]:
    """The ready endpoints; when there are none, those that terminate and still serve."""
    ready = frozenset((e.ip, e.port) for e in endpoints if e.ready or publish_not_ready)
    if ready:
        return ready
    return frozenset((e.ip, e.port) for e in endpoints if e.serving and e.terminating)


def still_served(endpoints: Sequence[Endpoint]) -> frozenset[Backend]:
    """The backends whose tracked flows stay: all that serve, ending or not. While none does, a flow is as good with the
    backend that it has, so that those that are merely not ready keep theirs."""
    serving = frozenset((e.ip, e.port) for e in endpoints if e.ready or e.serving)
    return serving or frozenset((e.ip, e.port) for e in endpoints)


def endpoints_for(slices: Iterable[Slice], family: Family, port: ServicePort) -> list[Endpoint]:
    """All endpoints of a service port, over its slices."""
    key = (port.name, port.proto)
    found = [s.ports[key] for s in slices if s.family is family and key in s.ports]
    return list(found[0]) if len(found) == 1 else [e for part in found for e in part]


def frontends(service: Service, slices: Sequence[Slice], node: Node) -> list[Frontend]:
    """Every frontend of a service with its pool, in a fixed order."""
    out: list[Frontend] = []
    for family in Family:
        cluster_ips = [ip for ip in service.cluster_ips if family_of(ip) is family]
        public = [ip for ip in (*service.lb_ips, *service.external_ips) if family_of(ip) is family]
        if not cluster_ips and not public:
            continue
        for port in service.ports:
            _of_port(out, service, port, family, cluster_ips, public, endpoints_for(slices, family, port), node)
    return out


def _of_port(
    out: list[Frontend],
    service: Service,
    port: ServicePort,
    family: Family,
    cluster_ips: list[str],
    public: list[str],
    endpoints: list[Endpoint],
    node: Node,
) -> None:
    keep = still_served(endpoints) if port.proto == PROTOCOLS["UDP"] else frozenset()
    everywhere = Pool("cluster", usable(endpoints, service.publish_not_ready), keep=keep)
    inside = everywhere
    outside: Pool | None = None
    if service.internal_local or service.external_local:
        here = [e for e in endpoints if e.node == node.name]
        empty = Empty.DROP if everywhere.backends else Empty.REFUSE
        local = Pool("local", usable(here, service.publish_not_ready), empty, keep)
        inside = local if service.internal_local else everywhere
        outside = local if service.external_local else None

    affinity = service.affinity
    service_port = "/".join((*service.name, PROTOCOL_NAMES[port.proto], port.name)) if affinity else ""

    def add(scope: Scope, address: str, number: int, pool: Pool, ranges: tuple[str, ...] | None = None) -> None:
        out.append(
            Frontend(scope, family, address, port.proto, number, pool, port.name, affinity, ranges, service_port)
        )

    for ip in cluster_ips:
        add(Scope.SERVICES, ip, port.port, inside)
    for ip in public:
        ranges = _ranges(service, ip, family)
        add(Scope.SERVICES, ip, port.port, everywhere, ranges)
        if outside is not None:
            add(Scope.LOCAL_SERVICES, ip, port.port, outside, ranges)
    if port.node_port and cluster_ips:
        add(Scope.NODEPORTS, "", port.node_port, everywhere)
        if outside is not None:
            add(Scope.LOCAL_NODEPORTS, "", port.node_port, outside)


def _ranges(service: Service, ip: str, family: Family) -> tuple[str, ...] | None:
    """Source ranges guard load-balancer IPs only; the IP itself is allowed, a node may use it as its source."""
    if ip not in service.lb_ips:
        return None
    wanted = tuple(r for r in service.source_ranges if family_of(r) is family)
    if not service.source_ranges:
        return None
    return (*wanted, f"{ip}/{family.size * 8}")


def local_addresses(slices: Sequence[Slice], node: Node) -> set[tuple[Family, str]]:
    """Pod addresses on this node that may hit themselves through a service (hairpin)."""
    out: set[tuple[Family, str]] = set()
    for s in slices:
        for endpoints in s.ports.values():
            for e in endpoints:
                if e.ip in node.ips:
                    continue
                here = e.node == node.name
                if here or (not e.node and inside(node.pod_cidrs, e.ip)):
                    out.add((s.family, e.ip))
    return out


def arrange(previous: tuple[Backend, ...], wanted: frozenset[Backend]) -> tuple[Backend, ...]:
    """Backends in slots 0..N-1 such that as few slots as possible change.

    Who stays keeps the slot; who comes takes a free one; what is left free is filled from the end.
    """
    if not previous:
        return tuple(sorted(wanted))
    slots: list[Backend | None] = [b if b in wanted else None for b in previous]
    new = sorted(wanted.difference(previous), reverse=True)
    for i, held in enumerate(slots):
        if held is None and new:
            slots[i] = new.pop()
    slots.extend(reversed(new))
    kept = len(wanted)
    tail = [b for b in slots[kept:] if b is not None]
    return tuple(b if b is not None else tail.pop() for b in slots[:kept])
