"""A Deployment's status: counts, and the conditions Available, Progressing and ReplicaFailure.

Pure. ``kubectl rollout status`` reads exactly this. Source: upstream's ``deployment/progress.go``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers.rollout import limits, replicas

_NO_DEADLINE = 2**31 - 1
#: No rollout is being timed: one was completed (however long ago), has failed, or waits for somebody to resume it.
_NOT_TIMED = ("NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused")


def counts(deployment: Object, new: Object | None, everyone: Sequence[Object]) -> Object:
    def total(field: str, sets: Sequence[Object]) -> int:
        return sum(int((rs.get("status") or {}).get(field, 0)) for rs in sets)

    live = total("availableReplicas", everyone)
    out: Object = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": total("replicas", everyone),
        "updatedReplicas": total("replicas", [new] if new is not None else []),
        "readyReplicas": total("readyReplicas", everyone),
        "availableReplicas": live,
        "unavailableReplicas": max(0, sum(map(replicas, everyone)) - live),
    }
    out = {k: v for k, v in out.items() if v}
    out["terminatingReplicas"] = total("terminatingReplicas", everyone)
    if collisions := (deployment.get("status") or {}).get("collisionCount"):
        out["collisionCount"] = collisions
    return out


def complete(deployment: Object, status: Object) -> bool:
    wanted = replicas(deployment)
    return bool(
        status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
        and status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    )


def condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def put(conditions: list[Object], new: Object, now: datetime) -> list[Object]:
    """As ``meta.set_condition``, and lastUpdateTime moves when status or reason do."""
    old = next((c for c in conditions if c["type"] == new["type"]), None)
    if old is not None and (old["status"], old["reason"]) == (new["status"], new["reason"]):
        return conditions
    at = meta.format_time(now)
    return meta.set_condition(conditions, {**new, "lastUpdateTime": at}, at)


def progressed(
    deployment: Object, new: Object | None, status: Object, now: datetime
) -> tuple[list[Object], float | None]:
    """The conditions, and in how many seconds the progress deadline must be looked at."""
    conditions = list((deployment.get("status") or {}).get("conditions") or [])
    enough = status.get("availableReplicas", 0) >= replicas(deployment) - limits(deployment)[1]
    conditions = put(
        conditions,
        condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        if enough
        else condition(
            "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
        ),
        now,
    )
    deadline = deployment["spec"].get("progressDeadlineSeconds", 600)
    again = None
    if deadline != _NO_DEADLINE:
        conditions, again = _progress(deployment, new, status, conditions, deadline, now)
    return _failures(conditions, new, now), again


def _progress(
    deployment: Object, new: Object | None, status: Object, conditions: list[Object], deadline: int, now: datetime
) -> tuple[list[Object], float | None]:
    current = next((c for c in conditions if c["type"] == "Progressing"), None)
    done = current is not None and current["reason"] == "NewReplicaSetAvailable"
    steady = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    if done and steady:
        return conditions, None
    what = f'ReplicaSet "{meta.name(new)}"' if new is not None else f'Deployment "{meta.name(deployment)}"'
    if complete(deployment, status):
        fresh = condition("Progressing", "True", "NewReplicaSetAvailable", f"{what} has successfully progressed.")
        return put(conditions, fresh, now), None
    if _moved(deployment.get("status") or {}, status):
        fresh = condition("Progressing", "True", "ReplicaSetUpdated", f"{what} is progressing.")
        at = meta.format_time(now)
        fresh["lastUpdateTime"] = at  # each step starts the deadline anew
        return meta.set_condition(conditions, fresh, at), float(deadline)
    if current is None or current["reason"] in _NOT_TIMED:
        return conditions, None
    since = current.get("lastUpdateTime") or current.get("lastTransitionTime")
    left = deadline - (now - meta.parse_time(since or meta.metadata(deployment)["creationTimestamp"])).total_seconds()
    if left > 0:
        return conditions, left + 0.1
    late = condition("Progressing", "False", "ProgressDeadlineExceeded", f"{what} has timed out progressing.")
    return put(conditions, late, now), None


def _moved(old: Object, new: Object) -> bool:
    def old_pods(status: Object) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grew = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return any(new.get(f, 0) > old.get(f, 0) for f in grew) or old_pods(new) < old_pods(old)


def _failures(conditions: list[Object], new: Object | None, now: datetime) -> list[Object]:
    failure = meta.condition(new, "ReplicaFailure") if new is not None else None
    rest = [c for c in conditions if c["type"] != "ReplicaFailure"]
    if failure is None:
        return rest
    fresh = condition("ReplicaFailure", failure["status"], failure.get("reason", ""), failure.get("message", ""))
    return put(conditions, fresh, now)
