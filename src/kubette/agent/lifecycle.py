"""What to start, stop or wait for in one pod, from what is there and the clock. Pure: no I/O, no API writes.

    init containers   in order, each to its end (sidecars: until started)   →  containers  →  sidecars stop, in reverse
    a container       missing → starting → running → exited → (policy) → back-off → starting …
    ephemeral         started once, at any time
    ending            preStop hooks all at once; the stop signal to all but sidecars; then to the sidecars, last first

Sources: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/, sidecar-containers, and the kubelet's
``computePodActions`` and ``terminationOrdering``.
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
    ``changed``: it runs by an older definition; ``restarting``: its run was stopped to be started again."""

    current: Container | None = None
    busy: Busy = Busy.NO
    started: bool = False
    unhealthy: str = ""
    changed: bool = False
    restarting: bool = False
    backoff: Backoff | None = None
    blocked_until: float = 0  # it could not be started: no new try before
    stale: bool = False  # it ran in a sandbox that has gone: the node was rebooted

    @property
    def running(self) -> bool:
        return self.current is not None and self.current.state is ContainerState.RUNNING

    @property
    def exited(self) -> bool:
        return self.current is not None and self.current.state in (ContainerState.EXITED, ContainerState.UNKNOWN)

    @property
    def alive(self) -> bool:
        """It runs, or a task works on it."""
        return self.running or self.busy is not Busy.NO

    @property
    def begun(self) -> bool:
        """It has been started in the pod's present sandbox, or is being started."""
        return (self.current is not None and not self.stale) or self.busy is not Busy.NO


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop this container; ``message`` is the Killing event's."""

    name: str
    message: str
    probe: str = ""  # whose terminationGracePeriodSeconds counts, if it has one
    restart: bool = False  # it then starts again, whatever its policy
    in_turn: bool = False  # no stop signal before its turn, as long as there is grace


@dataclass(slots=True)
class Plan:
    starts: list[str] = field(default_factory=list)  # in order, one after the other
    stops: list[Stop] = field(default_factory=list)
    turns: set[str] = field(default_factory=set)  # of the ending containers: those that may get their stop signal
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
    policy = restart_policy(pod, container)
    if init and not sidecar(container):
        return exit_code != 0 and policy != "Never"
    return {"Always": True, "OnFailure": exit_code != 0}.get(policy, False)


def restart_policy(pod: Object, container: Object) -> str:
    return str(container.get("restartPolicy") or (pod.get("spec") or {}).get("restartPolicy") or "Always")


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
    ending = ending or all(_no_future(pod, c, _get(seen, c)) for c in containers(pod))
    if not ending:
        for c in ephemeral_containers(pod):
            if not (_get(seen, c).exited or _get(seen, c).running):
                _start(c, _get(seen, c), now, last_backoff, out)
        if out.initialized:
            _run(pod, seen, now, last_backoff, out)
        else:
            ending = _initialize(pod, seen, now, last_backoff, out)
    if ending:
        _end(pod, seen, out)
    return out


def _get(seen: Mapping[str, Seen], container: Object) -> Seen:
    return seen.get(container["name"]) or Seen()


def _initialized(pod: Object, seen: Mapping[str, Seen]) -> bool:
    """The last init container is done, or has been: a container was made after it."""
    made = (_get(seen, c) for c in containers(pod))
    if any(s.current is not None and not s.stale for s in made):
        return True
    inits = init_containers(pod)
    return not inits or _init_done(inits[-1], _get(seen, inits[-1]))


def _init_done(container: Object, s: Seen) -> bool:
    if sidecar(container):
        return s.running and s.started
    return s.exited and not s.stale and s.current is not None and s.current.exit_code == 0


