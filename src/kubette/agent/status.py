"""A pod's status from what the agent knows. Pure.

Phases are a table over how many containers wait, run and have stopped (``PHASES``); the first row that
holds decides. Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and the kubelet's ``getPhase``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubette.agent.lifecycle import containers, ephemeral_containers, init_containers, restarts, sidecar
from kubette.agent.qos import qos_class
from kubette.api import meta
from kubette.api.meta import Object
from kubette.runtime.interface import Container, ContainerState

PREFIX = "kubette://"
_MESSAGES_LIMIT = 12 * 1024  # bytes of all termination messages of a pod together
_LOST = {
    "reason": "ContainerStatusUnknown",
    "message": "The container could not be located when the pod was terminated",
    "exitCode": 137,
}


@dataclass(frozen=True, slots=True)
class ContainerView:
    """One container as its status tells it. ``waiting``: reason and message, when it is held back."""

    current: Container | None = None
    previous: Container | None = None
    waiting: tuple[str, str] | None = None
    started: bool = False
    ready: bool = False
    image: str = ""
    resources: Mapping[str, Any] = field(default_factory=dict)  # what it was given
    image_id: str = ""
    messages: Mapping[str, str] = field(default_factory=dict)  # termination messages by container ID


@dataclass(frozen=True, slots=True)
class PodView:
    """The pod around its containers. ``failed``: reason and message of a pod that the agent ends.

    ``refused``: by this node, so that there never was a container. ``ending``: nothing starts any more; ``over``:
    nothing runs either. ``now``: seconds since the epoch."""

    containers: Mapping[str, ContainerView]
    now: float
    ips: Sequence[str] = ()
    host_ips: Sequence[str] = ()
    sandbox: bool = False
    initialized: bool = False
    ending: bool = False
    over: bool = False
    failed: tuple[str, str] | None = None
    refused: bool = False


def timestamp(seconds: float) -> str:
    return meta.format_time(datetime.fromtimestamp(seconds, UTC))


# -- phase --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Counts:
    """Over the ordinary containers; ``initializing`` counts init containers that are not through."""

    policy: str
    over: bool = False
    failed: bool = False
    initializing: int = 0
    waiting: int = 0
    running: int = 0
    stopped: int = 0
    succeeded: int = 0


#: No phase is terminal before every container has ended.
PHASES: tuple[tuple[Callable[[Counts], bool], str], ...] = (
    (lambda c: c.over and c.failed, "Failed"),
    (lambda c: c.over and c.stopped > 0 and c.waiting == 0 and c.stopped == c.succeeded, "Succeeded"),
    (lambda c: c.over, "Failed"),
    (lambda c: c.initializing > 0 or c.waiting > 0, "Pending"),
    (lambda c: c.running > 0 or c.stopped > 0, "Running"),
    (lambda c: True, "Pending"),
)


def phase(pod: Object, view: PodView, mains: Sequence[Object]) -> str:
    """Pending, Running, Succeeded or Failed. ``mains``: the statuses of the ordinary containers."""
    counts = Counts((pod.get("spec") or {}).get("restartPolicy") or "Always", view.over, view.failed is not None)
    counts.initializing = 0 if view.initialized else 1
    for state, last in ((s["state"], s["lastState"]) for s in mains):
        counts.running += "running" in state
        counts.stopped += "terminated" in state or ("waiting" in state and bool(last))
        counts.waiting += "waiting" in state and not last
        counts.succeeded += "terminated" in state and state["terminated"]["exitCode"] == 0
    return next(name for holds, name in PHASES if holds(counts))


# -- containers ---------------------------------------------------------------------------------------


def container_status(pod: Object, container: Object, view: PodView) -> Object:
    """The ``ContainerStatus`` of one container."""
    name = container["name"]
    v = view.containers.get(name) or ContainerView()
    init = any(c["name"] == name for c in init_containers(pod))
    current, last = v.current, v.previous
    running = current is not None and current.state is ContainerState.RUNNING
    ended = current is not None and not running and current.state is not ContainerState.CREATED
    state: Object
    if current is not None and running:
        state = {"running": {"startedAt": timestamp(current.started_at)}}
    elif current is not None and ended and not _waits(pod, container, current, v, view, init=init):
        state = {"terminated": terminated(current, v.messages.get(current.id, ""))}
    else:
        if ended:
            last = current
        reason, message = v.waiting or (_default_reason(pod), "")
        state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    out: Object = {
        "name": name,
        "state": state,
        "lastState": {"terminated": terminated(last, v.messages.get(last.id, ""))} if last else {},
        "ready": v.ready and running,
        "restartCount": current.attempt if current else (last.attempt + 1 if last else 0),
        "image": v.image or container.get("image") or "",
        "imageID": v.image_id,
        "started": v.started and running,
    }
    if current is None and last is None:
        out |= _of_lost(pod, reported(pod, name), waits=v.waiting is not None)
    if init and not sidecar(container):
        done = out["state"].get("terminated")
        out["ready"] = done is not None and done["exitCode"] == 0
    shown = current or last
    if shown is not None:
        out["containerID"] = PREFIX + shown.id
        out |= _resources(v.resources)
    if mounts := [_volume_mount(m) for m in container.get("volumeMounts") or ()]:
        out["volumeMounts"] = mounts
    if current is not None and current.user:
        uid, gid, *groups = current.user
        out["user"] = {"linux": {"uid": uid, "gid": gid, "supplementalGroups": groups}}
    return out


def _waits(pod: Object, container: Object, run: Container, v: ContainerView, view: PodView, *, init: bool) -> bool:
    """Whether a container that has ended waits for its next start."""
    return v.waiting is not None and not view.ending and restarts(pod, container, run.exit_code, init=init)


def reported(pod: Object, name: str) -> Mapping[str, Any]:
    """The container's status as the pod has it; empty if it has none."""
    old = pod.get("status") or {}
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    return next((s for kind in kinds for s in old.get(kind) or () if s.get("name") == name), {})


