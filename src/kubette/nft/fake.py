"""nftables in memory, obeying the same contract as the kernel (one test holds both to it).

It takes the same transactions, refuses what the kernel refuses with the same errors, applies whole or not at all, and
lets a packet be traced through its rules (``tracer``). Others may meddle with it: ``flush_ruleset``.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import os

from kubette.nft import transaction as t
from kubette.nft.errors import classify
from kubette.nft.expr import Family, Rule, Verdict, VerdictLookup
from kubette.nft.types import Elements, Set, Table


class FakeKernel:
    """A network namespace's nftables. The interface of ``socket.Kernel``, and a little more for tests."""

    def __init__(self) -> None:
        self.tables: dict[tuple[Family, str], Table] = {}
        self.log: list[t.Transaction] = []
        self._touched: set[tuple[int, str]] = set()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def commit(self, tx: t.Transaction) -> None:
        """Apply whole, or raise NftError and change nothing."""
        if not tx:
            return
        id_ = (tx.family, tx.table)
        saved = self.tables.get(id_)
        work = copy.deepcopy(saved)
        for op in tx.ops:
            work = _apply(tx, work, op)
        if work is None:
            self.tables.pop(id_, None)
        else:
            _check_references(work, tx)
            self.tables[id_] = work
        self.log.append(tx)

    def elements(self, family: Family, table: str, spec: Set) -> Elements:
        """The contents of a set."""
        try:
            return dict(self.tables[family, table].elements[spec.name])
        except KeyError:
            raise classify(errno.ENOENT, f"elements of {spec.name}") from None

    def subscribe(self) -> None:
        """Nothing to do: foreign changes are always noted."""

    def foreign(self) -> set[tuple[int, str]] | None:
        """Tables that others touched since the last call."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        touched, self._touched = self._touched, set()
        return touched

    def noticed(self) -> bool:
        """Whether ``foreign`` would tell something."""
        return bool(self._touched)

    def flush_ruleset(self) -> None:
        """What ``nft flush ruleset`` by somebody else does."""
        self._touched |= {(int(family), name) for family, name in self.tables}
        self.tables.clear()
        os.eventfd_write(self._bell, 1)

    def fileno(self) -> int:
        """Readable after somebody else's change."""
        return self._bell

    def close(self) -> None:
        """Close the bell."""
        os.close(self._bell)


def _apply(tx: t.Transaction, table: Table | None, op: t.Op) -> Table | None:
    if isinstance(op, t.AddTable):
        return table or Table(tx.family, tx.table)
    if table is None:
        raise classify(errno.ENOENT, op)
    match op:
        case t.DelTable():
            return None
        case t.AddChain(chain):
            if chain.name not in table.chains:
                bare = type(chain)(chain.name, (), chain.kind, chain.hook, chain.priority)
                table.chains[chain.name] = bare
        case t.DelChain(name):
            if table.chains.pop(name, None) is None:
                raise classify(errno.ENOENT, op)
        case t.AddRule(name, rule):
            if name not in table.chains:
                raise classify(errno.ENOENT, op)
            old = table.chains[name]
            table.chains[name] = type(old)(name, (*old.rules, rule), old.kind, old.hook, old.priority)
        case t.AddSet(spec):
            if table.sets.setdefault(spec.name, spec) != spec:
                raise classify(errno.EEXIST, op)
            table.elements.setdefault(spec.name, {})
        case t.DelSet(name):
            if table.sets.pop(name, None) is None:
                raise classify(errno.ENOENT, op)
            del table.elements[name]
            if any(name in _sets_of(rule) for chain in table.chains.values() for rule in chain.rules):
                raise classify(errno.EBUSY, op)
        case t.AddElements(spec, elements):
            held = _contents(table, spec, op)
            for key, value in elements.items():
                if len(key) != spec.key_size * (1 + spec.interval):
                    raise classify(errno.EINVAL, op)
                if isinstance(value, Verdict) and value.chain and value.chain not in table.chains:
                    raise classify(errno.ENOENT, op)
                if held.setdefault(key, value) != value:
                    raise classify(errno.EEXIST, op)
        case t.DelElements(spec, keys):
            held = _contents(table, spec, op)
            for key in keys:
                if held.pop(key, None) is None:
                    raise classify(errno.ENOENT, op)
    return table


def _contents(table: Table, spec: Set, op: t.Op) -> Elements:
    if spec.name not in table.elements:
        raise classify(errno.ENOENT, op)
    return table.elements[spec.name]


def _check_references(table: Table, tx: t.Transaction) -> None:
    """A chain that is referred to cannot go; a rule may only name what exists."""
    for spec in table.sets.values():
        if spec.verdicts:
            for value in table.elements[spec.name].values():
                if isinstance(value, Verdict) and value.chain and value.chain not in table.chains:
                    raise classify(errno.EBUSY, f"chain {value.chain} of {tx.table}")
    for chain in table.chains.values():
        for rule in chain.rules:
            _check_rule(table, rule)


def _sets_of(rule: Rule) -> set[str]:
    names = {getattr(x, "set", None) or getattr(x, "map", None) for x in rule}
    return {name for name in names if name is not None}


def _check_rule(table: Table, rule: Rule) -> None:
    for name in _sets_of(rule) - table.sets.keys():
        raise classify(errno.ENOENT, f"set {name}")
    for x in rule:
        if isinstance(x, VerdictLookup) and not table.sets[x.map].verdicts:
            raise classify(errno.EINVAL, f"map {x.map}")
        verdict = getattr(x, "verdict", None)
        if isinstance(verdict, Verdict) and verdict.chain and verdict.chain not in table.chains:
            raise classify(errno.ENOENT, f"chain {verdict.chain}")
