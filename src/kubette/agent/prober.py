"""Watches a pod's running containers: when their probes run, and what the results add up to.

Readiness is one gated state: the postStart hook has finished, the startup probe has succeeded, and the readiness
probe has succeeded often enough. A container is probed only after its postStart hook; liveness and readiness probes
run only after the startup probe has succeeded.

While one success of a startup or readiness probe is all that is missing, the probe also runs between its periods,
silently: a failure does not count then. So a container gets ready soon, and a program that takes a moment to listen
gets no event. Where successThreshold is more than one, each success is a period apart. A liveness probe is never early.

A container without a readiness probe is ready when it has started. Upstream's kubelet notices that up to a second
later, and most programs listen by then; this agent notices it at once, and would send clients to a closed port. So
within that second such a container gets ready when its declared TCP ports are listened on.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path

from kubette.agent import handlers
from kubette.agent.pod_state import ContainerRecord, Emit, PodState
from kubette.agent.tasks import Tasks
from kubette.api.meta import Object
from kubette.runtime.interface import Container

log = logging.getLogger(__name__)

KINDS = ("startup", "readiness", "liveness")
_PORTS = "ports"  # the task that stands in for a missing readiness probe
_EARLY_FIRST = 0.05  # seconds
_GRACE = 1.0  # seconds that a program has before a failure counts, as it has with the kubelet's own delays
_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp
_LOOK_FIRST, _LOOK_LAST = 0.004, 0.03  # seconds between looks at who listens


@dataclass(slots=True)
class Tally:
    """Results in a row, against the thresholds. ``state``: None until a threshold was reached."""

    successes_needed: int = 1
    failures_needed: int = 3
    state: bool | None = None
    _last: bool | None = None
    _row: int = 0

    @classmethod
    def of(cls, probe: Object) -> Tally:
        return cls(int(probe.get("successThreshold") or 1), int(probe.get("failureThreshold") or 3))

    def add(self, success: bool) -> bool:
        """Returns whether the state has changed."""
        self._row = self._row + 1 if success is self._last else 1
        self._last = success
        if self._row < (self.successes_needed if success else self.failures_needed) or self.state is success:
            return False
        self.state = success
        return True


class Schedule:
    """When one probe runs, in seconds since the epoch: at ``at``, and ``regular`` says whether a failure counts."""

    def __init__(self, kind: str, probe: Object, started_at: float, now: float) -> None:
        self._period = float(probe.get("periodSeconds") or 10)
        begin = max(now, started_at + float(probe.get("initialDelaySeconds") or 0))
        self._due = max(begin, started_at + min(_GRACE, self._period))
        self._early = kind != "liveness" and int(probe.get("successThreshold") or 1) == 1
        self._pause = _EARLY_FIRST
        self.at = begin if self._early else self._due

    @property
    def regular(self) -> bool:
        return self.at >= self._due

    def ran(self, now: float, *, waiting: bool) -> None:
        """The probe has run. ``waiting``: the container still waits for a success of it."""
        if self.regular:
            self._due = max(self._due + self._period, now)
        if self._early and waiting:
            self.at = min(self._due, now + self._pause)
            self._pause = min(self._pause * 2, self._period)
        else:
            self.at, self._pause = self._due, _EARLY_FIRST


@dataclass(slots=True)
class Health:
    """What the probes of one running container say. ``readiness``: of its probe, or of its ports, alone.
    ``unhealthy``: the probe for whose failure it must restart."""

    container_id: str
    readiness: bool
    unhealthy: str = ""
    startup: asyncio.Event = field(default_factory=asyncio.Event)  # set: its startup probe has succeeded

    @property
    def started(self) -> bool:
        return self.startup.is_set()

    @property
    def ready(self) -> bool:
        return self.started and self.readiness


@dataclass(frozen=True, slots=True)
class _Target:
    """One running container that is probed."""

    spec: Object
    run: Container
    ip: str
    health: Health
    emit: Emit


class Prober:
    """The probes of one pod."""

    def __init__(self, state: PodState) -> None:
        self._state = state
        self._tasks = Tasks(f"prober of pod {state.title}")
        self._health: dict[str, Health] = {}

    def health(self, record: ContainerRecord) -> Health | None:
        """Of the container's current run; None while that is not probed."""
        health, current = self._health.get(record.name), record.current
        return health if health is not None and current is not None and health.container_id == current.id else None

    def sync(self) -> bool:
        """Probe each run whose postStart hook has finished, and nothing else. Returns whether there is a new one."""
        new = False
        for name, record in self._state.containers.items():
            run = record.running
            if run is None or record.in_post_start:
                self._forget(name)
            elif self._state.ips and self.health(record) is None:
                self._forget(name)
                self._watch(record, run)
                new = True
        return new

    def stop_liveness_and_startup(self) -> None:
        """The pod ends: only readiness is still probed."""
        for name, health in self._health.items():
            health.unhealthy = ""
            self._tasks.cancel(*(f"{kind} {name}" for kind in KINDS if kind != "readiness"))

    async def close(self) -> None:
        self._health.clear()
        await self._tasks.close()

    def _forget(self, name: str) -> None:
        self._health.pop(name, None)
        self._tasks.cancel(*(f"{kind} {name}" for kind in (*KINDS, _PORTS)))

    def _watch(self, record: ContainerRecord, run: Container) -> None:
        """A run that an earlier agent reported as started or ready counts so until a probe says otherwise."""
        spec = record.spec
        probes = {kind: probe for kind in KINDS if (probe := spec.get(f"{kind}Probe"))}
        started, ready = record.reported if record.adopted == run.id else (False, False)
        health = self._health[record.name] = Health(run.id, ready or "readiness" not in probes)
        if started or "startup" not in probes:
            health.startup.set()
        target = _Target(spec, run, self._state.ip, health, self._state.events_of(record.name))
        for kind, probe in probes.items():
            if kind != "startup" or not health.started:
                self._tasks.start(f"{kind} {record.name}", self._probe(kind, probe, target))
        ports = declared_ports(spec)
        until = run.started_at + _GRACE
        if run.pid and ports and health.readiness and not ready and self._state.shared.clock() < until:
            health.readiness = False
            self._tasks.start(f"{_PORTS} {record.name}", self._await_ports(run.pid, ports, until, health))

    async def _await_ports(self, pid: int, ports: set[int], until: float, health: Health) -> None:
        """Ready when all ``ports`` are listened on in the network of ``pid``, or at ``until``."""
        pause = _LOOK_FIRST
        while self._state.shared.clock() < until:
            try:
                tables = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
            except OSError:  # it has ended; its exit is noticed elsewhere
                break
            if all(any(port in listened(t) for t in tables) for port in ports):
                break
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LOOK_LAST)
        health.readiness = True
        self._state.wake()

    async def _probe(self, kind: str, probe: Object, target: _Target) -> None:
        health, clock, tally = target.health, self._state.shared.clock, Tally.of(probe)
        if kind != "startup":
            await health.startup.wait()
        if kind == "readiness" and health.readiness:
            tally.state = True
        schedule = Schedule(kind, probe, target.run.started_at, clock())
        while True:
            await asyncio.sleep(max(0.0, schedule.at - clock()))
            counts = schedule.regular
            success = await self._probe_once(kind, probe, target, quiet=not counts)
            if success is not None and (counts or success) and tally.add(success):
                self._apply(kind, success, health)
                if kind == "startup" or (kind == "liveness" and not success):
                    return  # until there is a new run
            schedule.ran(clock(), waiting=tally.state is not True)

    async def _probe_once(self, kind: str, probe: Object, target: _Target, *, quiet: bool) -> bool | None:
        """None: there is no result, which counts as neither success nor failure."""
        word, emit = kind.capitalize(), (lambda *_: None) if quiet else target.emit
        runtime = self._state.shared.runtime
        try:
            success, output = await handlers.run_probe(probe, target.spec, target.ip, target.run.id, runtime)
        except handlers.HandlerError as error:
            emit("Warning", "Unhealthy", f"{word} probe errored and resulted in unknown state: {error}")
            return None
        except Exception:
            log.exception("%s probe of container %s in pod %s", word, target.spec["name"], self._state.title)
            return None
        if not success:
            emit("Warning", "Unhealthy", f"{word} probe failed: {output}")
        elif output.startswith(handlers.REDIRECTED):
            emit("Warning", "ProbeWarning", f"{word} probe warning: {output}")
        return success

    def _apply(self, kind: str, success: bool, health: Health) -> None:
        if kind == "readiness":
            health.readiness = success
        elif not success:
            health.unhealthy = kind
        elif kind == "startup":
            health.startup.set()
        self._state.wake()


def listened(table: str) -> set[int]:
    """Ports with a listener, of a table as in /proc/net/tcp or tcp6 (proc(5))."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTEN}


def declared_ports(container: Object) -> set[int]:
    """The container's own TCP ports."""
    ports = container.get("ports") or ()
    return {int(p["containerPort"]) for p in ports if p.get("protocol", "TCP") == "TCP"}
