"""What controllers ask of a pod: is it active, ready, available, and who should go first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from kubette.api import meta
from kubette.api.meta import Object

_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def terminal(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def active(pod: Object) -> bool:
    """Neither finished nor being deleted."""
    return not terminal(pod) and not meta.deleting(pod)


def ready(pod: Object) -> bool:
    condition = meta.condition(pod, "Ready")
    return condition is not None and condition.get("status") == "True"


def ready_since(pod: Object) -> datetime | None:
    condition = meta.condition(pod, "Ready")
    if condition is None or condition.get("status") != "True" or not condition.get("lastTransitionTime"):
        return None
    return meta.parse_time(condition["lastTransitionTime"])


def available_in(pod: Object, min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until it counts as available: 0 now, None while it is not ready."""
    if not ready(pod):
        return None
    if not min_ready_seconds:
        return 0.0
    since = ready_since(pod)
    if since is None:
        return None
    return max(0.0, min_ready_seconds - (now - since).total_seconds())


def first_to_go(pods: Iterable[Object], crowd: Mapping[str, int]) -> list[Object]:
    """In the order in which a controller deletes them (upstream's ActivePodsWithRanks).

    Unassigned, pending, not ready, cheap, crowded (``crowd``: related pods by node), ready for a short
    time, restarted often, young: each of these goes before its opposite.
    """

    def rank(pod: Object) -> tuple[Any, ...]:
        node = pod.get("spec", {}).get("nodeName") or ""
        since, created = ready_since(pod), pod["metadata"].get("creationTimestamp")
        statuses = (pod.get("status") or {}).get("containerStatuses") or ()
        return (
            bool(node),
            _PHASES.get(phase(pod), 1),
            ready(pod),
            _cost(pod),
            -crowd.get(node, 0),
            -since.timestamp() if since else 0.0,
            -max((s.get("restartCount", 0) for s in statuses), default=0),
            -meta.parse_time(created).timestamp() if created else 0.0,
        )

    return sorted(pods, key=rank)


def _cost(pod: Object) -> int:
    try:
        return int(meta.annotations(pod).get(_DELETION_COST, "0"))
    except ValueError:
        return 0