def _of_lost(pod: Object, old: Mapping[str, Any], *, waits: bool) -> Object:
    """What is kept of the status of a container that the runtime does not know (any more)."""
    state, last = old.get("state") or {}, old.get("lastState") or {}
    count = int(old.get("restartCount") or 0)
    if "terminated" in state and waits:
        return {"restartCount": count, "lastState": state}
    if "terminated" in state:
        return {key: old[key] for key in ("state", "lastState", "restartCount", "containerID", "imageID") if key in old}
    if "running" in state and not last:
        message = "The container could not be located when the pod was deleted.  The container used to be Running"
        lost = {**_LOST, "message": message}
        return {"restartCount": count + (not meta.deleting(pod)), "lastState": {"terminated": lost}}
    return {"restartCount": count, "lastState": last}


def _ephemeral_status(pod: Object, container: Object, view: PodView) -> Object:
    """Nobody waits for it to be started or ready."""
    out = container_status(pod, container, view)
    del out["started"]
    return {**out, "ready": False}


def _resources(given: Mapping[str, Any]) -> Object:
    """What the container was given when it was made; a resize since then has changed nothing."""
    out: Object = {"resources": {k: given[k] for k in ("limits", "requests") if given.get(k)}}
    if given.get("requests"):
        out["allocatedResources"] = given["requests"]
    return out


def _volume_mount(mount: Object) -> Object:
    out: Object = {"name": mount["name"], "mountPath": mount["mountPath"]}
    return {**out, "readOnly": True, "recursiveReadOnly": "Disabled"} if mount.get("readOnly") else out


def _default_reason(pod: Object) -> str:
    return "PodInitializing" if init_containers(pod) else "ContainerCreating"


def terminated(c: Container, message: str = "") -> Object:
    """``ContainerStateTerminated``; the reason is the runtime's, or follows from how it ended."""
    reason = c.reason or ("OOMKilled" if c.oom_killed else "Completed" if c.exit_code == 0 else "Error")
    out: Object = {
        "exitCode": c.exit_code,
        "reason": reason,
        "startedAt": timestamp(c.started_at or c.created_at),
        "finishedAt": timestamp(c.finished_at),
        "containerID": PREFIX + c.id,
    }
    if text := message or c.message:
        out["message"] = text
    return out


