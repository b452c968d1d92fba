"""A pod's containers start one after the other; what keeps one from it stands in its slot, with a time to try again."""

from __future__ import annotations

from kubette.agent import containers, lifecycle
from kubette.agent.lifecycle import Busy
from kubette.agent.podsetup import Prepared
from kubette.agent.podstate import PodState
from kubette.agent.slots import Slot
from kubette.runtime.interface import ContainerState


class Starter:
    """Of one pod's containers."""

    def __init__(self, state: PodState) -> None:
        self._state = state

    def begin(self, name: str) -> None:
        """Unless the pod is not prepared yet, or another one is starting."""
        state = self._state
        if state.prepared is None or state.jobs.busy("start"):
            return
        slot = state.slots[name]
        slot.busy = Busy.STARTING
        state.jobs.begin("start", self._start(slot, state.prepared))

    async def _start(self, slot: Slot, prepared: Prepared) -> None:
        state, shared, current = self._state, self._state.shared, slot.current
        attempt = slot.next_attempt(state.reported(slot.spec["name"]))

        async def started(identity: str) -> None:
            made = await shared.runtime.get(identity)
            if made is not None:
                slot.runs.append(made)
                slot.waiting = None
                state.poke()

        try:
            if current is not None and current.state is ContainerState.CREATED:  # by an agent that died then
                await shared.runtime.remove(current.id)
                slot.runs.pop()
            elif current is not None and not slot.stale(state.sandbox):
                now, config = shared.clock(), shared.config
                slot.backoff = lifecycle.raised(
                    slot.backoff, current.finished_at, now, config.backoff_first, config.backoff_last
                )
            target = self._running(slot.spec.get("targetContainerName") or "")
            await containers.start(shared, state.pod, slot.spec, prepared, attempt, started, target)
            slot.waiting = None
            await self._forget_old(slot)
        except containers.StartFailure as failure:
            slot.waiting = failure.reason, failure.message
            slot.blocked_until = self._blocked_until(slot, failure.reason)
        finally:
            slot.busy = Busy.NO

    def _running(self, name: str) -> str:
        """The ID of that container's run; empty when it does not run."""
        slot = self._state.slots.get(name)
        current = slot.current if slot else None
        return current.id if current and current.state is ContainerState.RUNNING else ""

    def _blocked_until(self, slot: Slot, reason: str) -> float:
        shared = self._state.shared
        now, first = shared.clock(), shared.config.backoff_first
        if reason == "ErrImagePull":
            return now + first / 4
        if reason == "ImagePullBackOff":
            return shared.puller.retry_at(self._state.uid, str(slot.spec.get("image") or ""))
        return now + first

    async def _forget_old(self, slot: Slot) -> None:
        """This run and the one before are kept: for lastState, and for logs of the previous one."""
        for c in slot.runs[:-2]:
            await self._state.shared.runtime.remove(c.id)
            slot.messages.pop(c.id, None)
            for path in (c.log_path, *c.log_path.parent.glob(c.log_path.name + ".*")):
                path.unlink(missing_ok=True)
        del slot.runs[:-2]
