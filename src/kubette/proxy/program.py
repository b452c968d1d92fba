"""Services and endpoints in, transactions out: the level-triggered middle of the proxy. No I/O but the tables' commit.

``set_service`` and ``set_slice`` note what is; ``flush`` works out what that changes and commits it, one transaction a
family. Any event may be repeated; work is done for the services touched and no others. Whatever fails is kept and tried
again by the next flush: a service that cannot be worked out, or a family whose kernel refuses, holds up no other.
"""

from __future__ import annotations

import contextlib
import gc
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kubette.nft.expr import Family, Verdict
from kubette.nft.flows import Destination
from kubette.nft.live import Backend as Kernel
from kubette.nft.live import LiveTable, Objects
from kubette.nft.transaction import Transaction
from kubette.nft.types import Value, family_of, inside
from kubette.proxy import table as tb
from kubette.proxy.config import ProxyConfig
from kubette.proxy.contribution import Contribution, FrontendKey, contribute, frontend_key, stale
from kubette.proxy.policy import Frontend, Node, frontends, local_addresses
from kubette.proxy.state import Name, Service, Slice

log = logging.getLogger(__name__)
_NOTHING = Contribution()
_BULK = 500  # services at once from which the garbage collector is better off waiting


@contextlib.contextmanager
def _no_collection(bulk: bool) -> Iterator[None]:
    """Nothing cyclic is made in here; walking all that was allocated takes longer than the work itself."""
    pause = bulk and gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


@dataclass
class Flushed:
    """What a flush did: the transactions, the UDP frontends whose flows may be stale now, and how much failed."""

    transactions: list[Transaction] = field(default_factory=list)
    stale: list[Destination] = field(default_factory=list)
    failures: int = 0


@dataclass
class _Pending:
    """What a family's table has not been given yet: elements by set, uses of chains gained and lost, and the UDP
    frontends to look after once it is written."""

    elements: dict[str, dict[bytes, Value | None]] = field(default_factory=dict)
    uses: Counter[str] = field(default_factory=Counter)
    stale: dict[FrontendKey, Destination] = field(default_factory=dict)