# -- the pod ------------------------------------------------------------------------------------------


def pod_status(pod: Object, view: PodView) -> Object:
    """The whole ``PodStatus`` that the agent owns, with conditions of others left in place."""
    old = pod.get("status") or {}
    if view.refused and view.failed is not None:
        reason, message = view.failed
        start = old.get("startTime") or timestamp(view.now)
        return {"phase": "Failed", "reason": reason, "message": message, "qosClass": qos_class(pod), "startTime": start}
    inits = [container_status(pod, c, view) for c in init_containers(pod)]
    mains = sorted((container_status(pod, c, view) for c in containers(pod)), key=lambda s: str(s["name"]))
    now_phase = phase(pod, view, mains)
    out: Object = {
        "phase": now_phase,
        "qosClass": qos_class(pod),
        "startTime": old.get("startTime") or timestamp(view.now),
        "containerStatuses": mains,
        "conditions": conditions(pod, view, now_phase, inits, mains),
    }
    if generation := meta.metadata(pod).get("generation"):
        out["observedGeneration"] = generation
    if inits:
        out["initContainerStatuses"] = inits
    ephemeral = [_ephemeral_status(pod, c, view) for c in ephemeral_containers(pod)]
    if ephemeral:
        out["ephemeralContainerStatuses"] = ephemeral
    if view.host_ips:
        out["hostIP"] = view.host_ips[0]
        out["hostIPs"] = [{"ip": ip} for ip in view.host_ips]
    if view.ips:
        out["podIP"] = view.ips[0]
        out["podIPs"] = [{"ip": ip} for ip in view.ips]
    if view.failed is not None and view.over:
        out["reason"], out["message"] = view.failed
    if view.over:
        _terminate(pod, view, inits, mains)
    _limit_messages([*inits, *mains, *ephemeral])
    return out


def _terminate(pod: Object, view: PodView, inits: list[Object], mains: list[Object]) -> None:
    """Nothing runs any more: what has no end on record, although it may have run, counts as failed."""
    begun = [i for i, s in enumerate(inits) if "waiting" not in s["state"] or s["lastState"]]
    lost = inits[: max(begun, default=0) + 1]
    if view.initialized or any("waiting" not in s["state"] or s["lastState"] for s in mains):
        lost += mains
    for s in lost:
        if "terminated" not in s["state"]:
            s["state"] = {"terminated": dict(_LOST)}


def _limit_messages(statuses: Sequence[Object]) -> None:
    """Share the room for termination messages among the containers."""
    limit = _MESSAGES_LIMIT // max(1, len(statuses))
    for s in statuses:
        for key in ("state", "lastState"):
            ended = s[key].get("terminated") or {}
            message = str(ended.get("message", "")).encode()
            if len(message) > limit:  # no part of a character is left at the end
                s[key] = {"terminated": {**ended, "message": message[:limit].decode(errors="ignore")}}


#: The conditions that the agent owns, in their order.


_ORDER = {
    kind: i
    for i, kind in enumerate(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    )
}


