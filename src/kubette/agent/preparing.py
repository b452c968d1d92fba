"""When a pod's sandbox and volumes (``podsetup``) are made, brought up to date and measured."""

from __future__ import annotations

import asyncio
import random

from kubette.agent import podsetup
from kubette.agent.podstate import PodState
from kubette.agent.volumes import emptydir
from kubette.agent.volumes.base import VolumeError
from kubette.runtime.interface import RuntimeFailure

_FIRST_RETRY, _LAST_RETRY = 0.5, 30.0
_JITTER = 0.2  # of the time between refreshes: the pods of a node do not ask together


class Preparer:
    """Of one pod. Fills in ``prepared``; a volume that has grown too big makes the pod fail."""

    def __init__(self, state: PodState) -> None:
        self._state = state
        self._refresh_at = self._measure_at = state.shared.clock()

    def begin(self) -> None:
        """Unless the pod is prepared or it is under way; tried again until it is done."""
        if self._state.prepared is None and not self._state.jobs.busy("prepare"):
            self._state.jobs.begin("prepare", self._prepare_until_done())

    def outdated(self) -> None:
        """What volumes are made from has changed."""
        self._refresh_at = 0

    def keep(self, now: float) -> list[float]:
        """Refresh and measure if it is time to; returns when it is again."""
        state = self._state
        if state.prepared is None:
            return []
        times = []
        if podsetup.has_refreshed(state.pod):
            self._refresh(now)
            times.append(self._refresh_at)
        if emptydir.limits(state.pod):
            self._measure(now)
            times.append(self._measure_at)
        return times

    async def _prepare_until_done(self) -> None:
        state, delay = self._state, _FIRST_RETRY
        while True:
            try:
                state.prepared = await podsetup.prepare(state.shared, state.pod)
                if any(s.stale(state.sandbox) for s in state.slots.values()):
                    words = "Pod sandbox changed, it will be killed and re-created."
                    state.event("Normal", "SandboxChanged", words)
                return
            except VolumeError as error:
                state.event("Warning", "FailedMount", str(error))
            except (RuntimeFailure, OSError) as error:
                state.event("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_RETRY)

    def _refresh(self, now: float) -> None:
        if now < self._refresh_at:
            return
        if self._state.jobs.busy("refresh"):
            self._refresh_at = now + _FIRST_RETRY
            return
        self._refresh_at = now + self._state.shared.config.refresh_seconds * random.uniform(1 - _JITTER, 1 + _JITTER)
        if any(s.runs for s in self._state.slots.values()):
            self._state.jobs.begin("refresh", self._refresh_once())

    async def _refresh_once(self) -> None:
        state = self._state
        try:
            await podsetup.refresh(state.shared, state.pod, state.ips)
        except VolumeError as error:
            state.event("Warning", "FailedMount", str(error))

    def _measure(self, now: float) -> None:
        if now < self._measure_at or self._state.jobs.busy("measure"):
            return
        self._measure_at = now + self._state.shared.config.usage_seconds
        self._state.jobs.begin("measure", self._measure_once())

    async def _measure_once(self) -> None:
        state = self._state
        words = await podsetup.over_limit(state.shared, state.pod)
        if words and state.failed is None:
            state.failed = "Evicted", words
            state.event("Warning", "Evicted", words)
