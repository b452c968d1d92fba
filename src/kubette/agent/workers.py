"""One sequential worker a pod: look, decide (``lifecycle``), set jobs going, report (``status``), wait.

Level-triggered: any wake-up may be lost or doubled, the next look finds the same. What takes long (pulls, hooks,
graceful stops) is a job beside the worker, at most one a container, and containers start one after the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from kubette.agent import lifecycle, podsetup, status
from kubette.agent.health import HealthWatch
from kubette.agent.lifecycle import Plan
from kubette.agent.podsetup import Prepared
from kubette.agent.podstate import PodState
from kubette.agent.preparing import Preparer
from kubette.agent.shared import Shared
from kubette.agent.slots import Slot
from kubette.agent.starting import Starter
from kubette.agent.stopping import Stopper
from kubette.agent.telling import tell
from kubette.api import meta
from kubette.runtime.interface import Container, RuntimeFailure

Obj = dict[str, Any]

log = logging.getLogger(__name__)

_LOOK_AGAIN = 30.0  # seconds, without any hint
_RETRY = 0.5
_TERMINAL = ("Succeeded", "Failed")


class PodWorker:
    """``run`` until the pod has gone from the node. ``ids`` are the runtime's containers of this pod."""

    def __init__(
        self, shared: Shared, pod: Obj, adopted: Sequence[Container] = (), *, refused: tuple[str, str] | None = None
    ) -> None:
        self.uid = meta.uid(pod)
        self.finished = False
        self.gone = False  # from the API
        self._wake = asyncio.Event()
        self._shared = shared
        self._state = PodState(shared, pod, adopted, self.poke)
        self._preparer = Preparer(self._state)
        self._starter = Starter(self._state)
        self._stopper = Stopper(self._state)
        self._health = HealthWatch(self._state)
        self._refused = refused is not None
        self._over = (pod.get("status") or {}).get("phase") in _TERMINAL  # before this agent's time
        self._ended = False  # all its containers, for good
        self._released = False
        if refused is not None:
            self._state.event("Warning", *refused)
            self._state.failed = refused[0], f"Pod was rejected: {refused[1]}"

    # -- asked and told from outside -----------------------------------------------------------------

    @property
    def pod(self) -> Obj:
        return self._state.pod

    @property
    def slots(self) -> dict[str, Slot]:
        return self._state.slots

    @property
    def prepared(self) -> Prepared | None:
        return self._state.prepared

    @property
    def ids(self) -> list[str]:
        return self._state.ids

    @property
    def holds_resources(self) -> bool:
        """Taken by this node, and not over yet."""
        return not (self._refused or self._over or self._ended or self.finished)

    def poke(self) -> None:
        """Something may have changed: look."""
        self._wake.set()

    def update(self, pod: Obj) -> None:
        """The API's newer object."""
        if _downward(pod) != _downward(self.pod):
            self._preparer.outdated()
        self._state.update(pod)
        self.poke()

    def vanish(self) -> None:
        """The API has the pod no more: it must go from the node."""
        self.gone = True
        self.poke()

    # -- the loop ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the pod has gone. Cancelling leaves its containers running."""
        try:
            while True:
                self._wake.clear()
                wait: float | None = _RETRY
                try:
                    wait = await self._look()
                except RuntimeFailure as error:
                    log.warning("pod %s: %s", self._state.words, error)
                if wait is None:
                    return
                try:
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            self._health.close()
            await self._state.jobs.close()
            await self._state.reporter.close()

    async def _look(self) -> float | None:
        """One round; returns after how many seconds to look again without being woken. None: all is over."""
        state, now = self._state, self._shared.clock()
        deadline = None if self._over else lifecycle.deadline(self._with_start(now))
        if deadline is not None and now >= deadline and state.failed is None:
            state.failed = lifecycle.DEADLINE
            state.event("Normal", *lifecycle.DEADLINE)
        ending = self.gone or self._over or state.failed is not None or meta.deleting(state.pod)
        if ending:
            await self._interrupt()
        for slot in state.slots.values():
            await slot.observe(self._shared.runtime)
        seen = {n: s.seen(self._health.of(s), state.sandbox) for n, s in state.slots.items()}
        last = self._shared.config.backoff_last
        plan = lifecycle.plan(state.pod, seen, now, ending=ending, last_backoff=last)
        if not ending and not plan.done:
            self._preparer.begin()
        self._act(plan, now, ending)
        if self._health.follow() and not ending:  # sidecars that count as started from now on
            self.poke()
        self._ended = plan.done  # before the API, and by it the scheduler, hears that there is room
        if not (self._over or self.gone):
            tell(state, self._health, plan, now, refused=self._refused)
        times = [now + _LOOK_AGAIN]
        if plan.done:
            await self._done()
            if self.finished:
                return None
        elif not ending:
            times += self._preparer.keep(now)
        times += [t for t in (plan.wake_at, deadline if not ending else None) if t is not None]
        return max(0.0, min(times) - self._shared.clock())

    def _with_start(self, now: float) -> Obj:
        known = self._state.reporter.known
        return {**self.pod, "status": {**known, "startTime": known.get("startTime") or status.timestamp(now)}}

    def _act(self, plan: Plan, now: float, ending: bool) -> None:
        if ending or plan.done:
            self._health.ending()
        if plan.starts:
            self._starter.begin(plan.starts[0])
        for stop in plan.stops:
            self._stopper.begin(stop, now)
        if ending:
            self._stopper.hurry(now)

    async def _interrupt(self) -> None:
        """The pod ends: what would bring it up is given up."""
        await self._state.jobs.cancel("prepare", "start", "refresh")

    async def _done(self) -> None:
        """Nothing runs any more: free the addresses; of a deleted pod, everything."""
        shared = self._shared
        await self._interrupt()
        if not (self.gone or meta.deleting(self.pod)):
            if not self._released:
                self._released = True
                await podsetup.release_network(shared, self.uid)
            return
        await self._state.reporter.flush()
        self._health.close()
        await podsetup.remove_sandbox(shared, self.uid)
        await self._state.reporter.delete()
        await podsetup.remove_files(shared, self.pod)
        self.finished = True


def _downward(pod: Obj) -> tuple[Any, Any]:
    return meta.labels(pod), meta.annotations(pod)
