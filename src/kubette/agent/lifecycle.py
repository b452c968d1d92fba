"""What to start, stop or wait for in one pod, from what is there and the clock. Pure: no I/O, no API writes.

    init containers   in order, each to its end (sidecars: until started)   →  containers  →  sidecars stop, in reverse
    a container       missing → starting → running → exited → (policy) → back-off → starting …
    ephemeral         started once, at any time
    ending            containers stop together, then the sidecars, last first

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and sidecar-containers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from kubette.api import meta
from kubette.api.meta import Object
from kubette.runtime.interface import Container, ContainerState

DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


class Busy(Enum):
    """A job of the worker's that is under way for a container."""

    NO = ""
    STARTING = "starting"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a container must stay down. ``updated``: when it was last raised."""

    delay: float
    updated: float

    def expired(self, event: float, last: float) -> bool:
        return event - self.updated > 2 * last


def raised(old: Backoff | None, event: float, now: float, first: float, last: float) -> Backoff:
    """The back-off after one more crash at ``event``: doubled, or anew after twice ``last`` of peace."""
    if old is None or old.expired(event, last):
        return Backoff(first, now)
    return Backoff(min(old.delay * 2, last), now)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one container. ``unhealthy``: the probe that failed, "liveness" or "startup";
    ``changed``: it runs by an older definition."""

    current: Container | None = None
    busy: Busy = Busy.NO
    started: bool = False
    unhealthy: str = ""
    changed: bool = False
    backoff: Backoff | None = None
    blocked_until: float = 0  # image or configuration trouble: no new try before
    stale: bool = False  # it ran in a sandbox that is no more: the node was rebooted

    @property
    def running(self) -> bool:
        return self.current is not None and self.current.state is ContainerState.RUNNING

    @property
    def exited(self) -> bool:
        return self.current is not None and self.current.state in (ContainerState.EXITED, ContainerState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop this container; ``message`` is the Killing event's."""

    name: str
    message: str
    probe: str = ""  # whose terminationGracePeriodSeconds counts, if it has one
    restart: bool = False  # only this container, which then starts again


@dataclass(slots=True)
class Plan:
    starts: list[str] = field(default_factory=list)  # in order, one after the other
    stops: list[Stop] = field(default_factory=list)
    backing_off: dict[str, float] = field(default_factory=dict)  # CrashLoopBackOff: the delay that holds
    wake_at: float | None = None
    done: bool = False  # nothing runs and nothing ever will again
    initialized: bool = False

    def wake(self, at: float) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)


def sidecar(container: Object) -> bool:
    """An init container that goes on running (only meaningful for init containers)."""
    return container.get("restartPolicy") == "Always"


def containers(pod: Object) -> list[Object]:
    return list((pod.get("spec") or {}).get("containers") or ())


def init_containers(pod: Object) -> list[Object]:
    return list((pod.get("spec") or {}).get("initContainers") or ())


def ephemeral_containers(pod: Object) -> list[Object]:
    """Those that somebody has added to look around (``kubectl debug``): started once, and of no weight."""
    return list((pod.get("spec") or {}).get("ephemeralContainers") or ())


def every_container(pod: Object) -> Iterator[Object]:
    """Those that make the pod what it is: its init containers and its containers."""
    yield from init_containers(pod)
    yield from containers(pod)


def any_container(pod: Object) -> Iterator[Object]:
    """Also the ephemeral ones."""
    yield from every_container(pod)
    yield from ephemeral_containers(pod)


def restarts(pod: Object, container: Object, exit_code: int, *, init: bool = False) -> bool:
    """Whether a container that ended so runs again. A container's own rules and policy precede the pod's."""
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        listed = exit_code in (codes.get("values") or ())
        if rule.get("action") == "Restart" and listed == (codes.get("operator") == "In"):
            return True
    policy = container.get("restartPolicy") or (pod.get("spec") or {}).get("restartPolicy") or "Always"
    if init and not sidecar(container):
        return exit_code != 0 and policy != "Never"
    return {"Always": True, "OnFailure": exit_code != 0}.get(policy, False)


def deadline(pod: Object) -> float | None:
    """When activeDeadlineSeconds is over, seconds since the epoch."""
    seconds = (pod.get("spec") or {}).get("activeDeadlineSeconds")
    start = (pod.get("status") or {}).get("startTime")
    if seconds is None or not start:
        return None
    return meta.parse_time(start).timestamp() + float(seconds)


