"""The cluster's names and their records: updated one service at a time, queried one question at a time.

No I/O. Every change returns the names whose answers it may alter, so that ready answers are dropped exactly when
they become wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubette.dns import wire
from kubette.dns.objects import Key, Service, Slice
from kubette.dns.records import Records, RRset, of_service, reverse_zones, undashed

SCHEMA_VERSION = "1.1.0"
_SERVER = (b"\x02ns", b"\x03dns")  # ns.dns.<domain>, as CoreDNS calls the server itself
_SERVICE = ("kube-system", "kube-dns")  # … whose addresses are those of this service


@dataclass(frozen=True, slots=True)
class Answer:
    """Records are wire bytes; the owner of the first is the question's name. ``cname``: where to go on."""

    rcode: int
    answers: tuple[bytes, ...] = ()
    authority: tuple[bytes, ...] = ()
    additional: tuple[bytes, ...] = ()
    cname: bytes = b""


class Zone:
    """The cluster domain and its reverse zones. ``ready``: every object has been read once."""

    def __init__(self, domain: str, cidrs: Iterable[str] = (), *, ttl: int = 5, negative_ttl: int = 5) -> None:
        self.domain = wire.name(domain)
        self.ready = False
        self._ttl = ttl
        self._apexes = frozenset((self.domain, *(z for c in cidrs for z in reverse_zones(c))))
        self._services: dict[Key, Service] = {}
        self._slices: dict[Key, dict[Key, Slice]] = {}  # service → its slices
        self._service_of: dict[Key, Key] = {}  # slice → service
        self._owners: dict[bytes, tuple[RRset, ...]] = {}  # forward names: each is one service's
        self._reverse: dict[bytes, dict[Key, tuple[bytes, ...]]] = {}  # may be several services'
        self._owned: dict[Key, Records] = {}
        self._namespaces: set[bytes] = set()
        self._server = server = b"".join(_SERVER) + self.domain
        self._server_owner = b"".join(bytes((len(n),)) + n.encode() for n in _SERVICE[::-1]) + b"\x03svc" + self.domain
        soa = server + b"\x0ahostmaster" + self.domain
        self._soa = soa + b"".join(n.to_bytes(4, "big") for n in (1, 7200, 1800, 86400, negative_ttl))
        self._negative_ttl = negative_ttl
        version = SCHEMA_VERSION.encode()
        self._fixed: dict[bytes, tuple[RRset, ...]] = {
            b"\x0bdns-version" + self.domain: (RRset(wire.TXT, (bytes((len(version),)) + version,)),),
            _SERVER[1] + self.domain: (),
            b"\x03svc" + self.domain: (),
            b"\x03pod" + self.domain: (),
        }
        for apex in self._apexes:
            self._fixed[apex] = (RRset(wire.SOA, (self._soa,)), RRset(wire.NS, (server,), (server,)))

    # -- updates -----------------------------------------------------------------------------

    def set_service(self, key: Key, service: Service | None) -> set[bytes]:
        """Add, change or remove (None) a service. Returns the names whose answers may differ now."""
        if service is None:
            self._services.pop(key, None)
        else:
            self._services[key] = service
        return self._refresh(key)

    def set_slice(self, key: Key, slice_: Slice | None) -> set[bytes]:
        """Add, change or remove (None) an EndpointSlice. Returns the names whose answers may differ now."""
        changed: set[bytes] = set()
        before = self._service_of.pop(key, None)
        if before is not None:
            rest = self._slices[before]
            del rest[key]
            if not rest:
                del self._slices[before]
            if slice_ is None or slice_.service != before:
                changed |= self._refresh(before)
        if slice_ is not None:
            self._service_of[key] = slice_.service
            self._slices.setdefault(slice_.service, {})[key] = slice_
            changed |= self._refresh(slice_.service)
        return changed

    def set_namespace(self, name: str, exists: bool) -> None:
        """Add or remove a namespace: every ready answer below it may differ now."""
        label = wire.name(name)[:-1]
        (self._namespaces.add if exists else self._namespaces.discard)(label)

    def _refresh(self, key: Key) -> set[bytes]:
        service = self._services.get(key)
        slices = [self._slices[key][k] for k in sorted(self._slices.get(key, ()))]
        new: Records = of_service(service, slices, self.domain) if service is not None else {}
        old = self._owned.get(key, {})
        if new == old:
            return set()
        for owner in old.keys() - new.keys():
            self._put(key, owner, ())
        for owner, sets in new.items():
            self._put(key, owner, sets, present=True)
        if new:
            self._owned[key] = new
        else:
            del self._owned[key]
        return {*old, *new, *((self._server, *self._apexes) if key == _SERVICE else ())}

    def _put(self, key: Key, owner: bytes, sets: tuple[RRset, ...], *, present: bool = False) -> None:
        if not owner.endswith(b"\x04arpa\0"):
            if present:
                self._owners[owner] = sets
            else:
                self._owners.pop(owner, None)
            return
        names = self._reverse.setdefault(owner, {})
        names.pop(key, None)
        if present:
            names[key] = sets[0].rdatas
        elif not names:
            del self._reverse[owner]

    # -- questions -----------------------------------------------------------------------------

    def apex(self, name: bytes) -> bytes | None:
        """The zone of this server that the name lies in; None when other servers have to be asked."""
        for suffix in wire.suffixes(name):
            if suffix in self._apexes:
                return suffix
        return None

    def answer(self, name: bytes, type_: int, owner: bytes = wire.QUESTION) -> Answer | None:
        """None when the name is in no zone of this server. ``owner``: the name as the answers write it."""
        apex = self.apex(name)
        sets = self._find(name, apex)
        if apex is None and not sets:
            return None
        if sets is None:
            return Answer(wire.NXDOMAIN, authority=self._negative(apex))
        answers, additional = self._matching(sets, type_, owner)
        if answers:
            return Answer(wire.NOERROR, answers, additional=additional)
        for rrset in sets:
            if rrset.type == wire.CNAME:
                row = wire.record(owner, wire.CNAME, self._ttl, rrset.rdatas[0])
                return Answer(wire.NOERROR, (row,), cname=rrset.rdatas[0])
        return Answer(wire.NOERROR, authority=self._negative(apex))

    def _find(self, name: bytes, apex: bytes | None) -> tuple[RRset, ...] | None:
        """The record sets of a name; None when it does not exist."""
        if (sets := self._owners.get(name)) is not None:
            return sets
        if by_service := self._reverse.get(name):
            rdatas = dict.fromkeys(r for row in by_service.values() for r in row)
            return (RRset(wire.PTR, tuple(rdatas)),)
        if (sets := self._fixed.get(name)) is not None:
            return sets
        if name == self._server:
            return tuple(s for s in self._owners.get(self._server_owner, ()) if s.type in (wire.A, wire.AAAA))
        if apex == self.domain:
            return self._by_shape(wire.labels(name[: len(name) - len(apex)] + b"\0"))
        if apex is not None and self._holds_reverse(name):
            return ()
        return None

    def _by_shape(self, labels: list[bytes]) -> tuple[RRset, ...] | None:
        """``NS.svc``, ``NS.pod`` and ``A-B-C-D.NS.pod``: known without being kept."""
        if len(labels) not in (2, 3) or labels[-1] not in (b"svc", b"pod"):
            return None
        namespace = labels[-2]
        if bytes((len(namespace),)) + namespace not in self._namespaces:
            return None
        if len(labels) == 2:
            return ()
        if labels[-1] == b"pod" and (ip := undashed(labels[0].decode("ascii", "replace"))):
            return (RRset(wire.A if len(ip) == 4 else wire.AAAA, (ip,)),)
        return None

    def _holds_reverse(self, name: bytes) -> bool:
        """A name between a reverse zone and an address in it exists as soon as an address below it does."""
        return any(owner.endswith(name) for owner in self._reverse)

    def _matching(
        self, sets: tuple[RRset, ...], type_: int, owner: bytes
    ) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        answers: list[bytes] = []
        additional: list[bytes] = []
        for rrset in sets:
            if type_ in (rrset.type, wire.ANY):
                answers += [wire.record(owner, rrset.type, self._ttl, r) for r in rrset.rdatas]
                for target in rrset.targets:
                    for own in self._owners.get(self._server_owner if target == self._server else target, ()):
                        if own.type in (wire.A, wire.AAAA):
                            additional += [wire.record(target, own.type, self._ttl, r) for r in own.rdatas]
        return tuple(answers), tuple(additional)

    def _negative(self, apex: bytes | None) -> tuple[bytes, ...]:
        return (wire.record(apex, wire.SOA, self._negative_ttl, self._soa),) if apex is not None else ()
