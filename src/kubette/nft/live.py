"""One table, kept as it should be: a mirror in memory, changes applied as differences, repair when others meddle.

Nothing is ever read back. What the table should hold is known here, so a change is the difference to that, and after
``nft flush ruleset`` by somebody else the whole is written again in one transaction. The mirror always has what should
be: after a refused commit the table is ``behind``, and the next commit writes the whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from kubette.nft import transaction as t
from kubette.nft.errors import Interrupted, NftError
from kubette.nft.types import Chain, Change, Elements, Set, Table

log = logging.getLogger(__name__)
_FIRST_RETRY, _LAST_RETRY = 0.1, 5.0  # seconds after the kernel refused


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


@dataclass(frozen=True, slots=True)
class Objects:
    """Chains and sets that come or go together with a change of elements."""

    add_sets: Iterable[Set] = ()
    add_chains: Iterable[Chain] = ()
    drop_chains: Iterable[str] = ()
    drop_sets: Iterable[str] = ()


_NO_OBJECTS = Objects()


def difference(table: Table, change: Change, objects: Objects = _NO_OBJECTS) -> t.Transaction:
    """The transaction that brings ``table`` to ``change``. Pure; the order is one the kernel accepts.

    New sets come before the chains that name them, new chains before the verdicts that name them, deletions before
    additions (an element's value is changed by deleting and adding it), old chains and then old sets last.
    """
    tx = t.Transaction(table.family, table.name)
    tx.ops.extend(t.AddSet(spec) for spec in objects.add_sets if spec.name not in table.sets)
    for chain in objects.add_chains:
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
    tx.ops.extend(t.DelChain(name) for name in objects.drop_chains if name in table.chains)
    tx.ops.extend(t.DelSet(name) for name in objects.drop_sets if name in table.sets)
    return tx


class LiveTable:
    """The mirror of one table and the backend that it is written to."""

    def __init__(self, table: Table, backend: Backend) -> None:
        self.table = table
        self.backend = backend
        self.commits = 0
        self.repairs = 0
        self.behind = True  # the kernel's table is not the mirror, or nobody knows
        self._wake: Callable[[], None] | None = None

    def load(self) -> None:
        """Write the whole table, replacing what was there, in one transaction. NftError when the kernel refuses."""
        self.behind = True
        self._commit(t.replace(self.table))
        self.behind = False

    def note(self, change: Change, objects: Objects = _NO_OBJECTS) -> t.Transaction:
        """Bring the mirror to a change; returns the transaction that ``write`` is to make of it."""
        tx = difference(self.table, change, objects)
        self._note(change, objects)
        return tx

    def write(self, tx: t.Transaction) -> None:
        """Bring the kernel from the mirror before ``note`` to the present one.

        When it refuses (somebody else changed our table), the whole table is written instead. When it refuses that as
        well, this raises NftError; the next ``write``, whatever of, writes the whole again."""
        if self.behind:
            self._reload()
        elif tx:
            self.behind = True
            try:
                self._commit(tx)
                self.behind = False
            except NftError as err:
                log.warning("table %s was not as expected (%s): writing it anew", self.table.name, err)
                self.repairs += 1
                self._reload()

    def apply(self, change: Change, objects: Objects = _NO_OBJECTS) -> t.Transaction:
        """``note`` and ``write``; returns what was done."""
        tx = self.note(change, objects)
        self.write(tx)
        return tx

    def repair(self) -> bool:
        """Write the table anew when others touched it, or when it is behind; whether that was so."""
        touched = self.backend.foreign()
        foreign = touched is None or (int(self.table.family), self.table.name) in touched
        if not foreign and not self.behind:
            return False
        if foreign:
            log.warning("table %s was changed by somebody else: writing it anew", self.table.name)
            self.behind = True
        self.repairs += 1
        self.load()
        return True

    def watch(self, loop: asyncio.AbstractEventLoop, repaired: Callable[[], None] = lambda: None) -> Callable[[], None]:
        """Repair as soon as the backend's socket says that others changed something, and again until the kernel accepts
        it; ``repaired`` is called then. Returns what ends it.

        A reader of the event loop, not a task: nothing polls.
        """
        self.backend.subscribe()
        fd = self.backend.fileno()
        waiting: asyncio.Handle | None = None
        delay = _FIRST_RETRY

        def act() -> None:
            nonlocal waiting, delay
            if waiting is not None:
                waiting.cancel()
                waiting = None
            try:
                done = self.repair()
            except Exception as err:  # whatever it is: the table is not as it should be
                log.error("cannot repair table %s: %s; again in %.1f s", self.table.name, err, delay)
                waiting = loop.call_later(delay, act)
                delay = min(delay * 2, _LAST_RETRY)
                return
            delay = _FIRST_RETRY
            if done:
                repaired()

        def wake() -> None:
            nonlocal waiting
            if waiting is None:
                waiting = loop.call_soon(act)

        self._wake = wake
        loop.add_reader(fd, act)

        def stop() -> None:
            self._wake = None
            if waiting is not None:
                waiting.cancel()
            loop.remove_reader(fd)

        return stop

    def remove(self) -> None:
        """Delete the table from the kernel; the mirror stays."""
        self.behind = True
        self._commit(t.remove(self.table.family, self.table.name))

    def _reload(self) -> None:
        """Write the whole; where that fails and the table is watched, try again later as well."""
        try:
            self.load()
        except Exception:
            if self._wake is not None:
                self._wake()
            raise

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

    def _note(self, change: Change, objects: Objects) -> None:
        table = self.table
        for spec in objects.add_sets:
            if spec.name not in table.sets:
                table.add_set(spec)
        for chain in objects.add_chains:
            table.chains.setdefault(chain.name, chain)
        for name in objects.drop_chains:
            table.chains.pop(name, None)
        for name in objects.drop_sets:
            table.sets.pop(name, None)
            table.elements.pop(name, None)
        for name, wanted in change.items():
            held = table.elements[name]
            for key, value in wanted.items():
                if value is None:
                    held.pop(key, None)
                else:
                    held[key] = value