def conditions(pod: Object, view: PodView, now_phase: str, inits: list[Object], mains: list[Object]) -> list[Object]:
    """The five conditions of the kubelet's, in its order, after those of others."""
    out: list[Object] = list((pod.get("status") or {}).get("conditions") or ())
    at, generation = timestamp(view.now), meta.metadata(pod).get("generation")

    def put(kind: str, why: tuple[str, str] | None, holds: bool | None = None) -> None:
        new: Object = {"type": kind, "status": "True" if (why is None if holds is None else holds) else "False"}
        if why is not None:
            new["reason"], new["message"] = why
            if not why[1]:
                del new["message"]
        if generation:
            new["observedGeneration"] = generation
        old = next((c for c in out if c.get("type") == kind), {})
        new["lastProbeTime"] = old.get("lastProbeTime")
        out[:] = meta.set_condition(out, new, at)

    put("PodReadyToStartContainers", None, view.sandbox and not view.over)
    initialized = any(c.get("type") == "Initialized" and c.get("status") == "True" for c in out)
    if now_phase == "Succeeded":
        put("Initialized", ("PodCompleted", ""), True)
    elif initialized:  # for ever
        put("Initialized", None)
    else:
        put("Initialized", None if view.initialized else _not_initialized(pod, inits))
    failed = ("PodFailed", "") if view.failed is not None or now_phase == "Failed" else None
    ended = ("PodCompleted", "") if now_phase == "Succeeded" else failed
    unready = _unready(pod, [*inits, *mains])
    put("ContainersReady", ended or unready)
    put("Ready", ended or unready or _gates(pod, out))
    put("PodScheduled", None)
    return sorted(out, key=lambda c: _ORDER.get(c["type"], -1))


def _not_initialized(pod: Object, inits: list[Object]) -> tuple[str, str]:
    shape = {c["name"]: c for c in init_containers(pod)}
    names = [s["name"] for s in inits if not (s["started"] if sidecar(shape[s["name"]]) else s["ready"])]
    return "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(names)}]"


def _unready(pod: Object, statuses: list[Object]) -> tuple[str, str] | None:
    ordinary = {c["name"] for c in containers(pod)} | {c["name"] for c in init_containers(pod) if sidecar(c)}
    names = [s["name"] for s in statuses if s["name"] in ordinary and not s["ready"]]
    if not names:
        return None
    return "ContainersNotReady", f"containers with unready status: [{' '.join(names)}]"


def _gates(pod: Object, present: list[Object]) -> tuple[str, str] | None:
    """Readiness gates: conditions that others set."""
    messages = []
    for gate in (pod.get("spec") or {}).get("readinessGates") or ():
        kind = gate["conditionType"]
        found = next((c for c in present if c.get("type") == kind), None)
        if found is None:
            messages.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif found.get("status") != "True":
            messages.append(
                f'the status of pod readiness gate "{kind}" is not "True", but {found.get("status") or "Unknown"}'
            )
    return ("ReadinessGatesNotReady", ", ".join(messages)) if messages else None


def with_pending(known: Mapping[str, Any], pending: Mapping[str, Any]) -> Object:
    """The server's status, with what this agent has set but the server has not answered for yet: so the start time
    and the times of transitions are those when they were first seen."""
    out = dict(known)
    if start := known.get("startTime") or pending.get("startTime"):
        out["startTime"] = start
    own = [c for c in pending.get("conditions") or () if c.get("type") in _ORDER]
    names = {c["type"] for c in own}
    if own:
        out["conditions"] = [*(c for c in known.get("conditions") or () if c.get("type") not in names), *own]
    return out


def patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> Object | None:
    """The strategic merge patch of ``status`` that leads from ``old`` to ``new``; None when they agree."""
    out: Object = {k: v for k, v in new.items() if k not in ("conditions", "podIPs") and old.get(k) != v}
    before = {c.get("type"): _without_nulls(c) for c in old.get("conditions") or ()}
    changed = [c for c in new.get("conditions") or () if before.get(c["type"]) != _without_nulls(c)]
    if changed:  # merged by type: what others write at the same time stays
        for c in changed:
            gone = before.get(c["type"], {}).keys() - c.keys()
            c.update(dict.fromkeys(gone))
        out["conditions"] = changed
        out["$setElementOrder/conditions"] = [{"type": c["type"]} for c in new["conditions"]]
    if "podIPs" in new and old.get("podIPs") != new["podIPs"]:
        stale = [{"ip": p["ip"], "$patch": "delete"} for p in old.get("podIPs") or () if p not in new["podIPs"]]
        out["podIPs"] = [*new["podIPs"], *stale]
    return out or None


def _without_nulls(condition: Mapping[str, Any]) -> Object:
    return {k: v for k, v in condition.items() if v is not None}
