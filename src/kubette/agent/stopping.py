"""How long a pod's containers have to end: all together the pod's grace once, less when a deletion is hurried."""

from __future__ import annotations

from typing import Any

from kubette.agent import containers
from kubette.agent.lifecycle import Busy, Stop
from kubette.agent.podstate import PodState
from kubette.agent.slots import Slot
from kubette.api import meta

Obj = dict[str, Any]


class Stopper:
    """Of one pod's containers."""

    def __init__(self, state: PodState) -> None:
        self._state = state
        self._grace: tuple[float, float] | None = None  # seconds, and when they are over

    def begin(self, stop: Stop, now: float) -> None:
        """Unless it has nothing to stop, or is at it."""
        slot = self._state.slots[stop.name]
        if slot.current is None or slot.busy is Busy.STOPPING:
            return
        grace = containers.grace_for(self._state.pod, slot.spec, stop.probe)
        if not stop.restart:  # all containers together have the grace once
            if self._grace is None or self._grace[0] != grace:
                self._grace = grace, now + grace
            grace = max(0.0, self._grace[1] - now)
        self._stop(slot, slot.spec, stop.message, now, grace)

    def hurry(self, now: float) -> None:
        """A deletion's grace may be cut short by a later one: then the stops under way start anew, without hooks."""
        grace = meta.metadata(self._state.pod).get("deletionGracePeriodSeconds")
        for slot in self._state.slots.values():
            if slot.busy is Busy.STOPPING and grace is not None and now + grace < slot.stop_by - 1:
                bare = {k: v for k, v in slot.spec.items() if k != "lifecycle"}
                words = f"Stopping container {slot.spec['name']}"
                self._stop(slot, bare, words, now, float(grace))

    def _stop(self, slot: Slot, spec: Obj, message: str, now: float, grace: float) -> None:
        state, current, ip = self._state, slot.current, self._state.ip
        assert current is not None
        slot.busy, slot.stop_by = Busy.STOPPING, now + grace
        by = slot.stop_by

        async def body() -> None:
            try:
                await containers.stop(state.shared, state.pod, spec, current, ip, message, grace)
            finally:
                if slot.stop_by == by:  # not replaced by a shorter one
                    slot.busy = Busy.NO

        state.jobs.begin(f"stop-{slot.spec['name']}", body())
