"""What is known of one pod on this node: its newest API object, its sandbox, its containers, why it has failed.

The pod's worker owns it; ``sandbox``, ``containers`` and ``prober`` read it and act on the pod.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from kubette.agent import container_spec, lifecycle, status
from kubette.agent.container_spec import PodSetup, format_pod
from kubette.agent.lifecycle import Backoff, Busy
from kubette.agent.shared import Shared
from kubette.agent.status_manager import StatusManager
from kubette.agent.tasks import Tasks
from kubette.api import meta
from kubette.api.meta import Object
from kubette.runtime.interface import Container, ContainerState, Runtime

Emit = Callable[[str, str, str], None]  # an event: type, reason, message

_MESSAGE_LIMIT, _LOG_LIMIT, _LOG_LINES = 4096, 2048, 80


@dataclass(slots=True)
class ContainerRecord:
    """One container of a pod. ``runs``: the runtime's containers of it, the newest last.

    ``waiting``: the reason and message for which it does not run, ``blocked_until``: no new try before.
    ``post_start``: the ID of the run whose postStart hook is under way.
    ``restarting``: the ID of the run that was stopped to be started again.
    ``turn``: set when it may get its stop signal, as its pod ends.
    ``reported``: started and ready, as an earlier agent reported the run ``adopted``.
    ``backed_off``: the run for which a BackOff event was sent."""

    spec: Object
    runs: list[Container] = field(default_factory=list)
    busy: Busy = Busy.NO
    kill_at: float = 0
    backoff: Backoff | None = None
    backed_off: str = ""
    blocked_until: float = 0
    waiting: tuple[str, str] | None = None
    post_start: str = ""
    restarting: str = ""
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    reported: tuple[bool, bool] = (False, False)
    adopted: str = ""
    messages: dict[str, str] = field(default_factory=dict)  # termination messages by container ID

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def current(self) -> Container | None:
        return self.runs[-1] if self.runs else None

    @property
    def running(self) -> Container | None:
        """The current run while it runs."""
        return self.current if self.current and self.current.state is ContainerState.RUNNING else None

    @property
    def in_post_start(self) -> bool:
        """Whether it runs, but its postStart hook has not finished."""
        return self.running is not None and self.running.id == self.post_start

    @property
    def changed(self) -> bool:
        """Whether it runs by an older definition."""
        made_from = self.label(container_spec.LABEL_HASH)
        return made_from not in ("", container_spec.spec_hash(self.spec))

    def label(self, name: str) -> str:
        """A label of the current run; empty without one."""
        return self.current.labels.get(name, "") if self.current else ""

    async def observe(self, runtime: Runtime) -> None:
        """Read the runs' states from the runtime, and the termination messages of those that have ended."""
        found = [await runtime.get(c.id) for c in self.runs]
        self.runs = [c for c in found if c is not None]
        for c in self.runs:
            if c.state is ContainerState.EXITED and c.id not in self.messages:
                policy = self.spec.get("terminationMessagePolicy") or "File"
                file = c.labels.get(container_spec.LABEL_MESSAGE, "")
                self.messages[c.id] = termination_message(file, policy, c.exit_code, c.log_path)

    def next_attempt(self, reported: Mapping[str, Any]) -> int:
        """The restart count of a new run. ``reported``: the container's status in the API."""
        if self.current is not None:
            return self.current.attempt + (self.current.state is not ContainerState.CREATED)
        return int(reported.get("restartCount") or 0) + (1 if reported.get("containerID") else 0)

    def view(self, *, started: bool, ready: bool, waiting: tuple[str, str] | None) -> status.ContainerView:
        """What its status is derived from. To the API a container runs after its postStart hook only."""
        current = self.current
        if current is not None and self.in_post_start:
            current = replace(current, state=ContainerState.CREATED)
        return status.ContainerView(
            current=current,
            previous=self.runs[-2] if len(self.runs) > 1 else None,
            waiting=waiting or self.waiting,
            started=started,
            ready=ready,
            image=self.label(container_spec.LABEL_IMAGE),
            resources=orjson.loads(self.label(container_spec.LABEL_RESOURCES) or "{}"),
            image_id=self.label(container_spec.LABEL_IMAGE_ID) or (current.image if current else ""),
            messages=self.messages,
        )


