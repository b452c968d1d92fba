"""A packet through a table, rule by rule, as the kernel's virtual machine would run it.

Used by tests on the fake kernel, and by whoever wants to be told why a packet went where it went. It follows the
*first* packet of a connection, which is the only one that nat chains see.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kubette.nft import expr as e
from kubette.nft.types import Chain, Hook, Table, Value

TCP, UDP, SCTP = 6, 17, 132


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a flow. Addresses are packed; ``dport`` is 0 where the protocol has none."""

    family: e.Family
    src: bytes
    dst: bytes
    proto: int
    dport: int
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that matched: where, which, and what it decided."""

    chain: str
    rule: int
    what: str


@dataclass
class Outcome:
    """What became of the packet: ``fate`` is accept, drop, reset or unreachable."""

    packet: Packet
    fate: str = "accept"
    dnat: tuple[bytes, int] | None = None
    snat: bytes | None = None
    steps: list[Step] = field(default_factory=list)


class _Stop(Exception):
    """The rule ended early (a miss or an unequal comparison)."""


class Tracer:
    """Runs packets through one table. ``random`` gives a number below its argument; ``now`` is in seconds;
    ``loops`` tells for which destinations the node routes to its own ``lo``.

    Elements that rules add live in ``dynamic`` (set → key → (value, expiry)).
    """

    def __init__(
        self,
        table: Table,
        random: Callable[[int], int],
        now: Callable[[], float] = lambda: 0.0,
        loops: Callable[[bytes], bool] = lambda address: False,
    ) -> None:
        self.table = table
        self._loops = loops
        self._random = random
        self._now = now
        self.dynamic: dict[str, dict[bytes, tuple[bytes, float]]] = {}

    def prerouting(self, packet: Packet) -> Outcome:
        """A packet that comes in from a pod or from outside, up to and with postrouting."""
        return self._route(packet, Hook.PREROUTING)

    def output(self, packet: Packet) -> Outcome:
        """A packet of the node's own processes, up to and with postrouting."""
        return self._route(packet, Hook.OUTPUT)

    def _route(self, packet: Packet, entry: Hook) -> Outcome:
        out = Outcome(packet)
        self._hook(entry, out)
        self._hook(Hook.POSTROUTING, out)
        if entry is Hook.OUTPUT and self._loops(out.packet.dst):
            self._hook(Hook.PREROUTING, out, again=True)
        return out

    def _hook(self, hook: Hook, out: Outcome, again: bool = False) -> None:
        """Run a hook's base chains; nat ones only the first time that a flow is seen."""
        chains = [c for c in self.table.chains.values() if c.hook is hook and not (again and c.kind == "nat")]
        for base in sorted(chains, key=lambda c: c.priority):
            if out.fate == "accept":
                self._chain(base, out)

    def _chain(self, chain: Chain, out: Outcome) -> bool:
        """True when evaluation of the base chain is over."""
        for index, rule in enumerate(chain.rules):
            verdict = self._rule(chain, index, rule, out)
            while verdict is not None:
                if verdict.code is e.Code.RETURN:
                    return False
                if verdict.code in (e.Code.DROP, e.Code.ACCEPT):
                    if verdict.code is e.Code.DROP and out.fate == "accept":
                        out.fate = "drop"
                    return True
                done = self._chain(self.table.chains[verdict.chain], out)
                if done:
                    return True
                if verdict.code is e.Code.GOTO:
                    return False
                verdict = None
        return False

    def _rule(self, chain: Chain, index: int, rule: e.Rule, out: Outcome) -> e.Verdict | None:
        regs = bytearray(64)
        verdict: e.Verdict | None = None
        try:
            for x in rule:
                verdict = self._run(x, regs, out) or verdict
        except _Stop:
            return None
        what = str(verdict) if verdict else type(rule[-1]).__name__.lower()
        out.steps.append(Step(chain.name, index, what))
        return verdict

    def _run(self, x: e.Expr, regs: bytearray, out: Outcome) -> e.Verdict | None:
        match x:
            case e.Payload(reg, base, offset, size):
                _store(regs, reg, _payload(out.packet, base, offset, size))
            case e.Meta(reg, key):
                is_proto = key is e.MetaKey.L4PROTO
                _store(regs, reg, bytes((out.packet.proto,)) if is_proto else struct.pack("=I", out.packet.mark))
            case e.CtState(reg):
                _store(regs, reg, struct.pack("=I", 8))
            case e.MetaSet(reg, _):
                out.packet = replace(out.packet, mark=struct.unpack("=I", _load(regs, reg, 4))[0])
            case e.Immediate(reg, data):
                _store(regs, reg, data)
            case e.Judge(verdict):
                return verdict
            case e.Cmp(reg, data, equal):
                if (_load(regs, reg, len(data)) == data) is not equal:
                    raise _Stop
            case e.Bitwise(reg, mask, xor):
                held = _load(regs, reg, len(mask))
                _store(regs, reg, bytes(a & m ^ b for a, m, b in zip(held, mask, xor, strict=True)))
            case e.Numgen(reg, modulus):
                _store(regs, reg, struct.pack("=I", self._random(modulus)))
            case e.Lookup(name, reg, inverted):
                if (self._find(name, regs, reg) is None) is not inverted:
                    raise _Stop
            case e.MapLookup(name, reg, dest):
                _store(regs, dest, _bytes(self._find(name, regs, reg)))
            case e.VerdictLookup(name, reg):
                found = self._find(name, regs, reg)
                if not isinstance(found, e.Verdict):
                    raise _Stop
                return found
            case e.Dynset():
                self._dynset(x, regs)
            case e.Nat(family, reg_addr, reg_port, source):
                self._nat(out, _load(regs, reg_addr, family.size), reg_port, regs, source)
                return e.ACCEPT
            case e.Reject(_, tcp_reset):
                out.fate = "reset" if tcp_reset else "unreachable"
                return e.DROP
        return None

    @staticmethod
    def _nat(out: Outcome, address: bytes, reg_port: int | None, regs: bytearray, source: bool) -> None:
        if source:
            out.snat = address
            out.packet = replace(out.packet, src=address)
            return
        port = struct.unpack(">H", _load(regs, reg_port, 2))[0] if reg_port is not None else out.packet.dport
        out.dnat = (address, port)
        out.packet = replace(out.packet, dst=address, dport=port)

    def _find(self, name: str, regs: bytearray, reg: int) -> Value | None:
        spec = self.table.sets[name]
        key = _load(regs, reg, spec.key_size)
        if spec.interval:
            return next((v for k, v in self.table.elements[name].items() if _within(spec.key, key, k)), None)
        live = self.dynamic.get(name, {}).get(key)
        if live is not None and live[1] > self._now():
            return live[0]
        return self.table.elements[name].get(key)

    def _dynset(self, x: e.Dynset, regs: bytearray) -> None:
        spec = self.table.sets[x.map]
        held = self.dynamic.setdefault(x.map, {})
        key = _load(regs, x.reg_key, spec.key_size)
        if x.op is e.DynOp.DELETE:
            held.pop(key, None)
            return
        value = _load(regs, x.reg_data, spec.data_size)
        old = held.get(key)
        alive = sum(expiry > self._now() for _, expiry in held.values())
        if old is not None and old[1] > self._now():
            value = old[0]  # an update renews the expiry and keeps the value, as the kernel does
        elif spec.size and alive >= spec.size:
            raise _Stop  # full
        held[key] = (value, self._now() + x.timeout_ms / 1000)


def _bytes(value: Value | None) -> bytes:
    if not isinstance(value, bytes):
        raise _Stop
    return value


def _store(regs: bytearray, reg: int, data: bytes) -> None:
    size = (len(data) + 3) & ~3
    regs[reg * 4 : reg * 4 + size] = data.ljust(size, b"\0")


def _load(regs: bytearray, reg: int, size: int) -> bytes:
    return bytes(regs[reg * 4 : reg * 4 + size])


def _payload(packet: Packet, base: e.Base, offset: int, size: int) -> bytes:
    if base is e.Base.TRANSPORT:
        if offset == 2 and size == 2 and packet.proto in (TCP, UDP, SCTP):
            return struct.pack(">H", packet.dport)
        return bytes(size)
    first = 12 if packet.family is e.Family.IPV4 else 8
    addresses = packet.src + packet.dst
    return addresses[offset - first : offset - first + size]


def _within(fields: tuple[object, ...], key: bytes, bounds: bytes) -> bool:
    low, high = bounds[: len(key)], bounds[len(key) :]
    at = 0
    for f in fields:
        size = (getattr(f, "size", 4) + 3) & ~3
        if not low[at : at + size] <= key[at : at + size] <= high[at : at + size]:
            return False
        at += size
    return True
