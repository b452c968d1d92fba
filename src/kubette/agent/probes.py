"""When probes run and what their results add up to: thresholds, periods, one task per probe of a container.

``Tally`` decides purely; ``Prober`` runs the tasks. A startup probe holds the other two back. While a container
is not started or not ready, the probe that it waits for also runs between its periods, silently: only a success
counts then. So it gets ready soon, and a program that takes a moment to listen is not reported at once.

A container without a readiness probe is ready when it runs. Upstream's kubelet sees that when it next looks, up to a
second later, and most programs listen by then; we see it at once, and would send clients to a port that nobody
has opened yet. So within that second such a container gets ready when its declared TCP ports are listened on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubette.agent import probe_actions
from kubette.runtime.interface import Runtime

Obj = dict[str, Any]
Emit = Callable[[str, str, str], None]  # type, reason, message

log = logging.getLogger(__name__)

KINDS = ("startup", "readiness", "liveness")
_EAGER_FIRST = 0.05  # seconds
_SETTLING = 1.0  # seconds that a program has before a failure counts, as it has with the kubelet's own delays
_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp
_LOOK_FIRST, _LOOK_LAST = 0.004, 0.03  # seconds between looks at who listens


def listened(table: str) -> set[int]:
    """Ports with a listener, of a table as in /proc/net/tcp or tcp6 (proc(5))."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTEN}


def declared_ports(container: Obj) -> set[int]:
    """The container's own TCP ports."""
    ports = container.get("ports") or ()
    return {int(p["containerPort"]) for p in ports if p.get("protocol", "TCP") == "TCP"}


@dataclass(slots=True)
class Tally:
    """Results in a row, against the thresholds. ``state``: None as long as nothing is settled."""

    successes_needed: int = 1
    failures_needed: int = 3
    state: bool | None = None
    _last: bool | None = None
    _row: int = 0

    @classmethod
    def of(cls, probe: Obj) -> Tally:
        return cls(int(probe.get("successThreshold") or 1), int(probe.get("failureThreshold") or 3))

    def add(self, success: bool) -> bool:
        """True when the state has changed."""
        self._row = self._row + 1 if success is self._last else 1
        self._last = success
        if self._row < (self.successes_needed if success else self.failures_needed) or self.state is success:
            return False
        self.state = success
        return True


@dataclass(slots=True)
class Health:
    """What the probes of one running container say. ``unhealthy``: the probe because of which it must restart."""

    container_id: str
    started: bool
    ready: bool
    unhealthy: str = ""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Prober:
    """The probes of one pod. ``changed`` is called when any Health has changed."""

    def __init__(self, runtime: Runtime, changed: Callable[[], None], clock: Callable[[], float] = time.time) -> None:
        self._runtime = runtime
        self._changed = changed
        self._clock = clock
        self._health: dict[str, Health] = {}

    def get(self, name: str, container_id: str) -> Health | None:
        health = self._health.get(name)
        return health if health is not None and health.container_id == container_id else None

    def watch(
        self,
        container: Obj,
        container_id: str,
        pod_ip: str,
        started_at: float,
        emit: Emit,
        known: tuple[bool, bool],
        pid: int = 0,
    ) -> Health:
        """Probe this container from now on, unless that is being done. ``known``: (started, ready) of a container
        that ran before this agent did; it counts as such until a probe says otherwise. ``pid``: its first process."""
        name = container["name"]
        if (health := self.get(name, container_id)) is not None:
            return health
        self.forget(name)
        probes = {kind: container.get(f"{kind}Probe") for kind in KINDS}
        started, ready = known
        health = Health(container_id, started or probes["startup"] is None, ready or probes["readiness"] is None)
        self._health[name] = health
        for kind, probe in probes.items():
            if probe and not (started and kind == "startup"):
                run = self._loop(kind, probe, container, health, pod_ip, started_at, emit)
                health.tasks.append(asyncio.create_task(run, name=f"{kind}-probe-{name}"))
        ports = declared_ports(container)
        if pid and ports and health.ready and not ready and self._clock() < started_at + _SETTLING:
            health.ready = False
            run = self._open(pid, ports, started_at + _SETTLING, health)
            health.tasks.append(asyncio.create_task(run, name=f"readiness-ports-{name}"))
        return health

    async def _open(self, pid: int, ports: set[int], until: float, health: Health) -> None:
        """Ready when all ``ports`` are listened on in the network of ``pid``, or at ``until``."""
        pause = _LOOK_FIRST
        while self._clock() < until:
            try:
                tables = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
            except OSError:  # it has ended: its exit is told by others
                break
            if all(any(port in listened(t) for t in tables) for port in ports):
                break
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LOOK_LAST)
        health.ready = True
        self._changed()

    def forget(self, name: str) -> None:
        """The container is gone or going."""
        health = self._health.pop(name, None)
        for task in health.tasks if health else ():
            task.cancel()

    def ending(self) -> None:
        """The pod is ending: only readiness goes on being probed."""
        for health in self._health.values():
            health.unhealthy = ""
            for task in health.tasks:
                if not task.get_name().startswith("readiness"):
                    task.cancel()

    def close(self) -> None:
        for name in list(self._health):
            self.forget(name)

    async def _loop(
        self, kind: str, probe: Obj, container: Obj, health: Health, pod_ip: str, started_at: float, emit: Emit
    ) -> None:
        tally = Tally.of(probe)
        if kind == "readiness" and health.ready:
            tally.state = True
        period = float(probe.get("periodSeconds") or 10)
        begin = started_at + float(probe.get("initialDelaySeconds") or 0)
        due = max(self._clock(), begin, started_at + min(_SETTLING, period))
        eager = _EAGER_FIRST
        await asyncio.sleep((due if kind == "liveness" else begin) - self._clock())
        while True:
            if kind != "startup" and not health.started:
                await asyncio.sleep(_EAGER_FIRST)
                due = self._clock()
                continue
            silent = self._clock() < due
            result = await self._once(kind, probe, container, health, pod_ip, None if silent else emit)
            if result is not None and not (silent and not result) and tally.add(result):
                self._settle(kind, result, health)
                if kind == "startup":
                    return
            if not silent:
                due = max(due + period, self._clock())
            pause = max(0.0, due - self._clock())
            if (kind == "readiness" and not health.ready) or kind == "startup":
                pause, eager = min(pause, eager), min(eager * 2, period)
            else:
                eager = _EAGER_FIRST
            await asyncio.sleep(pause)

    async def _once(
        self, kind: str, probe: Obj, container: Obj, health: Health, pod_ip: str, emit: Emit | None
    ) -> bool | None:
        word = kind.capitalize()
        try:
            success, output = await probe_actions.run(probe, container, pod_ip, health.container_id, self._runtime)
        except probe_actions.Unsettled as error:
            if emit:
                emit("Warning", "Unhealthy", f"{word} probe errored and resulted in unknown state: {error}")
            return None
        except Exception:
            log.exception("%s probe of %s", kind, container["name"])
            return None
        if not success and emit:
            emit("Warning", "Unhealthy", f"{word} probe failed: {output}")
        elif emit and output.startswith(probe_actions.REDIRECTED):
            emit("Warning", "ProbeWarning", f"{word} probe warning: {output}")
        return success

    def _settle(self, kind: str, result: bool, health: Health) -> None:
        if kind == "readiness":
            health.ready = result
        elif not result:
            health.unhealthy = kind
        elif kind == "startup":
            health.started = True
        self._changed()
