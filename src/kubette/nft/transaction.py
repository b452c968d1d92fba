"""A change of the ruleset as an ordered list of operations: printable, comparable, applied whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from kubette.nft.expr import Family, Rule
from kubette.nft.types import Chain, Elements, Set, Table


@dataclass(frozen=True, slots=True)
class AddTable:
    """Create a table; no error when it exists."""

    def __str__(self) -> str:
        return "add table"


@dataclass(frozen=True, slots=True)
class DelTable:
    """Delete the table with all it holds."""

    def __str__(self) -> str:
        return "delete table"


@dataclass(frozen=True, slots=True)
class AddChain:
    """Create a chain without its rules."""

    chain: Chain

    def __str__(self) -> str:
        return f"add chain {self.chain.name}"


@dataclass(frozen=True, slots=True)
class DelChain:
    """Delete an unused chain with its rules."""

    name: str

    def __str__(self) -> str:
        return f"delete chain {self.name}"


@dataclass(frozen=True, slots=True)
class AddRule:
    """Append a rule."""

    chain: str
    rule: Rule

    def __str__(self) -> str:
        return f"add rule {self.chain} {' '.join(type(e).__name__.lower() for e in self.rule)}"


@dataclass(frozen=True, slots=True)
class AddSet:
    """Create a set or map."""

    set: Set

    def __str__(self) -> str:
        return f"add {'map' if self.set.data or self.set.verdicts else 'set'} {self.set.name}"


@dataclass(frozen=True, slots=True)
class DelSet:
    """Delete a set or map, with its elements, that no rule refers to."""

    name: str

    def __str__(self) -> str:
        return f"delete set {self.name}"


@dataclass(frozen=True, slots=True)
class AddElements:
    """Add elements; one that exists with another value is an error."""

    set: Set
    elements: Elements

    def __str__(self) -> str:
        return f"add {len(self.elements)} to {self.set.name}"


@dataclass(frozen=True, slots=True)
class DelElements:
    """Delete elements by key; one that does not exist is an error."""

    set: Set
    keys: tuple[bytes, ...]

    def __str__(self) -> str:
        return f"delete {len(self.keys)} from {self.set.name}"


Op: TypeAlias = AddTable | DelTable | AddChain | DelChain | AddRule | AddSet | DelSet | AddElements | DelElements


@dataclass
class Transaction:
    """Operations on one table, in order."""

    family: Family
    table: str
    ops: list[Op] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.ops)

    def __str__(self) -> str:
        head = f"{self.family.keyword} {self.table}"
        return "\n".join(f"{head}: {op}" for op in self.ops)

    @property
    def weight(self) -> int:
        """How many elements it touches."""
        return sum(
            len(op.elements) if isinstance(op, AddElements) else len(op.keys) if isinstance(op, DelElements) else 0
            for op in self.ops
        )


def add_chain(tx: Transaction, chain: Chain) -> None:
    """Append the chain and its rules."""
    tx.ops.append(AddChain(chain))
    tx.ops.extend(AddRule(chain.name, rule) for rule in chain.rules)


def replace(table: Table) -> Transaction:
    """The transaction that makes a table exactly so, whatever was there before.

    Adding before deleting makes the deletion succeed also when there was none.
    """
    tx = Transaction(table.family, table.name, [AddTable(), DelTable(), AddTable()])
    tx.ops.extend(AddSet(spec) for spec in table.sets.values())
    tx.ops.extend(AddChain(chain) for chain in table.chains.values())
    for name, elements in table.elements.items():
        if elements:
            tx.ops.append(AddElements(table.sets[name], elements))
    for chain in table.chains.values():
        tx.ops.extend(AddRule(chain.name, rule) for rule in chain.rules)
    return tx


def remove(family: Family, name: str) -> Transaction:
    """The transaction after which there is no such table."""
    return Transaction(family, name, [AddTable(), DelTable()])


def extend(tx: Transaction, ops: Iterable[Op]) -> Transaction:
    """Append operations."""
    tx.ops.extend(ops)
    return tx