class PodState:
    """``pod``: the API's newest object; ``failed``: the reason and message for which the whole pod has failed;
    ``grace``: the most seconds that its containers then get to stop (None: what the pod asks for);
    ``wake``: makes the worker look at the pod; ``tasks``: what runs beside the worker."""

    def __init__(self, shared: Shared, pod: Object, adopted: Sequence[Container], wake: Callable[[], None]) -> None:
        self.shared = shared
        self.pod = pod
        self.uid = meta.uid(pod)
        self.title = format_pod(pod)
        self.wake = wake
        self.tasks = Tasks(f"pod {self.title}", wake)
        self.status = StatusManager(shared.api, pod)
        self.setup: PodSetup | None = None
        self.failed: tuple[str, str] | None = None
        self.grace: float | None = None
        self.containers: dict[str, ContainerRecord] = {}
        self._add_records()
        self._adopt(adopted)

    def update(self, pod: Object) -> None:
        """Take the API's newer object."""
        self.pod = pod
        self.status.learn(pod)
        self._add_records()

    @property
    def container_ids(self) -> list[str]:
        return [c.id for record in self.containers.values() for c in record.runs]

    @property
    def ips(self) -> tuple[str, ...]:
        """The pod's addresses; before it is set up, those that an earlier agent reported."""
        if self.setup is not None:
            return self.setup.ips
        return tuple(p["ip"] for p in self.status.known.get("podIPs") or ())

    @property
    def ip(self) -> str:
        """The first of them, or nothing."""
        return self.ips[0] if self.ips else ""

    def stale(self, record: ContainerRecord) -> bool:
        """Whether the current run is older than the pod's sandbox: a reboot has ended both."""
        current = record.current
        return self.setup is not None and current is not None and current.created_at < self.setup.sandbox.created_at

    def reported(self, name: str) -> Mapping[str, Any]:
        """The container's status in the API."""
        return status.reported({"status": self.status.known}, name)

    def event(self, type_: str, reason: str, message: str) -> None:
        """Record an event about the pod as a whole."""
        self.shared.recorder.event(self.pod, type_, reason, message)

    def events_of(self, name: str) -> Emit:
        """A recorder of events about one container."""
        path = _field_path(self.pod, name)

        def emit(type_: str, reason: str, message: str) -> None:
            self.shared.recorder.event(self.pod, type_, reason, message, field_path=path)

        return emit

    def _add_records(self) -> None:
        for spec in lifecycle.any_container(self.pod):
            record = self.containers.setdefault(spec["name"], ContainerRecord(spec))
            record.spec = spec

    def _adopt(self, adopted: Sequence[Container]) -> None:
        for c in sorted(adopted, key=lambda c: (c.attempt, c.created_at)):
            record = self.containers.get(c.labels.get(container_spec.LABEL_CONTAINER, c.name))
            if record is not None:
                record.runs.append(c)
        for name, record in self.containers.items():
            reported = self.reported(name)
            if record.current is not None and reported.get("containerID") == status.PREFIX + record.current.id:
                record.adopted = record.current.id
                record.reported = bool(reported.get("started")), bool(reported.get("ready"))


def _field_path(pod: Object, name: str) -> str:
    spec = pod.get("spec") or {}
    kinds = ("initContainers", "ephemeralContainers")
    where = next((k for k in kinds if any(c["name"] == name for c in spec.get(k) or ())), "containers")
    return f"spec.{where}{{{name}}}"


def termination_message(file: str, policy: str, exit_code: int, log: Path) -> str:
    """What the container left in its message file, or the end of its log if the policy says so."""
    try:
        with open(file, "rb") as f:
            text = f.read(_MESSAGE_LIMIT).decode(errors="replace")
    except OSError:
        text = ""
    if text or policy != "FallbackToLogsOnError" or exit_code == 0:
        return text
    try:
        with log.open("rb") as f:
            f.seek(max(0, log.stat().st_size - 4 * _LOG_LIMIT))
            lines = f.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line.split(" ", 3)[-1] for line in lines[-_LOG_LINES:])[-_LOG_LIMIT:]