def plan(pod: Object, seen: Mapping[str, Seen], now: float, *, ending: bool, last_backoff: float = 300) -> Plan:
    """The next steps. ``ending``: the pod is being deleted, has failed or is over; only stops then."""
    out = Plan()
    out.initialized = _initialized(pod, seen)
    ending = ending or all(_over(pod, c, _get(seen, c)) for c in containers(pod))
    if not ending:
        for c in ephemeral_containers(pod):
            if not (_get(seen, c).exited or _get(seen, c).running):
                _start(c, _get(seen, c), now, last_backoff, out)
    if not ending and not out.initialized:
        ending = _init_phase(pod, seen, now, last_backoff, out)
    elif not ending:
        _main_phase(pod, seen, now, last_backoff, out)
    if ending:
        _end(pod, seen, out)
    return out


def _get(seen: Mapping[str, Seen], container: Object) -> Seen:
    return seen.get(container["name"]) or Seen()


def _initialized(pod: Object, seen: Mapping[str, Seen]) -> bool:
    mains = (_get(seen, c) for c in containers(pod))
    if any(s.current and s.current.state is not ContainerState.CREATED and not s.stale for s in mains):
        return True
    return all(_init_done(c, _get(seen, c)) for c in init_containers(pod))


def _init_done(container: Object, s: Seen) -> bool:
    if sidecar(container):
        return s.running and s.started
    return s.exited and not s.stale and s.current is not None and s.current.exit_code == 0


def _init_phase(pod: Object, seen: Mapping[str, Seen], now: float, last: float, out: Plan) -> bool:
    """True: initialisation has failed for good, so all must end."""
    for c in init_containers(pod):
        s = _get(seen, c)
        if s.running and (s.unhealthy or s.changed):
            _stop_to_restart(c, s, out)
        if _init_done(c, s):
            continue
        if _init_failed(pod, c, s):
            return True
        if not s.running:
            _start(c, s, now, last, out)
        return False
    return False


def _init_failed(pod: Object, container: Object, s: Seen) -> bool:
    if not s.exited or s.current is None or (s.stale and s.current.exit_code == 0):
        return False
    return not restarts(pod, container, s.current.exit_code, init=True)


def _main_phase(pod: Object, seen: Mapping[str, Seen], now: float, last: float, out: Plan) -> None:
    goes_on = [c for c in init_containers(pod) if sidecar(c)]
    for c in (*goes_on, *containers(pod)):
        s = _get(seen, c)
        if s.running and (s.unhealthy or s.changed):
            _stop_to_restart(c, s, out)
        elif not s.running and s.busy is Busy.NO and (c in goes_on or not _over(pod, c, s)):
            _start(c, s, now, last, out)


def _over(pod: Object, container: Object, s: Seen) -> bool:
    if s.busy is not Busy.NO or not s.exited or s.current is None:
        return False
    return not restarts(pod, container, s.current.exit_code)


def _stop_to_restart(container: Object, s: Seen, out: Plan) -> None:
    if s.busy is Busy.NO:
        name = container["name"]
        why = f"failed {s.unhealthy} probe" if s.unhealthy else "definition changed"
        words = f"Container {name} {why}, will be restarted"
        out.stops.append(Stop(name, words, s.unhealthy, restart=True))


def _start(container: Object, s: Seen, now: float, last: float, out: Plan) -> None:
    """Start it, unless a job is under way, or it must wait: for its back-off, or after trouble."""
    name = container["name"]
    if s.busy is not Busy.NO:
        return
    if s.exited and s.current is not None and s.backoff is not None:
        over = s.current.finished_at + s.backoff.delay
        if now < over and not s.backoff.expired(s.current.finished_at, last):
            out.backing_off[name] = s.backoff.delay
            out.wake(over)
            return
    if now < s.blocked_until:
        out.wake(s.blocked_until)
        return
    out.starts.append(name)


def _end(pod: Object, seen: Mapping[str, Seen], out: Plan) -> None:
    """Stop the containers together; then what runs of the init containers, the last first."""
    out.starts.clear()
    out.backing_off.clear()
    out.stops.clear()
    waiting = [s.name for s in _ending_stops([*containers(pod), *ephemeral_containers(pod)], seen, out)]
    if not waiting:
        for c in reversed(init_containers(pod)):
            if _ending_stops([c], seen, out):
                waiting.append(c["name"])
                break
    out.done = not waiting


def _ending_stops(chosen: list[Object], seen: Mapping[str, Seen], out: Plan) -> list[Stop]:
    """Stops for those that run, and for those that a job holds (which the stop then takes over)."""
    needed = []
    for c in chosen:
        s = _get(seen, c)
        if s.running or s.busy is not Busy.NO:
            stop = Stop(c["name"], f"Stopping container {c['name']}")
            needed.append(stop)
            if s.busy is not Busy.STOPPING and not s.exited:  # what has exited needs no stop, only its job's end
                out.stops.append(stop)
    return needed