class Program:
    """The desired tables of one node, one per address family."""

    def __init__(self, config: ProxyConfig, kernels: Mapping[Family, Kernel]) -> None:
        self.config = config
        self.node = Node(config.node_name, frozenset(config.node_ips), config.pod_cidrs)
        families = {family_of(ip) for ip in config.node_ips}
        self.tables = {f: LiveTable(tb.skeleton(config, f), kernels[f]) for f in Family if f in families}
        self.services: dict[Name, Service] = {}
        self._slices: dict[Name, dict[Name, Slice]] = {}  # service → slice name → slice
        self._slice_owner: dict[Name, Name] = {}
        self._given: dict[Name, Contribution] = {}
        self._dirty: dict[Name, None] = {}
        self._shared: Counter[tuple[Family, str, bytes]] = Counter()
        self._chains: dict[Family, Counter[str]] = {f: Counter() for f in self.tables}  # verdicts by chain
        self._maps: dict[Family, Counter[str]] = {f: Counter() for f in self.tables}  # chains by affinity map
        self._pending: dict[Family, _Pending] = {f: _Pending() for f in self.tables}
        self._owner: dict[FrontendKey, Name] = {}
        self._waiting: dict[FrontendKey, dict[Name, None]] = {}

    def set_service(self, name: Name, service: Service | None) -> None:
        """A service is so now, or is gone."""
        if self.services.get(name) == service:
            return
        if service is None:
            self.services.pop(name, None)
        else:
            self.services[name] = service
        self._dirty[name] = None

    def set_slice(self, name: Name, found: Slice | None) -> None:
        """An EndpointSlice is so now, or is gone. It may move to another service."""
        before = self._slice_owner.get(name)
        if before is not None and (found is None or found.service != before):
            del self._slices[before][name]
            if not self._slices[before]:
                del self._slices[before]
            del self._slice_owner[name]
            self._dirty[before] = None
        if found is not None:
            held = self._slices.setdefault(found.service, {})
            if held.get(name) != found:
                held[name] = found
                self._slice_owner[name] = found.service
                self._dirty[found.service] = None

    @property
    def pending(self) -> bool:
        """Whether a flush has something to do."""
        return bool(self._dirty) or any(live.behind for live in self.tables.values())

    def local_endpoints(self, name: Name) -> int:
        """How many ready endpoints the service has on this node."""
        service, slices = self.services.get(name), self._slices.get(name, {}).values()
        anyhow = service is not None and service.publish_not_ready
        rows = (e for s in slices for endpoints in s.ports.values() for e in endpoints if e.node == self.node.name)
        return len({e.ip for e in rows if e.ready or anyhow})

    def udp(self) -> list[Destination]:
        """Every UDP frontend: their flows may be stale after others emptied the table for a while."""
        return [destination for given in self._given.values() for destination in given.udp.values()]

    def flush(self) -> Flushed:
        """Commit what has changed, or failed before. The first flush writes the whole table."""
        with _no_collection(len(self._dirty) > _BULK):
            return self._flush()

    def _flush(self) -> Flushed:
        out = Flushed()
        failed: dict[Name, None] = {}
        while dirty := self._dirty:  # a frontend that one service releases may be taken by one that waited for it
            self._dirty = {}
            for name in self._by_need(dirty):
                try:
                    self._update(name)
                except Exception:
                    log.exception("service %s/%s", *name)
                    failed[name] = None
        self._dirty = failed
        for family in self.tables:
            try:
                self._commit(family, out)
            except Exception:
                log.exception("table %s %s", family.keyword, self.config.table_name)
                out.failures += 1
        out.failures += len(failed)
        return out

    def repair(self) -> None:
        """Write all tables anew when others touched them."""
        for live in self.tables.values():
            live.repair()

    def _by_need(self, dirty: Iterable[Name]) -> list[Name]:
        """Those that are gone first, so that what they held is free."""
        return sorted(dirty, key=lambda n: n in self.services)

    def _frontends(self, name: Name) -> list[Frontend]:
        service = self.services.get(name)
        if service is None:
            return []
        slices = list(self._slices.get(name, {}).values())
        return [f for f in frontends(service, slices, self.node) if f.family in self.tables]

    def _claimed(self, name: Name, found: list[Frontend]) -> tuple[list[Frontend], set[FrontendKey]]:
        """The frontends that are this service's (the first to want one has it until it lets go), and the keys of those
        that it must wait for."""
        mine: dict[FrontendKey, Frontend] = {}
        waits: set[FrontendKey] = set()
        for f in found:
            key = (f.family, f.scope.value, frontend_key(f))
            if self._owner.get(key, name) == name:
                mine.setdefault(key, f)
            else:
                waits.add(key)
        return list(mine.values()), waits

    def _update(self, name: Name) -> None:
        """Work out one service anew. Everything that may fail comes before anything is noted."""
        old = self._given.get(name, _NOTHING)
        mine, waits = self._claimed(name, self._frontends(name))
        local = local_addresses(list(self._slices.get(name, {}).values()), self.node) if mine else ()
        new = contribute(mine, old, self._guarded, [x for x in local if x[0] in self.tables])
        for key in new.claims - old.claims:
            self._owner[key] = name
        for key in waits:
            self._waiting.setdefault(key, {})[name] = None
        for key in old.claims - new.claims:
            del self._owner[key]
            for waiter in self._waiting.pop(key, ()):
                self._dirty[waiter] = None
        self._note(old, new)
        if new.claims:
            self._given[name] = new
        else:
            self._given.pop(name, None)

    def _note(self, old: Contribution, new: Contribution) -> None:
        """What the step from one version of a service to the next changes in the tables."""
        for (family, set_name), held in old.elements.items():
            after = new.elements.get((family, set_name), {})
            pending = self._pending[family]
            change = pending.elements.setdefault(set_name, {})
            for key, value in held.items():
                if key not in after:
                    change[key] = None
                _count(pending.uses, value, -1)
        for (family, set_name), held in new.elements.items():
            before = old.elements.get((family, set_name), {})
            pending = self._pending[family]
            change = pending.elements.setdefault(set_name, {})
            for key, value in held.items():
                if before.get(key) != value:
                    change[key] = value
                _count(pending.uses, value, 1)
        self._share(old.shared - new.shared, new.shared - old.shared)
        for frontend, destination in stale(old, new):
            self._pending[destination.family].stale[frontend] = destination

    def _guarded(self, address: str) -> bool:
        """ClusterIPs are guarded as a range; an external IP may be the node's own, whose other ports are not ours."""
        return address not in self.node.ips and not inside(self.config.service_cidrs, address)

    def _share(self, less: Iterable[tuple[Family, str, bytes]], more: Iterable[tuple[Family, str, bytes]]) -> None:
        for sign, keys in ((1, more), (-1, less)):
            for key in keys:
                self._shared[key] += sign
                family, set_name, element = key
                there = self._shared[key] > 0
                self._pending[family].elements.setdefault(set_name, {})[element] = b"" if there else None
                if not there:
                    del self._shared[key]

    def _commit(self, family: Family, out: Flushed) -> None:
        """Write a family's changes. What fails stays pending, or is in the table's mirror and written by the next."""
        live, pending = self.tables[family], self._pending[family]
        chains, maps = self._chains[family], self._maps[family]
        counts = {chain: chains[chain] + delta for chain, delta in pending.uses.items()}
        add = [chain for chain, count in counts.items() if count and not chains[chain]]
        drop = [chain for chain, count in counts.items() if not count and chains[chain]]
        users = Counter(filter(None, map(tb.sticky_service_port, add)))
        users.subtract(Counter(filter(None, map(tb.sticky_service_port, drop))))
        clients = {port: maps[port] + delta for port, delta in users.items()}
        objects = Objects(
            add_sets=[tb.affinity_map(port, family) for port, count in clients.items() if count and not maps[port]],
            add_chains=[tb.backend_chain(chain, family) for chain in add],
            drop_chains=drop,
            drop_sets=[tb.affinity_map(port, family).name for port, count in clients.items() if not count],
        )
        whole = live.behind
        tx = live.note(pending.elements, objects)
        _set_counts(chains, counts)
        _set_counts(maps, clients)
        self._pending[family] = _Pending(stale=pending.stale)
        live.write(tx)
        if tx and not whole:
            out.transactions.append(tx)
        out.stale += pending.stale.values()
        pending.stale.clear()


def _count(uses: Counter[str], value: Value, delta: int) -> None:
    if isinstance(value, Verdict) and "-lb-" in value.chain:
        uses[value.chain] += delta


def _set_counts(counts: dict[str, int], changed: Mapping[str, int]) -> None:
    for key, count in changed.items():
        if count:
            counts[key] = count
        else:
            counts.pop(key, None)
