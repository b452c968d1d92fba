"""One table, kept as it should be: a mirror in memory, changes applied as differences, repair when others meddle.

Nothing is ever read back. What the table should hold is known here, so a change is the difference to that, and after
``nft flush ruleset`` by somebody else the whole is written again in one transaction.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from kubette.nft import transaction as t
from kubette.nft.errors import Interrupted, NftError
from kubette.nft.types import Chain, Change, Elements, Table

log = logging.getLogger(__name__)


class Backend(Protocol):
    """``socket.Kernel`` or ``fake.FakeKernel``."""

    def commit(self, tx: t.Transaction) -> None:
        """Apply whole or raise."""

    def subscribe(self) -> None:
        """Hear of foreign changes."""

    def foreign(self) -> set[tuple[int, str]] | None:
        """Tables touched by others; None when unknown."""

    def noticed(self) -> bool:
        """Whether a foreign change was read with a commit's answer, so that the socket will not tell."""

    def fileno(self) -> int:
        """Readable when others touched something."""


def difference(
    table: Table, change: Change, add_chains: Iterable[Chain] = (), drop_chains: Iterable[str] = ()
) -> t.Transaction:
    """The transaction that brings ``table`` to ``change``. Pure; the order is one the kernel accepts.

    New chains come before the verdicts that name them, deletions before additions (an element's value is
    changed by deleting and adding it), old chains last.
    """
    tx = t.Transaction(table.family, table.name)
    for chain in add_chains:
        if chain.name not in table.chains:
            t.add_chain(tx, chain)
    additions: list[t.Op] = []
    for name, wanted in change.items():
        spec, held = table.sets[name], table.elements[name]
        gone: list[bytes] = []
        new: Elements = {}
        for key, value in wanted.items():
            old = held.get(key)
            if old == value:
                continue
            if old is not None:
                gone.append(key)
            if value is not None:
                new[key] = value
        if gone:
            tx.ops.append(t.DelElements(spec, tuple(gone)))
        if new:
            additions.append(t.AddElements(spec, new))
    tx.ops.extend(additions)
    tx.ops.extend(t.DelChain(name) for name in drop_chains if name in table.chains)
    return tx


class LiveTable:
    """The mirror of one table and the backend that it is written to."""

    def __init__(self, table: Table, backend: Backend) -> None:
        self.table = table
        self.backend = backend
        self.commits = 0
        self.repairs = 0
        self._wake: Callable[[], None] | None = None

    def load(self) -> None:
        """Write the whole table, replacing what was there, in one transaction."""
        self._commit(t.replace(self.table))

    def apply(self, change: Change, add_chains: Iterable[Chain] = (), drop_chains: Iterable[str] = ()) -> t.Transaction:
        """Bring the table to a change and return what was done.

        When the kernel refuses (somebody else changed our table), the whole table is written instead.
        """
        add, drop = list(add_chains), list(drop_chains)
        tx = difference(self.table, change, add, drop)
        self._note(change, add, drop)
        if tx:
            try:
                self._commit(tx)
            except NftError as err:
                log.warning("table %s was not as expected (%s): writing it anew", self.table.name, err)
                self.repairs += 1
                self.load()
        return tx

    def stage(self, change: Change, add_chains: Iterable[Chain] = ()) -> None:
        """Note a change without writing it; ``load`` writes the whole."""
        self._note(change, add_chains, ())

    def repair(self) -> bool:
        """Write the table anew when others touched it; whether that was so."""
        touched = self.backend.foreign()
        if touched is not None and (int(self.table.family), self.table.name) not in touched:
            return False
        log.warning("table %s was changed by somebody else: writing it anew", self.table.name)
        self.repairs += 1
        self.load()
        return True

    def watch(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """Repair as soon as the backend's socket says that others changed something; returns what ends it.

        A reader of the event loop, not a task: nothing polls.
        """
        self.backend.subscribe()
        fd = self.backend.fileno()
        attempts = 0

        def on_readable() -> None:
            nonlocal attempts
            try:
                self.repair()
                attempts = 0
            except NftError as err:
                attempts += 1
                log.error("cannot repair table %s: %s", self.table.name, err)
                if attempts < 8:
                    loop.call_later(0.1 * attempts, on_readable)

        def wake() -> None:
            loop.call_soon(on_readable)

        self._wake = wake
        loop.add_reader(fd, on_readable)

        def stop() -> None:
            self._wake = None
            loop.remove_reader(fd)

        return stop

    def remove(self) -> None:
        """Delete the table from the kernel; the mirror stays."""
        self._commit(t.remove(self.table.family, self.table.name))

    def _commit(self, tx: t.Transaction) -> None:
        for last in (False, False, True):
            try:
                self.backend.commit(tx)
                self.commits += 1
                break
            except Interrupted:
                if last:
                    raise
        if self._wake is not None and self.backend.noticed():
            self._wake()

    def _note(self, change: Change, add_chains: Iterable[Chain], drop_chains: Iterable[str]) -> None:
        for chain in add_chains:
            self.table.chains.setdefault(chain.name, chain)
        for name in drop_chains:
            self.table.chains.pop(name, None)
        for name, wanted in change.items():
            held = self.table.elements[name]
            for key, value in wanted.items():
                if value is None:
                    held.pop(key, None)
                else:
                    held[key] = value
