"""What one service adds to the tables: frontends with slots assigned, as set elements. Pure.

Slots and ids are the only memory between two versions of a service: they keep a change small, and affinity through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from kubette.nft.expr import DROP, Family
from kubette.nft.flows import Destination
from kubette.nft.types import Value, interval, packed_ip, packed_number, packed_port, packed_proto
from kubette.proxy import table as tb
from kubette.proxy.policy import Backend, Empty, Frontend, arrange

Target: TypeAlias = tuple[Family, str]  # family, set
FrontendKey: TypeAlias = tuple[Family, str, bytes]  # family, scope, key


@dataclass(frozen=True, slots=True)
class Ids:
    """For affinity: a number for each backend of a Service port, which is not soon used again for another."""

    numbers: Mapping[Backend, int] = field(default_factory=dict)
    following: int = 1


@dataclass(slots=True)
class Contribution:
    """A service's elements by table and set, elements it shares with others, and what the next version builds on."""

    elements: dict[Target, dict[bytes, Value]] = field(default_factory=dict)
    shared: set[tuple[Family, str, bytes]] = field(default_factory=set)
    slots: dict[tuple[str, int, Family, str], tuple[Backend, ...]] = field(default_factory=dict)
    ids: dict[tuple[str, int, Family], Ids] = field(default_factory=dict)
    udp: dict[FrontendKey, Destination] = field(default_factory=dict)
    claims: set[FrontendKey] = field(default_factory=set)


def frontend_key(f: Frontend) -> bytes:
    """The key of a frontend in its scope's map."""
    tail = packed_proto(f.proto) + packed_port(f.port)
    return packed_ip(f.address) + tail if f.scope.by_address else tail


def number(previous: Ids, backends: frozenset[Backend]) -> Ids:
    """Number the backends: those that had a number keep it, the others take the ones that follow."""
    numbers = {b: n for b, n in previous.numbers.items() if b in backends}
    taken = set(previous.numbers.values()) if len(previous.numbers) < 0x8000 else set(numbers.values())
    following = previous.following
    for backend in sorted(backends - numbers.keys()):
        while following in taken:
            following = following % 0xFFFF + 1
        numbers[backend] = following
        taken.add(following)
        following = following % 0xFFFF + 1
    return Ids(numbers, following)


def _number_all(found: Iterable[Frontend], old: Contribution) -> dict[tuple[str, int, Family], Ids]:
    """The numbers of every Service port with affinity, over all of its pools: they mean the same by every address."""
    pools: dict[tuple[str, int, Family], frozenset[Backend]] = {}
    for f in found:
        if f.affinity:
            port = (f.port_name, f.proto, f.family)
            pools[port] = pools.get(port, frozenset()) | f.pool.backends
    return {port: number(old.ids.get(port, Ids()), backends) for port, backends in pools.items()}


def contribute(
    found: Sequence[Frontend],
    old: Contribution,
    guarded: Callable[[str], bool],
    local: Iterable[tuple[Family, str]],
) -> Contribution:
    """The elements for a service's frontends. ``guarded``: whether other ports of an address are to be refused."""
    new = Contribution(ids=_number_all(found, old))
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
                slots = arranged[pool_id] = arrange(old.slots.get(pool_id, ()), wanted)
            if f.affinity:
                _sticky(elements, f, key, slots, new.ids[f.port_name, f.proto, family].numbers)
            else:
                held = elements.setdefault((family, f"{name}-endpoints"), {})
                for slot, (ip, port) in enumerate(slots):
                    held[key + packed_number(slot)] = packed_ip(ip) + packed_port(port)
            verdict = tb.backend_verdict(scope, len(slots), f.affinity, f.service_port)
        elements.setdefault((family, name), {})[key] = verdict
        new.claims.add((family, name, key))
        if f.proto == tb.UDP:
            new.udp[family, name, key] = Destination(family, f.address, f.port, pool.keep)
        if f.ranges is not None:
            _ranges(elements, f, key)
        if f.address and guarded(f.address):
            new.shared.add((family, tb.GUARDED, packed_ip(f.address)))
    for family, ip in local:
        new.shared.add((family, tb.HAIRPIN, packed_ip(ip) * 2))
    return new


def _sticky(
    elements: dict[Target, dict[bytes, Value]],
    f: Frontend,
    key: bytes,
    slots: Sequence[Backend],
    numbers: Mapping[Backend, int],
) -> None:
    name = f.scope.value
    by_slot = elements.setdefault((f.family, f"{name}-affinity-slots"), {})
    by_id = elements.setdefault((f.family, f"{name}-affinity-endpoints"), {})
    for slot, backend in enumerate(slots):
        mark = tb.affinity_mark(numbers[backend])
        by_slot[key + packed_number(slot)] = mark
        by_id[key + mark] = packed_ip(backend[0]) + packed_port(backend[1])


def stale(old: Contribution, new: Contribution) -> Iterator[tuple[FrontendKey, Destination]]:
    """The UDP frontends whose tracked flows may lead elsewhere than the new version does."""
    for key, before in old.udp.items():
        after = new.udp.get(key)
        if after is None:
            yield key, replace(before, keep=frozenset())
        elif before.keep - after.keep or not before.keep:
            yield key, after
    yield from ((key, after) for key, after in new.udp.items() if key not in old.udp)


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
