"""The cells of a Pod: what ``kubectl get pods`` makes of phases, conditions and container states.

STATUS is the most telling word that there is: why a container waits or ended, how far initialisation has come,
that the pod is being deleted; the phase only where nothing else is known. Source: upstream's ``printPod``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kubette.api.columns_text import Cells, Obj, Printer, age, condition_is, deleting, name, since, spec, status
from kubette.api.meta import parse_time


class _Tally:
    """Restarts, and when the last one was."""

    def __init__(self) -> None:
        self.restarts = 0
        self.last = ""

    def add(self, container: Obj) -> None:
        self.restarts += container.get("restartCount") or 0
        ended = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""
        if ended and (not self.last or parse_time(ended) > parse_time(self.last)):
            self.last = ended

    def cell(self, now: datetime) -> str:
        if self.restarts and self.last:
            return f"{self.restarts} ({since(self.last, now)} ago)"
        return str(self.restarts)


def _pod(pod: Obj, now: datetime) -> Cells:
    state = status(pod)
    ready, total, word, tally = _containers(pod)
    if deleting(pod):
        if state.get("reason") == "NodeLost":
            word = "Unknown"
        elif state.get("phase") not in ("Succeeded", "Failed"):
            word = "Terminating"
    ips = state.get("podIPs") or ()
    return [
        name(pod), f"{ready}/{total}", word, tally.cell(now), age(pod, now),
        (ips[0].get("ip") if ips else "") or state.get("podIP") or "<none>",
        spec(pod).get("nodeName") or "<none>", state.get("nominatedNodeName") or "<none>", _gates(pod),
    ]  # fmt: skip


def _containers(pod: Obj) -> tuple[int, int, str, _Tally]:
    """Ready containers, all that count, the word for STATUS, and the restarts."""
    state = status(pod)
    word = state.get("reason") or state.get("phase") or ""
    for condition in state.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            word = "SchedulingGated"
    sidecars = {c.get("name") for c in spec(pod).get("initContainers") or () if c.get("restartPolicy") == "Always"}
    total = len(spec(pod).get("containers") or ()) + len(sidecars)
    ready, initialising, tally, of_sidecars = _initialisation(pod, sidecars)
    if initialising:
        word = initialising
    if initialising and not condition_is(pod, "Initialized"):
        return ready, total, word, tally
    tally, running = of_sidecars, False
    for container in reversed(state.get("containerStatuses") or ()):
        tally.add(container)
        now = container.get("state") or {}
        waiting, ended = now.get("waiting") or {}, now.get("terminated")
        if waiting.get("reason"):
            word = waiting["reason"]
        elif ended is not None:
            word = _ended(ended)
        elif container.get("ready") and now.get("running") is not None:
            running = True
            ready += 1
    if word == "Completed" and running:
        word = "Running" if condition_is(pod, "Ready") else "NotReady"
    return ready, total, word, tally


def _initialisation(pod: Obj, sidecars: set[Any]) -> tuple[int, str, _Tally, _Tally]:
    """Ready sidecars, the word while init containers are at work, restarts of all and of the sidecars."""
    ready, tally, of_sidecars = 0, _Tally(), _Tally()
    for i, container in enumerate(status(pod).get("initContainerStatuses") or ()):
        sidecar = container.get("name") in sidecars
        tally.add(container)
        if sidecar:
            of_sidecars.add(container)
        now = container.get("state") or {}
        ended = now.get("terminated")
        if ended is not None and not ended.get("exitCode"):
            continue
        if sidecar and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        reason = (now.get("waiting") or {}).get("reason")
        if ended is not None:
            word = _ended(ended)
        elif reason and reason != "PodInitializing":
            word = reason
        else:
            word = f"{i}/{len(spec(pod).get('initContainers') or ())}"
        return ready, f"Init:{word}", tally, of_sidecars
    return ready, "", tally, of_sidecars


def _ended(terminated: Mapping[str, Any]) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _gates(pod: Obj) -> str:
    gates = spec(pod).get("readinessGates") or ()
    if not gates:
        return "<none>"
    return f"{sum(condition_is(pod, g.get('conditionType', '')) for g in gates)}/{len(gates)}"


PRINTERS = {
    "pods": Printer("Name|Ready|Status|Restarts|Age|*IP|*Node|*Nominated Node|*Readiness Gates", _pod),
}
