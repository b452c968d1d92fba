"""Services and endpoints in, transactions out: the level-triggered middle of the proxy. No I/O but the tables' commit.

``set_service`` and ``set_slice`` note what is; ``flush`` works out what that changes and commits it, one transaction a
family. Any event may be repeated; work is done for the services touched and no others.
"""

from __future__ import annotations

import contextlib
import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kubette.nft.expr import Family, Verdict
from kubette.nft.live import Backend as Kernel
from kubette.nft.live import LiveTable
from kubette.nft.transaction import Transaction
from kubette.nft.types import Value, family_of, inside
from kubette.proxy import table as tb
from kubette.proxy.config import ProxyConfig
from kubette.proxy.contribution import Contribution, Flow, FrontendKey, contribute, frontend_key
from kubette.proxy.policy import Frontend, Node, frontends, local_addresses
from kubette.proxy.state import Name, Service, Slice

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
    """What a flush did: the transactions, and UDP frontends whose flows may be stale now."""

    transactions: list[Transaction] = field(default_factory=list)
    stale: list[Flow] = field(default_factory=list)


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
        self._chains: dict[Family, Counter[str]] = {f: Counter() for f in self.tables}
        self._owner: dict[FrontendKey, Name] = {}
        self._waiting: dict[FrontendKey, dict[Name, None]] = {}
        self._loaded = False

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
        return bool(self._dirty) or not self._loaded

    def local_endpoints(self, name: Name) -> int:
        """How many ready endpoints the service has on this node."""
        service, slices = self.services.get(name), self._slices.get(name, {}).values()
        anyhow = service is not None and service.publish_not_ready
        rows = (e for s in slices for endpoints in s.ports.values() for e in endpoints if e.node == self.node.name)
        return len({e.ip for e in rows if e.ready or anyhow})

    def flush(self) -> Flushed:
        """Commit what has changed. The first flush writes the whole table."""
        with _no_collection(len(self._dirty) > _BULK):
            return self._flush()

    def _flush(self) -> Flushed:
        changes: dict[Family, dict[str, dict[bytes, Value | None]]] = {f: {} for f in self.tables}
        used = {f: Counter[str]() for f in self.tables}
        out = Flushed()
        stale: dict[FrontendKey, Flow] = {}
        dirty = self._dirty
        while dirty:  # a frontend that one service releases may be taken by one that waited for it
            self._dirty = {}
            wanted = [(name, self._frontends(name)) for name in self._by_need(dirty)]
            for name, found in wanted:
                self._update(name, found, changes, used, stale)
            dirty = self._dirty
        self._commit(changes, used, out)
        out.stale = list(stale.values())
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

    def _claim(self, name: Name, found: list[Frontend], old: Contribution) -> list[Frontend]:
        """The frontends that are this service's: the first to want one has it until it lets go."""
        mine: list[Frontend] = []
        keys: set[FrontendKey] = set()
        for f in found:
            key = (f.family, f.scope.value, frontend_key(f))
            if key in keys:
                continue
            if self._owner.setdefault(key, name) == name:
                mine.append(f)
                keys.add(key)
            else:
                self._waiting.setdefault(key, {})[name] = None
        for key in old.claims - keys:
            del self._owner[key]
            for waiter in self._waiting.pop(key, ()):
                self._dirty[waiter] = None
        return mine

    def _update(
        self,
        name: Name,
        found: list[Frontend],
        changes: dict[Family, dict[str, dict[bytes, Value | None]]],
        used: dict[Family, Counter[str]],
        stale: dict[FrontendKey, Flow],
    ) -> None:
        old = self._given.get(name, _NOTHING)
        mine = self._claim(name, found, old)
        local = local_addresses(list(self._slices.get(name, {}).values()), self.node) if mine else ()
        new = contribute(mine, old, self._guarded, [x for x in local if x[0] in self.tables])
        for (family, set_name), held in old.elements.items():
            after = new.elements.get((family, set_name), {})
            change = changes[family].setdefault(set_name, {})
            for key, value in held.items():
                if key not in after:
                    change[key] = None
                _count(used[family], value, -1)
        for (family, set_name), held in new.elements.items():
            before = old.elements.get((family, set_name), {})
            change = changes[family].setdefault(set_name, {})
            for key, value in held.items():
                if before.get(key) != value:
                    change[key] = value
                _count(used[family], value, 1)
        self._share(old.shared - new.shared, new.shared - old.shared, changes)
        for frontend, flow in old.udp.items():
            now = new.udp.get(frontend)
            if now is None or flow.keep - now.keep or not flow.keep:
                stale[frontend] = now or Flow(flow.family, flow.proto, flow.address, flow.port, frozenset())
        stale.update((k, f) for k, f in new.udp.items() if k not in old.udp)
        if new.claims:
            self._given[name] = new
        else:
            self._given.pop(name, None)

    def _guarded(self, address: str) -> bool:
        """ClusterIPs are guarded as a range; an external IP may be the node's own, whose other ports are not ours."""
        return address not in self.node.ips and not inside(self.config.service_cidrs, address)

    def _share(
        self,
        less: Iterable[tuple[Family, str, bytes]],
        more: Iterable[tuple[Family, str, bytes]],
        changes: dict[Family, dict[str, dict[bytes, Value | None]]],
    ) -> None:
        for sign, keys in ((1, more), (-1, less)):
            for key in keys:
                self._shared[key] += sign
                family, set_name, element = key
                there = self._shared[key] > 0
                changes[family].setdefault(set_name, {})[element] = b"" if there else None
                if not there:
                    del self._shared[key]

    def _commit(
        self,
        changes: dict[Family, dict[str, dict[bytes, Value | None]]],
        used: dict[Family, Counter[str]],
        out: Flushed,
    ) -> None:
        for family, live in self.tables.items():
            count = self._chains[family]
            add, drop = [], []
            for chain, delta in used[family].items():
                before, now = count[chain], count[chain] + delta
                count[chain] = now
                if before == 0 and now:
                    add.append(tb.backend_chain(chain, family))
                elif before and now == 0:
                    drop.append(chain)
            if not self._loaded:
                live.stage(changes[family], add)
                live.load()
            else:
                tx = live.apply(changes[family], add, drop)
                if tx:
                    out.transactions.append(tx)
        self._loaded = True


def _count(used: Counter[str], value: Value, delta: int) -> None:
    if isinstance(value, Verdict) and "-lb-" in value.chain:
        used[value.chain] += delta
