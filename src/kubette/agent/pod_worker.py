"""One sequential worker a pod. ``_sync_pod`` is the whole story: observe, decide, act, watch, report, wait.

    lifecycle             what should happen: a pure function from what is known to starts and stops
    sandbox, containers   making it happen
    prober                watching it
    status_manager        reporting it (``status`` derives it, purely)

Level-triggered: any wake-up may be lost or doubled, and the next round finds the same. What takes long (pulls, hooks,
graceful stops) is a task beside the worker, at most one a container, and containers start one after the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from kubette.agent import lifecycle, status
from kubette.agent.container_spec import PodSetup
from kubette.agent.containers import PodContainers
from kubette.agent.lifecycle import Plan, Seen
from kubette.agent.pod_state import ContainerRecord, PodState
from kubette.agent.prober import Prober
from kubette.agent.sandbox import PodSandbox
from kubette.agent.shared import Shared
from kubette.api import meta
from kubette.api.meta import Object
from kubette.runtime.interface import Container, RuntimeFailure

log = logging.getLogger(__name__)

_RESYNC = 30.0  # seconds until the next round without any wake-up
_RETRY = 0.5
_TERMINAL = ("Succeeded", "Failed")


class PodWorker:
    """``run`` until the pod has gone from the node. ``refused``: why this node does not admit it."""

    def __init__(
        self, shared: Shared, pod: Object, adopted: Sequence[Container] = (), *, refused: tuple[str, str] | None = None
    ) -> None:
        self.uid = meta.uid(pod)
        self.finished = False
        self.gone = False  # from the API
        self._wake = asyncio.Event()
        self._shared = shared
        self._state = PodState(shared, pod, adopted, self.wake)
        self._sandbox = PodSandbox(self._state)
        self._containers = PodContainers(self._state)
        self._prober = Prober(self._state)
        self._refused = refused is not None
        self._terminal = (pod.get("status") or {}).get("phase") in _TERMINAL  # before this agent's time
        self._ended = False  # all its containers, for good
        self._released = False
        if refused is not None:
            self._state.event("Warning", *refused)
            self._state.failed = refused[0], f"Pod was rejected: {refused[1]}"

    # -- seen and changed from outside ---------------------------------------------------------------

    @property
    def pod(self) -> Object:
        return self._state.pod

    @property
    def containers(self) -> Mapping[str, ContainerRecord]:
        return self._state.containers

    @property
    def setup(self) -> PodSetup | None:
        return self._state.setup

    @property
    def container_ids(self) -> list[str]:
        """The runtime's containers of this pod."""
        return self._state.container_ids

    @property
    def holds_resources(self) -> bool:
        """Admitted by this node, and not ended."""
        return not (self._refused or self._terminal or self._ended or self.finished)

    def wake(self) -> None:
        """Something may have changed: do a round."""
        self._wake.set()

    def update(self, pod: Object) -> None:
        """Take the API's newer object."""
        if _downward(pod) != _downward(self.pod):
            self._sandbox.refresh_soon()
        self._state.update(pod)
        self.wake()

    def vanish(self) -> None:
        """The API has the pod no more: it must go from the node."""
        self.gone = True
        self.wake()

    # -- the loop ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the pod has gone. Cancelling leaves its containers running."""
        try:
            while not self.finished:
                self._wake.clear()
                wait = _RETRY
                try:
                    wait = await self._sync_pod()
                except RuntimeFailure as error:
                    log.warning("pod %s: %s", self._state.title, error)
                if not self.finished:
                    await self._wait(wait)
        finally:
            await self._prober.close()
            await self._state.tasks.close()
            await self._state.status.close()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _sync_pod(self) -> float:
        """One round. Returns the seconds until the next one, if nothing wakes the worker before."""
        state, now = self._state, self._shared.clock()
        deadline = self._check_deadline(now)
        ending = self.gone or self._terminal or state.failed is not None or meta.deleting(state.pod)
        if ending:
            await self._interrupt()
        for record in state.containers.values():
            await record.observe(self._shared.runtime)
        seen = {name: self._seen(record) for name, record in state.containers.items()}
        plan = lifecycle.plan(
            state.pod, seen, now, ending=ending, last_backoff=self._shared.config.backoff_last
        )
        self._act(plan, now, ending)
        if self._prober.sync() and not ending:  # a sidecar may count as started from now on
            self.wake()
        self._ended = plan.done  # before the API, and by it the scheduler, hears that there is room
        if not (self._terminal or self.gone):
            state.status.set_pod_status(status.pod_status(self._pod_as_known(), self._view(plan, now, ending)))
        times = [now + _RESYNC]
        if plan.done:
            await self._tear_down()
        elif not ending:
            times += self._sandbox.maintain(now)
        times += [t for t in (plan.wake_at, deadline if not ending else None) if t is not None]
        return max(0.0, min(times) - self._shared.clock())

    def _check_deadline(self, now: float) -> float | None:
        """Fail the pod when its activeDeadlineSeconds are over; returns when that is."""
        state = self._state
        if self._terminal:
            return None
        start = state.status.latest.get("startTime") or status.timestamp(now)
        deadline = lifecycle.deadline({**state.pod, "status": {"startTime": start}})
        if deadline is not None and now >= deadline and state.failed is None:
            state.failed = lifecycle.DEADLINE
            state.event("Normal", *lifecycle.DEADLINE)
        return deadline

    def _seen(self, record: ContainerRecord) -> Seen:
        health = self._prober.health(record)
        return Seen(
            current=record.current,
            busy=record.busy,
            started=health is not None and health.started,
            unhealthy=health.unhealthy if health else "",
            changed=record.changed,
            restarting=record.current is not None and record.restarting == record.current.id,
            backoff=record.backoff,
            blocked_until=record.blocked_until,
            stale=self._state.stale(record),
        )

    def _act(self, plan: Plan, now: float, ending: bool) -> None:
        if ending or plan.done:
            self._prober.stop_liveness_and_startup()
        else:
            self._sandbox.set_up()
        if plan.starts:
            self._containers.start(plan.starts[0])
        for stop in plan.stops:
            self._containers.kill(stop, now)
        self._containers.allow(plan.turns)
        if ending:
            self._containers.shorten_grace(now)
        for name in plan.backing_off:
            self._report_back_off(self._state.containers[name])

    async def _interrupt(self) -> None:
        """The pod ends: give up what would bring it up."""
        await self._containers.interrupt()
        await self._sandbox.interrupt()

    async def _tear_down(self) -> None:
        """Nothing runs any more: free the addresses; of a deleted pod, everything."""
        await self._interrupt()
        if not (self.gone or meta.deleting(self.pod)):
            if not self._released:
                self._released = True
                await self._sandbox.release_network()
            return
        await self._state.status.flush()
        await self._prober.close()
        await self._sandbox.remove()
        await self._state.status.delete()
        await self._sandbox.remove_files()
        self.finished = True

    # -- reporting -----------------------------------------------------------------------------------

    def _pod_as_known(self) -> Object:
        return {**self.pod, "status": self._state.status.latest}

    def _view(self, plan: Plan, now: float, ending: bool) -> status.PodView:
        """What the pod's status is derived from."""
        state, views = self._state, {}
        for name, record in state.containers.items():
            health, waiting = self._prober.health(record), None
            if name in plan.backing_off:
                delay = duration(plan.backing_off[name])
                words = f"back-off {delay} restarting failed container={name} pod={state.title}"
                waiting = "CrashLoopBackOff", words
            views[name] = record.view(
                started=health is not None and health.started,
                ready=health is not None and health.ready,
                waiting=waiting,
            )
        return status.PodView(
            containers=views,
            now=now,
            ips=state.ips,
            host_ips=self._shared.config.node_ips,
            sandbox=state.setup is not None,
            initialized=plan.initialized,
            ending=ending,
            over=plan.done,
            failed=state.failed,
            refused=self._refused,
        )

    def _report_back_off(self, record: ContainerRecord) -> None:
        """One event for each run that is backed off."""
        current = record.current
        if current is not None and record.backed_off != current.id:
            record.backed_off = current.id
            words = f"Back-off restarting failed container {record.name} in pod {self._state.title}"
            self._state.events_of(record.name)("Warning", "BackOff", words)


def duration(seconds: float) -> str:
    """As Go prints whole seconds: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _downward(pod: Object) -> tuple[Any, Any]:
    return meta.labels(pod), meta.annotations(pod)
