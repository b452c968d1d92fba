"""What a pod worker remembers of each container: its runs, whether it starts or stops, its back-off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from kubette.agent import creation
from kubette.agent.lifecycle import Backoff, Busy, Seen
from kubette.agent.probes import Health
from kubette.agent.status import ContainerView
from kubette.runtime.interface import Container, ContainerState, Runtime, Sandbox

Obj = dict[str, Any]


@dataclass(slots=True)
class Slot:
    """One container of one pod. ``runs``: what the runtime has of it, the newest last.

    ``known``: started and ready, as an earlier agent had reported it; ``adopted``: the run that this is about."""

    spec: Obj
    runs: list[Container] = field(default_factory=list)
    busy: Busy = Busy.NO
    stop_by: float = 0
    backoff: Backoff | None = None
    told: str = ""  # the run whose BackOff event was sent
    blocked_until: float = 0
    waiting: tuple[str, str] | None = None
    known: tuple[bool, bool] = (False, False)
    adopted: str = ""
    messages: dict[str, str] = field(default_factory=dict)

    @property
    def current(self) -> Container | None:
        return self.runs[-1] if self.runs else None

    async def observe(self, runtime: Runtime) -> None:
        """Look at the runs again; take in the termination messages of those that have ended."""
        found = [await runtime.get(c.id) for c in self.runs]
        self.runs = [c for c in found if c is not None]
        for c in self.runs:
            if c.state is ContainerState.EXITED and c.id not in self.messages:
                policy = self.spec.get("terminationMessagePolicy") or "File"
                file = c.labels.get(creation.LABEL_MESSAGE, "")
                self.messages[c.id] = creation.termination_message(file, policy, c.exit_code, c.log_path)

    def next_attempt(self, reported: Mapping[str, Any]) -> int:
        """The restart count of a new run. ``reported``: the container's status in the API."""
        if self.current is not None:
            return self.current.attempt + (self.current.state is not ContainerState.CREATED)
        return int(reported.get("restartCount") or 0) + (1 if reported.get("containerID") else 0)

    def stale(self, sandbox: Sandbox | None) -> bool:
        """Whether the run is older than the pod's sandbox: a reboot has taken both."""
        return sandbox is not None and self.current is not None and self.current.created_at < sandbox.created_at

    def seen(self, health: Health | None, sandbox: Sandbox | None) -> Seen:
        current = self.current
        return Seen(
            current=current,
            busy=self.busy,
            started=health is not None and health.started,
            unhealthy=health.unhealthy if health else "",
            changed=current is not None and _hash(current) not in ("", creation.spec_hash(self.spec)),
            backoff=self.backoff,
            blocked_until=self.blocked_until,
            stale=self.stale(sandbox),
        )

    def view(self, health: Health | None, waiting: tuple[str, str] | None) -> ContainerView:
        current = self.current
        return ContainerView(
            current=current,
            previous=self.runs[-2] if len(self.runs) > 1 else None,
            waiting=waiting or self.waiting,
            started=health is not None and health.started,
            ready=health is not None and health.ready,
            image=current.labels.get(creation.LABEL_IMAGE, "") if current else "",
            resources=orjson.loads(current.labels.get(creation.LABEL_RESOURCES, "{}")) if current else {},
            image_id=current.labels.get(creation.LABEL_IMAGE_ID, current.image) if current else "",
            messages=self.messages,
        )


def _hash(c: Container) -> str:
    return c.labels.get(creation.LABEL_HASH, "")


def back_off_words(slot: Slot, pod_words: str, delay: float) -> tuple[str, str]:
    """The waiting reason and message of a container that has crashed too often."""
    name = slot.spec["name"]
    return "CrashLoopBackOff", f"back-off {duration(delay)} restarting failed container={name} pod={pod_words}"


def duration(seconds: float) -> str:
    """As Go prints whole seconds: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
