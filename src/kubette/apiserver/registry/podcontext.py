"""What the rules of containers and volumes must know of the pod that they are in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PodContext:
    """``name`` is empty in a template, whose pods get their names later; ``template`` says which of both it is."""

    spec: Object
    template: bool = True
    name: str = ""
    mirror: bool = False
    volumes: dict[str, Object] = field(default_factory=dict)
    claims: frozenset[str] = frozenset()

    @property
    def grace(self) -> int | None:
        seconds: int | None = self.spec.get("terminationGracePeriodSeconds")
        return seconds

    @property
    def os(self) -> str | None:
        """The pod's operating system; None where it names none."""
        system = self.spec.get("os")
        return None if system is None else str(system.get("name") or "")

    @property
    def restart(self) -> str:
        return str(self.spec.get("restartPolicy") or "")

    @property
    def host_users(self) -> bool:
        return self.spec.get("hostUsers") is not False
