"""What a Deployment says of its rollout, by its conditions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kubette.controllers.deployment_status import counts, progressed

Obj = dict[str, Any]
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_AGO = "2026-01-01T00:00:00Z"


def deployment(reason: str, status: Obj, **spec: Any) -> Obj:
    progressing = {"type": "Progressing", "status": "True", "reason": reason, "lastUpdateTime": LONG_AGO}
    return {
        "metadata": {"name": "kubia", "generation": 2},
        "spec": {"replicas": 4, "progressDeadlineSeconds": 60, **spec},
        "status": {**status, "conditions": [{**progressing, "lastTransitionTime": LONG_AGO, "message": ""}]},
    }


def rs(name: str, replicas: int, ready: int) -> Obj:
    status = {"replicas": ready, "readyReplicas": ready, "availableReplicas": ready}
    return {"metadata": {"name": name}, "spec": {"replicas": replicas}, "status": status}


def reason(of: Obj, new: Obj, *old: Obj) -> tuple[str, float | None]:
    conditions, again = progressed(of, new, counts(of, new, [new, *old]), NOW)
    return next(c["reason"] for c in conditions if c["type"] == "Progressing"), again


def test_undoing_a_rollout_that_was_completed_long_ago_has_not_timed_out() -> None:
    full = {"replicas": 4, "updatedReplicas": 4, "readyReplicas": 4, "availableReplicas": 4}
    was, back = rs("v2", 4, 4), rs("v1", 0, 0)
    undone = deployment("NewReplicaSetAvailable", full)
    assert reason(undone, back, was) == ("NewReplicaSetAvailable", None)
    undone["status"] |= {"updatedReplicas": 0}
    assert reason(undone, rs("v1", 1, 1), was)[0] == "ReplicaSetUpdated", "the clock starts with the first step"


def test_a_rollout_that_stands_still_for_too_long_has() -> None:
    half = {"replicas": 5, "updatedReplicas": 1, "readyReplicas": 5, "availableReplicas": 5}
    stuck = deployment("ReplicaSetUpdated", half)
    assert reason(stuck, rs("v2", 1, 1), rs("v1", 4, 4)) == ("ProgressDeadlineExceeded", None)
    stuck["spec"]["progressDeadlineSeconds"] = 2**31 - 1
    assert reason(stuck, rs("v2", 1, 1), rs("v1", 4, 4)) == ("ReplicaSetUpdated", None)
