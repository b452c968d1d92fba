"""One pod on this node, as its worker and the worker's helpers share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubette.agent import containers, lifecycle, status
from kubette.agent.creation import LABEL_CONTAINER
from kubette.agent.jobs import Jobs
from kubette.agent.podsetup import Prepared
from kubette.agent.reporting import Reporter
from kubette.agent.shared import Shared
from kubette.agent.slots import Slot
from kubette.api import meta
from kubette.runtime.interface import Container, Sandbox

Obj = dict[str, Any]


class PodState:
    """``pod``: the API's newest object; ``failed``: why the whole pod has (reason, message); ``poke``: look at it."""

    def __init__(self, shared: Shared, pod: Obj, adopted: Sequence[Container], poke: Callable[[], None]) -> None:
        self.shared = shared
        self.pod = pod
        self.uid = meta.uid(pod)
        self.words = containers.pod_words(pod)
        self.poke = poke
        self.jobs = Jobs(self.words, poke)
        self.reporter = Reporter(shared.api, pod)
        self.prepared: Prepared | None = None
        self.failed: tuple[str, str] | None = None
        self.slots: dict[str, Slot] = {}
        self._take_specs()
        self._adopt(adopted)

    def update(self, pod: Obj) -> None:
        """The API's newer object."""
        self.pod = pod
        self.reporter.learn(pod)
        self._take_specs()

    @property
    def ids(self) -> list[str]:
        return [c.id for slot in self.slots.values() for c in slot.runs]

    @property
    def ips(self) -> tuple[str, ...]:
        """The pod's addresses; before it is prepared, those that an earlier agent had reported."""
        if self.prepared is not None:
            return self.prepared.ips
        return tuple(p["ip"] for p in self.reporter.known.get("podIPs") or ())

    @property
    def ip(self) -> str:
        """The first of them, or nothing."""
        return self.ips[0] if self.ips else ""

    @property
    def sandbox(self) -> Sandbox | None:
        return self.prepared.sandbox if self.prepared else None

    def reported(self, name: str) -> Mapping[str, Any]:
        """The container's status in the API."""
        told = self.reporter.known
        kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        return next((s for kind in kinds for s in told.get(kind) or () if s.get("name") == name), {})

    def event(self, type_: str, reason: str, message: str) -> None:
        """About the pod as a whole."""
        self.shared.recorder.event(self.pod, type_, reason, message)

    def _take_specs(self) -> None:
        for spec in lifecycle.any_container(self.pod):
            slot = self.slots.setdefault(spec["name"], Slot(spec))
            slot.spec = spec

    def _adopt(self, adopted: Sequence[Container]) -> None:
        for c in sorted(adopted, key=lambda c: (c.attempt, c.created_at)):
            slot = self.slots.get(c.labels.get(LABEL_CONTAINER, c.name))
            if slot is not None:
                slot.runs.append(c)
        for name, slot in self.slots.items():
            reported = self.reported(name)
            if slot.current is not None and reported.get("containerID") == status.PREFIX + slot.current.id:
                slot.adopted = slot.current.id
                slot.known = bool(reported.get("started")), bool(reported.get("ready"))
