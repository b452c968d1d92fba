"""Starts and kills a pod's containers: image, spec, create, start, hooks; each step with the kubelet's events.

Containers start one after the other. What keeps one from starting stands in its record, with a time to try again.
When a pod ends, all preStop hooks run at once, and the stop signals follow in the order that ``lifecycle`` gives.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Set

from kubette.agent import container_spec, handlers, lifecycle
from kubette.agent.container_spec import PodSetup
from kubette.agent.env import ConfigError
from kubette.agent.images import auths_of
from kubette.agent.lifecycle import Busy, Stop
from kubette.agent.pod_state import ContainerRecord, PodState
from kubette.agent.tasks import uninterrupted
from kubette.agent.volumes.base import VolumeError
from kubette.api import meta
from kubette.api.meta import Object
from kubette.runtime.interface import Container, ContainerSpec, ContainerState, Image, ImageFailure, RuntimeFailure

log = logging.getLogger(__name__)

_MIN_GRACE = 2.0  # seconds between the stop signal and SIGKILL, whatever the grace
_START = "start container"


class StartFailure(Exception):
    """The container does not run: the waiting reason and message that its status shows."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class PodContainers:
    """Of one pod. Only ``start`` and ``kill`` change what its containers do."""

    def __init__(self, state: PodState) -> None:
        self._state = state

    # -- starting ------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Begin to start a container, unless the pod is not set up yet or another one is starting."""
        state = self._state
        if state.setup is None or state.tasks.running(_START):
            return
        record = state.containers[name]
        record.busy = Busy.STARTING
        state.tasks.start(_START, self._start(record, state.setup))

    async def interrupt(self) -> None:
        """The pod ends: no container starts any more. None is left half made."""
        await self._state.tasks.stop(_START)

    async def _start(self, record: ContainerRecord, setup: PodSetup) -> None:
        attempt = record.next_attempt(self._state.reported(record.name))
        try:
            await self._count_crash(record)
            image = await self._pull(record)
            spec = await self._spec(record, setup, attempt, image)
            identity = await uninterrupted(self._create_and_start(record, spec), f"create {record.name}")
            await self._post_start(record, identity)
            record.waiting = None
            await self._prune(record)
        except StartFailure as failure:
            record.waiting = failure.reason, failure.message
            record.blocked_until = self._blocked_until(record, failure.reason, attempt)
        finally:
            record.busy, record.post_start = Busy.NO, ""

    async def _count_crash(self, record: ContainerRecord) -> None:
        """Raise the back-off for the run that has ended, or begin anew for a new definition; remove a run that an
        earlier agent has not started."""
        shared, current = self._state.shared, record.current
        if current is not None and current.state is ContainerState.CREATED:
            await shared.runtime.remove(current.id)
            record.runs.pop()
        elif current is not None and not self._state.stale(record):
            first, last = shared.config.backoff_first, shared.config.backoff_last
            if record.changed:
                record.backoff = None
            record.backoff = lifecycle.raised(record.backoff, current.finished_at, shared.clock(), first, last)

    async def _pull(self, record: ContainerRecord) -> Image:
        emit, shared = self._state.events_of(record.name), self._state.shared
        try:
            return await shared.puller.ensure(self._state.uid, record.spec, await self._auths(record), emit)
        except ImageFailure as error:
            emit("Warning", "Failed", f"Error: {error.reason}")
            raise StartFailure(error.reason, str(error)) from error

    async def _auths(self, record: ContainerRecord) -> list[dict[str, str]]:
        """The credentials for the image's registry in the pod's imagePullSecrets, of which some may be missing."""
        pod, found, missing = self._state.pod, [], []
        for name in [s.get("name", "") for s in (pod.get("spec") or {}).get("imagePullSecrets") or ()]:
            try:
                secret = await self._state.shared.objects.secret(meta.namespace(pod), name)
            except VolumeError:
                secret = None
            if secret is None:
                missing.append(name)
            else:
                found.append(secret)
        if missing:
            self._state.events_of(record.name)(
                "Warning",
                "FailedToRetrieveImagePullSecret",
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
                "attempting to pull the image may not succeed.",
            )
        return auths_of(found, str(record.spec.get("image") or ""))

    async def _spec(self, record: ContainerRecord, setup: PodSetup, attempt: int, image: Image) -> ContainerSpec:
        state, container, target = self._state, record.spec, ""
        try:
            if wanted := container.get("targetContainerName"):
                found = state.containers.get(wanted)
                if found is None or found.running is None:
                    raise ConfigError(f"unable to find target container {wanted}")
                target = found.running.id
            return await container_spec.container_spec(
                state.shared, state.pod, container, setup, attempt, image, pid_of=target
            )
        except (ConfigError, VolumeError) as error:
            state.events_of(record.name)("Warning", "Failed", f"Error: {error}")
            raise StartFailure("CreateContainerConfigError", str(error)) from error

    async def _create_and_start(self, record: ContainerRecord, spec: ContainerSpec) -> str:
        emit, runtime = self._state.events_of(record.name), self._state.shared.runtime
        try:
            identity = await runtime.create(spec)
            emit("Normal", "Created", "Container created")
            try:
                await runtime.start(identity)
                emit("Normal", "Started", "Container started")
            finally:
                if (made := await runtime.get(identity)) is not None:
                    if (record.spec.get("lifecycle") or {}).get("postStart"):
                        record.post_start = identity
                    record.runs.append(made)
                    record.waiting = None
                    self._state.wake()
            return identity
        except RuntimeFailure as error:
            emit("Warning", "Failed", f"Error: {error}")
            raise StartFailure(error.reason, str(error)) from error

    async def _post_start(self, record: ContainerRecord, identity: str) -> None:
        state, runtime = self._state, self._state.shared.runtime
        handler = (record.spec.get("lifecycle") or {}).get("postStart")
        if not handler:
            return
        ip = state.setup.ips[0] if state.setup and state.setup.ips else ""
        try:
            await handlers.run_hook(handler, record.spec, ip, identity, runtime)
        except handlers.HookFailure as error:
            # The hook's output may hold secrets: it is in no event.
            state.events_of(record.name)("Warning", "FailedPostStartHook", "PostStartHook failed")
            await self._stop(record, identity, Stop(record.name, "FailedPostStartHook"), pod_grace(state.pod))
            why = f"{error.subject} for {self._words(record)} failed - {error}"
            raise StartFailure("PostStartHookError", why) from error

    async def _prune(self, record: ContainerRecord) -> None:
        """Keep this run and the one before: for lastState, and for the logs of the previous one."""
        for c in record.runs[:-2]:
            await self._state.shared.runtime.remove(c.id)
            record.messages.pop(c.id, None)
            await asyncio.to_thread(_remove_logs, c)
        del record.runs[:-2]

    def _blocked_until(self, record: ContainerRecord, reason: str, attempt: int) -> float:
        """No new try before. A container that was made and has ended is held by its back-off alone."""
        shared = self._state.shared
        now, first = shared.clock(), shared.config.backoff_first
        if record.current is not None and record.current.attempt == attempt:
            return 0
        if reason == "ErrImagePull":
            return now + first / 4
        if reason == "ImagePullBackOff":
            return shared.puller.retry_at(self._state.uid, str(record.spec.get("image") or ""))
        return now + first

    # -- killing -------------------------------------------------------------------------------------

    def kill(self, stop: Stop, now: float) -> None:
        """Begin to stop a container, unless it has no run or is being stopped."""
        record = self._state.containers[stop.name]
        if record.current is None or record.busy is Busy.STOPPING:
            return
        record.restarting = record.current.id if stop.restart else ""
        grace, most = grace_for(self._state.pod, record.spec, stop.probe), self._state.grace
        self._kill(record, record.current.id, stop, now, grace if most is None else min(grace, most))

    def allow(self, turns: Set[str]) -> None:
        """It is these containers' turn to get their stop signal."""
        for name in turns:
            self._state.containers[name].turn.set()

    def shorten_grace(self, now: float) -> None:
        """A later deletion may shorten the grace: then stop again what is being stopped, without hooks."""
        grace = meta.metadata(self._state.pod).get("deletionGracePeriodSeconds")
        for record in self._state.containers.values():
            if record.busy is Busy.STOPPING and grace is not None and now + grace < record.kill_at - 1:
                assert record.current is not None
                stop = Stop(record.name, f"Stopping container {record.name}", in_turn=not record.turn.is_set())
                self._kill(record, record.current.id, stop, now, float(grace), hooks=False)

    def _kill(
        self, record: ContainerRecord, identity: str, stop: Stop, now: float, grace: float, *, hooks: bool = True
    ) -> None:
        at = now + grace
        record.busy, record.kill_at = Busy.STOPPING, at

        async def work() -> None:
            try:
                await self._stop(record, identity, stop, grace, hooks=hooks)
            finally:
                if record.kill_at == at:  # not replaced by a shorter one
                    record.busy = Busy.NO

        self._state.tasks.start(f"stop {record.name}", work())

    async def _stop(
        self, record: ContainerRecord, identity: str, stop: Stop, grace: float, *, hooks: bool = True
    ) -> None:
        """preStop, the stop signal, and SIGKILL when the grace is over; returns when the container has exited."""
        shared, emit = self._state.shared, self._state.events_of(record.name)
        emit("Normal", "Killing", stop.message)
        over = shared.clock() + grace
        handler = (record.spec.get("lifecycle") or {}).get("preStop") if hooks else None
        if handler and grace > 0:
            try:
                await handlers.run_hook(handler, record.spec, self._state.ip, identity, shared.runtime, grace)
            except handlers.HookFailure as error:
                log.info("%s for %s failed - %s", error.subject, self._words(record), error)
                emit("Warning", "FailedPreStopHook", "PreStopHook failed")
        if stop.in_turn:
            await self._turn(record, over)
        await shared.runtime.stop(identity, max(over - shared.clock(), _MIN_GRACE))

    async def _turn(self, record: ContainerRecord, until: float) -> None:
        """Wait for the container's turn, or for the end of the grace."""
        try:
            async with asyncio.timeout(max(0.0, until - self._state.shared.clock())):
                await record.turn.wait()
        except TimeoutError:
            log.info("%s is stopped before its turn: the grace is over", self._words(record))

    def _words(self, record: ContainerRecord) -> str:
        return f'Container "{record.name}" in Pod "{self._state.title}"'


def pod_grace(pod: Object) -> float:
    grace = (pod.get("spec") or {}).get("terminationGracePeriodSeconds")
    return 30.0 if grace is None else float(grace)


def grace_for(pod: Object, container: Object, probe: str) -> float:
    """Seconds between SIGTERM and SIGKILL: the deletion's, or the failed probe's own, or the pod's."""
    deletion = meta.metadata(pod).get("deletionGracePeriodSeconds")
    if deletion is not None:
        return float(deletion)
    own = (container.get(f"{probe}Probe") or {}).get("terminationGracePeriodSeconds") if probe else None
    return pod_grace(pod) if own is None else float(own)


def _remove_logs(run: Container) -> None:
    for path in (run.log_path, *run.log_path.parent.glob(run.log_path.name + ".*")):
        path.unlink(missing_ok=True)
