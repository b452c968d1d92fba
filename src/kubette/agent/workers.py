"""One sequential worker a pod: look, decide (``lifecycle``), set jobs going, report (``status``), wait.

Level-triggered: any wake-up may be lost or doubled, the next look finds the same. What takes long (pulls, hooks,
graceful stops) is a job beside the worker, at most one a container, and containers start one after the other.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from kubette.agent import containers, lifecycle, podsetup, probes, slots, status
from kubette.agent.creation import LABEL_CONTAINER
from kubette.agent.lifecycle import Busy, Plan, Stop
from kubette.agent.podsetup import Prepared
from kubette.agent.reporting import Reporter
from kubette.agent.shared import Shared
from kubette.agent.slots import Slot
from kubette.agent.volumes import emptydir
from kubette.agent.volumes.base import VolumeError
from kubette.api import meta
from kubette.runtime.interface import Container, ContainerState, RuntimeFailure, Sandbox

Obj = dict[str, Any]

log = logging.getLogger(__name__)

_LOOK_AGAIN = 30.0  # seconds, without any hint
_FIRST_RETRY, _LAST_RETRY = 0.5, 30.0
_TERMINAL = ("Succeeded", "Failed")


class PodWorker:
    """``run`` until the pod has gone from the node. ``ids`` are the runtime's containers of this pod."""

    def __init__(
        self, shared: Shared, pod: Obj, adopted: Sequence[Container] = (), *, refused: tuple[str, str] | None = None
    ) -> None:
        self.pod = pod
        self.uid = meta.uid(pod)
        self.finished = False
        self.gone = False  # from the API
        self.prepared: Prepared | None = None
        self.slots: dict[str, Slot] = {}
        self._shared = shared
        self._reporter = Reporter(shared.api, pod)
        self._prober = probes.Prober(shared.runtime, self.poke, shared.clock)
        self._wake = asyncio.Event()
        self._lane: asyncio.Task[None] | None = None  # starts one container after the other
        self._prepare: asyncio.Task[None] | None = None
        self._refresh: asyncio.Task[None] | None = None
        self._measure: asyncio.Task[None] | None = None
        self._refresh_at = self._measure_at = shared.clock()
        self._failed: tuple[str, str] | None = None
        self._refused = refused is not None
        self._over = (pod.get("status") or {}).get("phase") in _TERMINAL  # before this agent's time
        self._ended = False  # all its containers, for good
        self._released = False
        self._grace: tuple[float, float] | None = None  # seconds, and when they are over
        if refused is not None:
            shared.recorder.event(pod, "Warning", *refused)
            self._failed = refused[0], f"Pod was rejected: {refused[1]}"
        self._take_specs()
        self._adopt(adopted)

    # -- told from outside ---------------------------------------------------------------------------

    def poke(self) -> None:
        """Something may have changed: look."""
        self._wake.set()

    def update(self, pod: Obj) -> None:
        """The API's newer object."""
        if _downward(pod) != _downward(self.pod):
            self._refresh_at = 0
        self.pod = pod
        self._reporter.learn(pod)
        self._take_specs()
        self.poke()

    def vanish(self) -> None:
        """The API has the pod no more: it must go from the node."""
        self.gone = True
        self.poke()

    @property
    def holds_resources(self) -> bool:
        """Taken by this node, and not over yet."""
        return not (self._refused or self._over or self._ended or self.finished)

    @property
    def ids(self) -> list[str]:
        return [c.id for slot in self.slots.values() for c in slot.runs]

    @property
    def ips(self) -> tuple[str, ...]:
        """The pod's addresses; before it is prepared, those that an earlier agent had reported."""
        if self.prepared is not None:
            return self.prepared.ips
        return tuple(p["ip"] for p in self._reporter.known.get("podIPs") or ())

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
            reported = self._reported(name)
            if slot.current is not None and reported.get("containerID") == status.PREFIX + slot.current.id:
                slot.adopted = slot.current.id
                slot.known = bool(reported.get("started")), bool(reported.get("ready"))

    def _reported(self, name: str) -> Mapping[str, Any]:
        told = self._reporter.known
        kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        return next((s for kind in kinds for s in told.get(kind) or () if s.get("name") == name), {})

    # -- the loop ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the pod has gone. Cancelling leaves its containers running."""
        try:
            while True:
                self._wake.clear()
                wait: float | None = _FIRST_RETRY
                try:
                    wait = await self._look()
                except RuntimeFailure as error:
                    log.warning("pod %s: %s", self._words, error)
                if wait is None:
                    return
                try:
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            self._prober.close()
            jobs = [s.job for s in self.slots.values()]
            await _cancel(self._lane, self._prepare, self._refresh, self._measure, *jobs)
            await self._reporter.close()

    async def _look(self) -> float | None:
        """One round; returns after how many seconds to look again without being woken. None: all is over."""
        now = self._shared.clock()
        deadline = None if self._over else lifecycle.deadline(self._with_start(now))
        if deadline is not None and now >= deadline and self._failed is None:
            self._failed = lifecycle.DEADLINE
            self._shared.recorder.event(self.pod, "Normal", *lifecycle.DEADLINE)
        ending = self.gone or self._over or self._failed is not None or meta.deleting(self.pod)
        if ending:
            await self._interrupt()
        for slot in self.slots.values():
            await slot.observe(self._shared.runtime)
        seen = {n: s.seen(self._health(s), self._sandbox) for n, s in self.slots.items()}
        last = self._shared.config.backoff_last
        plan = lifecycle.plan(self.pod, seen, now, ending=ending, last_backoff=last)
        if not ending and not plan.done and self.prepared is None and self._prepare is None:
            self._prepare = self._job(self._prepare_until_done(), "prepare")
        self._act(plan, now, ending)
        if self._watch_health() and not ending:  # sidecars that count as started from now on
            self.poke()
        self._ended = plan.done  # before the API, and by it the scheduler, hears that there is room
        self._report(plan, now)
        if plan.done:
            await self._done()
            if self.finished:
                return None
        elif not ending:
            self._refresh_volumes(now)
            self._measure_volumes(now)
        times = [t for t in (plan.wake_at, deadline if not ending else None) if t is not None]
        if self.prepared and not ending and not plan.done and podsetup.has_refreshed(self.pod):
            times.append(self._refresh_at)
        if self.prepared and not ending and emptydir.limits(self.pod):
            times.append(self._measure_at)
        return max(0.0, min([now + _LOOK_AGAIN, *times]) - self._shared.clock())

    def _with_start(self, now: float) -> Obj:
        start = self._reporter.known.get("startTime") or status.timestamp(now)
        return {**self.pod, "status": {**self._reporter.known, "startTime": start}}

    @property
    def _sandbox(self) -> Sandbox | None:
        return self.prepared.sandbox if self.prepared else None

    @property
    def _words(self) -> str:
        return containers.pod_words(self.pod)

    def _job(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        async def body() -> None:
            try:
                await work
            except Exception:
                log.exception("pod %s: %s", self._words, what)
                await asyncio.sleep(_FIRST_RETRY)
            finally:
                self.poke()

        task = asyncio.create_task(body(), name=f"{what}-{self._words}")
        task.add_done_callback(lambda _: work.close())  # one that was cancelled before it began
        return task

    # -- acting --------------------------------------------------------------------------------------

    def _act(self, plan: Plan, now: float, ending: bool) -> None:
        if ending or plan.done:
            self._prober.ending()
        idle = self._lane is None or self._lane.done()
        if plan.starts and self.prepared is not None and idle:
            slot = self.slots[plan.starts[0]]
            slot.busy = Busy.STARTING
            self._lane = self._job(self._start(slot, self.prepared), f"start-{plan.starts[0]}")
        for stop in plan.stops:
            self._begin_stop(stop, now)
        if ending:
            self._hurry(now)

    async def _interrupt(self) -> None:
        """The pod ends: what would bring it up is given up."""
        await _cancel(self._prepare, self._lane, self._refresh)
        self._prepare = self._lane = self._refresh = None

    async def _start(self, slot: Slot, prepared: Prepared) -> None:
        shared, current = self._shared, slot.current
        attempt = slot.next_attempt(self._reported(slot.spec["name"]))

        async def started(identity: str) -> None:
            made = await shared.runtime.get(identity)
            if made is not None:
                slot.runs.append(made)
                slot.waiting = None
                self.poke()

        try:
            if current is not None and current.state is ContainerState.CREATED:  # by an agent that died then
                await shared.runtime.remove(current.id)
                slot.runs.pop()
            elif current is not None and not slot.stale(self._sandbox):
                now, config = shared.clock(), shared.config
                slot.backoff = lifecycle.raised(
                    slot.backoff, current.finished_at, now, config.backoff_first, config.backoff_last
                )
            target = self._running(slot.spec.get("targetContainerName") or "")
            await containers.start(shared, self.pod, slot.spec, prepared, attempt, started, target)
            slot.waiting = None
            await self._forget_old(slot)
        except containers.StartFailure as failure:
            slot.waiting = failure.reason, failure.message
            slot.blocked_until = self._blocked_until(slot, failure.reason)
        finally:
            slot.busy = Busy.NO

    def _running(self, name: str) -> str:
        """The ID of that container's run; empty when it does not run."""
        slot = self.slots.get(name)
        current = slot.current if slot else None
        return current.id if current and current.state is ContainerState.RUNNING else ""

    def _blocked_until(self, slot: Slot, reason: str) -> float:
        now, first = self._shared.clock(), self._shared.config.backoff_first
        if reason == "ErrImagePull":
            return now + first / 4
        if reason == "ImagePullBackOff":
            return self._shared.puller.retry_at(self.uid, str(slot.spec.get("image") or ""))
        return now + first

    async def _forget_old(self, slot: Slot) -> None:
        """This run and the one before are kept: for lastState, and for logs of the previous one."""
        for c in slot.runs[:-2]:
            await self._shared.runtime.remove(c.id)
            slot.messages.pop(c.id, None)
            for path in (c.log_path, *c.log_path.parent.glob(c.log_path.name + ".*")):
                path.unlink(missing_ok=True)
        del slot.runs[:-2]

    def _begin_stop(self, stop: Stop, now: float) -> None:
        slot = self.slots[stop.name]
        if slot.current is None or slot.busy is Busy.STOPPING:
            return
        grace = containers.grace_for(self.pod, slot.spec, stop.probe)
        if not stop.restart:  # all containers together have the grace once
            if self._grace is None or self._grace[0] != grace:
                self._grace = grace, now + grace
            grace = max(0.0, self._grace[1] - now)
        self._stop_job(slot, slot.spec, stop.message, now, grace)

    def _stop_job(self, slot: Slot, spec: Obj, message: str, now: float, grace: float) -> None:
        slot.busy, slot.stop_by = Busy.STOPPING, now + grace
        current, ip = slot.current, self.ips[0] if self.ips else ""
        assert current is not None

        by = slot.stop_by

        async def body() -> None:
            try:
                await containers.stop(self._shared, self.pod, spec, current, ip, message, grace)
            finally:
                if slot.stop_by == by:  # not replaced by a shorter one
                    slot.busy = Busy.NO

        slot.job = self._job(body(), f"stop-{slot.spec['name']}")

    def _hurry(self, now: float) -> None:
        """A deletion's grace may be cut short by a later one: then the stops under way start anew, without hooks."""
        grace = meta.metadata(self.pod).get("deletionGracePeriodSeconds")
        for slot in self.slots.values():
            if slot.busy is Busy.STOPPING and slot.job and grace is not None and now + grace < slot.stop_by - 1:
                slot.job.cancel()
                bare = {k: v for k, v in slot.spec.items() if k != "lifecycle"}
                words = f"Stopping container {slot.spec['name']}"
                self._stop_job(slot, bare, words, now, float(grace))

    # -- preparing -----------------------------------------------------------------------------------

    async def _prepare_until_done(self) -> None:
        delay = _FIRST_RETRY
        while True:
            try:
                self.prepared = await podsetup.prepare(self._shared, self.pod)
                if any(s.stale(self._sandbox) for s in self.slots.values()):
                    words = "Pod sandbox changed, it will be killed and re-created."
                    self._shared.recorder.event(self.pod, "Normal", "SandboxChanged", words)
                return
            except VolumeError as error:
                self._shared.recorder.event(self.pod, "Warning", "FailedMount", str(error))
            except (RuntimeFailure, OSError) as error:
                words = f"Failed to create pod sandbox: {error}"
                self._shared.recorder.event(self.pod, "Warning", "FailedCreatePodSandBox", words)
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_RETRY)

    def _refresh_volumes(self, now: float) -> None:
        if self.prepared is None or not podsetup.has_refreshed(self.pod) or now < self._refresh_at:
            return
        if self._refresh is not None and not self._refresh.done():
            self._refresh_at = now + _FIRST_RETRY
            return
        self._refresh_at = now + self._shared.config.refresh_seconds * random.uniform(0.8, 1.2)
        if any(s.runs for s in self.slots.values()):
            self._refresh = self._job(self._refresh_once(), "refresh")

    def _measure_volumes(self, now: float) -> None:
        busy = self._measure is not None and not self._measure.done()
        if self.prepared is None or busy or now < self._measure_at or not emptydir.limits(self.pod):
            return
        self._measure_at = now + self._shared.config.usage_seconds
        self._measure = self._job(self._measure_once(), "measure")

    async def _measure_once(self) -> None:
        words = await podsetup.over_limit(self._shared, self.pod)
        if words and self._failed is None:
            self._failed = "Evicted", words
            self._shared.recorder.event(self.pod, "Warning", "Evicted", words)

    async def _refresh_once(self) -> None:
        try:
            await podsetup.refresh(self._shared, self.pod, self.ips)
        except VolumeError as error:
            self._shared.recorder.event(self.pod, "Warning", "FailedMount", str(error))

    # -- telling -------------------------------------------------------------------------------------

    def _health(self, slot: Slot) -> probes.Health | None:
        current = slot.current
        return self._prober.get(slot.spec["name"], current.id) if current else None

    def _watch_health(self) -> bool:
        """Probe what runs, and nothing else. True when there is something new."""
        new = False
        for name, slot in self.slots.items():
            current = slot.current
            if current is None or current.state is not ContainerState.RUNNING:
                self._prober.forget(name)
            elif self.ips and self._prober.get(name, current.id) is None:
                known = slot.known if slot.adopted == current.id else (False, False)
                emit = containers.emitter(self._shared, self.pod, name)
                ip = self.ips[0] if self.ips else ""
                self._prober.watch(slot.spec, current.id, ip, current.started_at, emit, known, current.pid)
                new = True
        return new

    def _report(self, plan: Plan, now: float) -> None:
        if self._over or self.gone:
            return
        views = {}
        for name, slot in self.slots.items():
            waiting = None
            if name in plan.backing_off:
                waiting = slots.back_off_words(slot, self._words, plan.backing_off[name])
                self._tell_back_off(slot)
            views[name] = slot.view(self._health(slot), waiting)
        view = status.PodView(
            containers=views,
            now=now,
            ips=self.ips,
            host_ips=self._shared.config.node_ips,
            sandbox=self.prepared is not None,
            initialized=plan.initialized,
            over=plan.done,
            failed=self._failed,
            refused=self._refused,
        )
        self._reporter.report(status.pod_status({**self.pod, "status": self._reporter.known}, view))

    def _tell_back_off(self, slot: Slot) -> None:
        current, name = slot.current, slot.spec["name"]
        if current is not None and slot.told != current.id:
            slot.told = current.id
            words = f"Back-off restarting failed container {name} in pod {self._words}"
            containers.emitter(self._shared, self.pod, name)("Warning", "BackOff", words)

    async def _done(self) -> None:
        """Nothing runs any more: free the addresses; of a deleted pod, everything."""
        shared = self._shared
        await self._interrupt()
        if not (self.gone or meta.deleting(self.pod)):
            if not self._released:
                self._released = True
                await podsetup.release_network(shared, self.uid)
            return
        await self._reporter.flush()
        self._prober.close()
        await podsetup.remove_sandbox(shared, self.uid)
        await self._reporter.delete()
        await podsetup.remove_files(shared, self.pod)
        self.finished = True


def _downward(pod: Obj) -> tuple[Any, Any]:
    return meta.labels(pod), meta.annotations(pod)


async def _cancel(*tasks: asyncio.Task[None] | None) -> None:
    live = [t for t in tasks if t is not None]
    for task in live:
        task.cancel()
    await asyncio.gather(*live, return_exceptions=True)
