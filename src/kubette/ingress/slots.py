"""Endpoints in server slots: which endpoint sits where, and what to change when endpoints come and go. Pure.

HAProxy's servers are slots whose address can be set while it runs. An endpoint keeps its slot; a new one takes a
free slot, or a new one is added. A slot that was left lets its requests end, and is used again later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kubette.ingress.model import Slice

_SPARE = 4  # free slots that a new backend has at least


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    address: str
    port: int


Slots = tuple[Endpoint | None, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """``endpoint`` None: no more requests to the slot. ``new``: there was no such slot."""

    slot: int
    endpoint: Endpoint | None
    new: bool = False


def endpoints(slices: Iterable[Slice], port: str) -> tuple[Endpoint, ...]:
    """The ready endpoints; if there are none, those that still serve while they terminate, as kube-proxy does."""
    ready, serving = set(), set()
    for part in slices:
        number = part.ports.get(port)
        for e in part.endpoints if number else ():
            if number and e.ready:
                ready.add(Endpoint(e.address, number))
            elif number and e.serving:
                serving.add(Endpoint(e.address, number))
    return tuple(sorted(ready or serving))


def fresh(wanted: Sequence[Endpoint]) -> Slots:
    """The slots of a new backend, with room to grow."""
    return (*wanted, *(None,) * max(_SPARE, len(wanted) // 4))


def move(slots: Slots, wanted: Iterable[Endpoint]) -> tuple[Slots, list[Change]]:
    """The slots after, and the changes in the order to make them: what comes, before what goes."""
    missing = set(wanted)
    out: list[Endpoint | None] = list(slots)
    gone = []
    for i, endpoint in enumerate(slots):
        if endpoint is not None and endpoint in missing:
            missing.discard(endpoint)
        elif endpoint is not None:
            gone.append(Change(i, None))
            out[i] = None
    free = [i for i, endpoint in enumerate(slots) if endpoint is None]  # not those left just now
    come = []
    for endpoint in sorted(missing):
        new = not free
        slot = len(out) if new else free.pop(0)
        out[slot : slot + 1] = [endpoint]
        come.append(Change(slot, endpoint, new))
    return tuple(out), come + gone