def _initialize(pod: Object, seen: Mapping[str, Seen], now: float, last: float, out: Plan) -> bool:
    """Go on with the newest init container that has begun; sidecars before it only go on running, and nothing waits
    for them. Returns whether initialisation has failed for good."""
    inits = init_containers(pod)
    newest = max((i for i, c in enumerate(inits) if _get(seen, c).begun), default=-1)
    for c in inits[: newest + 1]:
        if sidecar(c):
            _keep_running(pod, c, _get(seen, c), now, last, out)
    if newest >= 0 and not _init_done(inits[newest], _get(seen, inits[newest])):
        return not sidecar(inits[newest]) and _try_init(pod, inits[newest], seen, now, last, out)
    if newest + 1 < len(inits):
        return _try_init(pod, inits[newest + 1], seen, now, last, out)
    return False


def _try_init(pod: Object, container: Object, seen: Mapping[str, Seen], now: float, last: float, out: Plan) -> bool:
    """Start it, unless it runs. Returns whether it has failed for good."""
    s = _get(seen, container)
    if not sidecar(container) and _init_failed(pod, container, s):
        return True
    if not s.running:
        _start(container, s, now, last, out)
    return False


def _init_failed(pod: Object, container: Object, s: Seen) -> bool:
    if s.busy is not Busy.NO or not s.exited or s.current is None or s.current.exit_code == 0:
        return False
    return not restarts(pod, container, s.current.exit_code, init=True)


def _run(pod: Object, seen: Mapping[str, Seen], now: float, last: float, out: Plan) -> None:
    for c in init_containers(pod):
        if sidecar(c):
            _keep_running(pod, c, _get(seen, c), now, last, out)
    for c in containers(pod):
        if not _over(pod, c, _get(seen, c)):
            _keep_running(pod, c, _get(seen, c), now, last, out)


def _keep_running(pod: Object, container: Object, s: Seen, now: float, last: float, out: Plan) -> None:
    """Start it if it does not run; stop it if it must not go on running as it is."""
    if not s.running:
        _start(container, s, now, last, out)
    elif (s.unhealthy or s.changed) and s.busy is Busy.NO:
        name, init = container["name"], sidecar(container)
        restart = init or _restarts_unfit(pod, container, s)
        why = "definition changed" if s.changed else f"failed {s.unhealthy} probe"
        words = f"Init container {name} {why}" if init else f"Container {name} {why}"
        if restart and not init:
            words += ", will be restarted"
        out.stops.append(Stop(name, words, "" if s.changed else s.unhealthy, restart=restart))


def _restarts_unfit(pod: Object, container: Object, s: Seen) -> bool:
    """Whether a running container that is changed or unhealthy runs again; its exit code does not matter then."""
    return s.changed or restart_policy(pod, container) != "Never"


def _no_future(pod: Object, container: Object, s: Seen) -> bool:
    unfit = s.running and bool(s.unhealthy) and not _restarts_unfit(pod, container, s)
    return unfit or _over(pod, container, s)


def _over(pod: Object, container: Object, s: Seen) -> bool:
    if s.busy is not Busy.NO or s.restarting or not s.exited or s.current is None:
        return False
    return not restarts(pod, container, s.current.exit_code)


def _start(container: Object, s: Seen, now: float, last: float, out: Plan) -> None:
    """Start it, unless a task works on it, or it must wait: for its back-off, or because it could not be started."""
    name = container["name"]
    if s.busy is not Busy.NO:
        return
    if s.exited and s.current is not None and s.backoff is not None and not s.changed:
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
    """Stop everything at once. Sidecars get their stop signal when all containers have exited, the last one first."""
    out.starts.clear()
    out.backing_off.clear()
    out.stops.clear()
    sidecars = [c for c in init_containers(pod) if sidecar(c)]
    others = [c for c in any_container(pod) if c not in sidecars]
    out.turns = {c["name"] for c in others}
    blocked = any(_get(seen, c).alive for c in containers(pod))
    for c in reversed(sidecars):
        if not blocked:
            out.turns.add(c["name"])
        blocked = blocked or _get(seen, c).alive
    for c in (*others, *reversed(sidecars)):
        s = _get(seen, c)
        if s.alive and s.busy is not Busy.STOPPING and not s.exited:  # what has exited needs no stop
            out.stops.append(Stop(c["name"], f"Stopping container {c['name']}", in_turn=c in sidecars))
    out.done = not any(_get(seen, c).alive for c in any_container(pod))
