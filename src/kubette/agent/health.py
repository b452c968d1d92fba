"""Which of a pod's containers are probed (``probes``): those that run, each run anew."""

from __future__ import annotations

from kubette.agent import containers
from kubette.agent.podstate import PodState
from kubette.agent.probes import Health, Prober
from kubette.agent.slots import Slot
from kubette.runtime.interface import ContainerState


class HealthWatch:
    """Of one pod's containers."""

    def __init__(self, state: PodState) -> None:
        self._state = state
        self._prober = Prober(state.shared.runtime, state.poke, state.shared.clock)

    def of(self, slot: Slot) -> Health | None:
        """Of the container's newest run; None when it is not probed."""
        current = slot.current
        return self._prober.get(slot.spec["name"], current.id) if current else None

    def follow(self) -> bool:
        """Probe what runs, and nothing else. True when there is something new."""
        state, new = self._state, False
        for name, slot in state.slots.items():
            current = slot.current
            if current is None or current.state is not ContainerState.RUNNING:
                self._prober.forget(name)
            elif state.ips and self._prober.get(name, current.id) is None:
                known = slot.known if slot.adopted == current.id else (False, False)
                emit = containers.emitter(state.shared, state.pod, name)
                self._prober.watch(slot.spec, current.id, state.ip, current.started_at, emit, known, current.pid)
                new = True
        return new

    def ending(self) -> None:
        """The pod ends: only what its end needs is still probed."""
        self._prober.ending()

    def close(self) -> None:
        self._prober.close()
