"""The result of a trace as data: steps, ends and reasons."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubette.nft.types import Table

ARRIVES = ("pod", "node", "outside")  # fates


@dataclass(frozen=True, slots=True)
class Step:
    """``where``: a node, ``name`` or ``outside``."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Landing:
    """One end of the path. ``fate`` is pod, node, outside (it leaves the cluster), or reset, unreachable, drop, or
    unavailable (an ingress controller answers 503). ``source``: the address that the other end sees."""

    fate: str
    address: str
    port: int
    node: str = ""
    pod: str = ""
    source: str = ""
    note: str = ""


@dataclass(slots=True)
class Trace:
    """``tables``: the service tables that were walked, by node, to compare with the kernel's. ``sticky``: a client that
    comes back gets the same backend."""

    source: str
    target: str
    steps: list[Step] = field(default_factory=list)
    landings: list[Landing] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=dict)
    sticky: bool = False

    @property
    def arrives(self) -> bool:
        """Whether every end may answer."""
        return bool(self.landings) and all(end.fate in ARRIVES for end in self.landings)

    def add(self, where: str, what: str) -> None:
        self.steps.append(Step(where, what))

    def because(self, *why: str) -> None:
        self.reasons += [w for w in why if w not in self.reasons]
