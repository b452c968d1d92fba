"""What one service adds to the tables: frontends with slots assigned, as set elements. Pure.

Slots and ids are the only memory between two versions of a service: they are what keeps a change small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from kubette.nft.expr import DROP, Family
from kubette.nft.types import Value, interval, packed_ip, packed_number, packed_port, packed_proto
from kubette.proxy import table as tb
from kubette.proxy.policy import Backend, Empty, Frontend, arrange

Target: TypeAlias = tuple[Family, str]  # family, set
FrontendKey: TypeAlias = tuple[Family, str, bytes]  # family, scope, key


@dataclass(frozen=True, slots=True)
class Slots:
    """The arrangement of a pool: backends by slot, and for affinity an id each that is not soon used again."""

    backends: tuple[Backend, ...] = ()
    ids: Mapping[Backend, int] = field(default_factory=dict)
    next_id: int = 1


@dataclass(frozen=True, slots=True)
class Flow:
    """A UDP frontend that changed: flows to it that do not go to one of ``keep`` are stale. No address: a NodePort."""

    family: Family
    proto: int
    address: str
    port: int
    keep: frozenset[Backend]


@dataclass(slots=True)
class Contribution:
    """A service's elements by table and set, elements it shares with others, and what the next version builds on."""

    elements: dict[Target, dict[bytes, Value]] = field(default_factory=dict)
    shared: set[tuple[Family, str, bytes]] = field(default_factory=set)
    slots: dict[tuple[str, int, Family, str], Slots] = field(default_factory=dict)
    udp: dict[FrontendKey, Flow] = field(default_factory=dict)
    claims: set[FrontendKey] = field(default_factory=set)


def frontend_key(f: Frontend) -> bytes:
    """The key of a frontend in its scope's map."""
    tail = packed_proto(f.proto) + packed_port(f.port)
    return packed_ip(f.address) + tail if f.scope.by_address else tail


def settle(previous: Slots, wanted: frozenset[Backend], sticky: bool) -> Slots:
    """Arrange a pool anew, with as little change as possible."""
    backends = arrange(previous.backends, wanted)
    if not sticky:
        return previous if backends == previous.backends and not previous.ids else Slots(backends)
    ids: dict[Backend, int] = {}
    next_id = previous.next_id
    taken = set(previous.ids.values()) if len(previous.ids) < 0x8000 else set()
    for b in backends:
        known = previous.ids.get(b)
        if known is None:
            while next_id in taken:
                next_id = next_id % 0xFFFF + 1
            known, next_id = next_id, next_id % 0xFFFF + 1
        ids[b] = known
    return Slots(backends, ids, next_id)


def contribute(
    found: Iterable[Frontend],
    old: Contribution | None,
    guarded: Callable[[str], bool],
    local: Iterable[tuple[Family, str]],
) -> Contribution:
    """The elements for a service's frontends. ``guarded``: whether other ports of an address are to be refused."""
    new = Contribution()
    elements = new.elements
    arranged = new.slots
    for f in found:
        scope, pool, family = f.scope, f.pool, f.family
        name = scope.value
        key = frontend_key(f)
        wanted = pool.backends
        if not wanted:
            verdict = DROP if pool.empty is Empty.DROP else tb.REFUSE
        else:
            pool_id = (f.port_name, f.proto, family, pool.kind)
            slots = arranged.get(pool_id)
            if slots is None:
                previous = old.slots.get(pool_id) if old is not None else None
                slots = arranged[pool_id] = settle(previous or Slots(), wanted, bool(f.affinity))
            _backends(elements, f, name, key, slots)
            verdict = tb.backend_verdict(scope, len(slots.backends), f.affinity)
        elements.setdefault((family, name), {})[key] = verdict
        new.claims.add((family, name, key))
        if f.proto == tb.UDP:
            new.udp[family, name, key] = Flow(family, f.proto, f.address, f.port, wanted)
        if f.ranges is not None:
            _ranges(elements, f, key)
        if f.address and guarded(f.address):
            new.shared.add((family, tb.GUARDED, packed_ip(f.address)))
    for family, ip in local:
        new.shared.add((family, tb.HAIRPIN, packed_ip(ip) * 2))
    return new


def _backends(elements: dict[Target, dict[bytes, Value]], f: Frontend, name: str, key: bytes, slots: Slots) -> None:
    if not f.affinity:
        held = elements.setdefault((f.family, f"{name}-endpoints"), {})
        for slot, (ip, port) in enumerate(slots.backends):
            held[key + packed_number(slot)] = packed_ip(ip) + packed_port(port)
        return
    by_slot = elements.setdefault((f.family, f"{name}-affinity-slots"), {})
    by_id = elements.setdefault((f.family, f"{name}-affinity-endpoints"), {})
    for slot, backend in enumerate(slots.backends):
        id_ = tb.affinity_mark(f.scope, slots.ids[backend])
        by_slot[key + packed_number(slot)] = id_
        by_id[key + id_] = packed_ip(backend[0]) + packed_port(backend[1])


def _ranges(elements: dict[Target, dict[bytes, Value]], f: Frontend, key: bytes) -> None:
    elements.setdefault((f.family, tb.FIREWALLED), {})[key] = b""
    allowed = elements.setdefault((f.family, tb.ALLOWED), {})
    for first, last in _disjoint(f.ranges or ()):
        allowed[key + first + key + last] = b""


def _disjoint(cidrs: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """Ranges without those that lie in another: the kernel refuses overlaps."""
    spans = sorted({interval(c) for c in cidrs}, key=lambda s: (s[0], [255 - b for b in s[1]]))
    out: list[tuple[bytes, bytes]] = []
    for span in spans:
        if not out or span[0] > out[-1][1]:
            out.append(span)
    return out

