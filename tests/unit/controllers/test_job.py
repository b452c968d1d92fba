"""What a Job decides: counting each pod once, waiting between tries, indexes as its status writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kubette.api import meta
from kubette.controllers import jobindexes
from kubette.controllers.job import job_pod
from kubette.controllers.jobplan import FINALIZER, backoff, decide

Obj = dict[str, Any]
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def pod(name: str, phase: str = "Running", ended: int = 0, index: int | None = None, held: bool = True) -> Obj:
    """``ended``: seconds before now."""
    at = meta.format_time(NOW - timedelta(seconds=ended))
    m: Obj = {"name": name, "namespace": "default", "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    m["finalizers"] = [FINALIZER] if held else []
    if index is not None:
        m["annotations"] = {jobindexes.INDEX: str(index)}
    done = {"name": "c", "state": {"terminated": {"exitCode": int(phase == "Failed"), "finishedAt": at}}}
    statuses = [done] if phase in ("Succeeded", "Failed") else []
    return {"metadata": m, "spec": {}, "status": {"phase": phase, "containerStatuses": statuses}}


def job(**spec: Any) -> Obj:
    defaults = {"completions": 3, "parallelism": 3, "backoffLimit": 6, "podReplacementPolicy": "TerminatingOrFailed"}
    template = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}}
    m = {"name": "work", "namespace": "default", "uid": "j"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": m,
        "spec": {**defaults, "template": template, **spec},
        "status": {},
    }


@pytest.mark.parametrize(
    ("indexes", "text"), [(set(), ""), ({1}, "1"), ({1, 3, 4, 5, 7}, "1,3-5,7"), ({0, 1}, "0,1"), ({2, 1, 0}, "0-2")]
)
def test_indexes_are_written_as_documented(indexes: set[int], text: str) -> None:
    assert jobindexes.write(indexes) == text
    assert jobindexes.parse(text, 10) == indexes


def test_indexes_beyond_the_completions_do_not_count() -> None:
    assert jobindexes.parse("0,2-9", 4) == {0, 2, 3}


def test_a_pod_is_counted_once_wherever_the_controller_is_interrupted() -> None:
    """List it, store; free it; add it up: after a crash between any two of these the next does the rest."""
    work, pods = job(), [pod("a", "Succeeded"), pod("b", "Failed"), pod("c")]
    for _ in range(2):  # stored, and killed before a finalizer was touched
        plan = decide(work, pods, NOW)
        assert plan.status["uncountedTerminatedPods"] == {"succeeded": ["a"], "failed": ["b"]}
        assert [meta.name(p) for p in plan.release] == ["a", "b"]
        assert "succeeded" not in plan.status
        work["status"] = plan.status
    pods[0] = pod("a", "Succeeded", held=False)  # killed after the first
    plan = decide(work, pods, NOW)
    assert (plan.status["succeeded"], plan.status["uncountedTerminatedPods"]) == (1, {"failed": ["b"]})
    work["status"] = plan.status
    del pods[1]  # somebody removed it, finalizer and all
    for _ in range(2):
        plan = decide(work, pods, NOW)
        assert (plan.status["succeeded"], plan.status["failed"], plan.release) == (1, 1, [])
        work["status"] = plan.status


def test_each_failure_doubles_the_wait_and_a_success_ends_it() -> None:
    assert backoff([pod("a", "Failed", 4)], NOW) == 6
    assert backoff([pod("a", "Failed", 90), pod("b", "Failed", 50), pod("c", "Failed", 4)], NOW) == 36
    assert backoff([pod("a", "Failed", 90), pod("b", "Succeeded", 50), pod("c", "Failed", 4)], NOW) == 6
    assert backoff([pod("a", "Failed", 90), pod("b", "Succeeded", 50)], NOW) == 0
    assert decide(job(), [pod("a", "Failed", 4), pod("b")], NOW).create == []
    assert decide(job(), [pod("a", "Failed", 4), pod("b")], NOW).again == 6
    assert decide(job(), [pod("a", "Failed", 11), pod("b")], NOW).create == [None, None]


def test_of_two_pods_with_one_index_the_younger_goes_and_indexes_start_in_order() -> None:
    work = job(completionMode="Indexed", completions=5)
    twin = pod("twin", index=1)
    twin["metadata"]["creationTimestamp"] = "2026-01-01T01:00:00Z"
    plan = decide(work, [twin, pod("first", index=1), pod("done", "Succeeded", index=0)], NOW)
    assert [meta.name(p) for p in plan.drop] == ["twin"]
    assert (plan.create, plan.status["completedIndexes"]) == ([2, 3], "0")


def test_a_job_whose_number_of_completions_is_open_ends_with_its_last_pod() -> None:
    queue = job(completions=None, parallelism=2)
    assert decide(queue, [], NOW).create == [None, None]
    plan = decide(queue, [pod("a", "Succeeded"), pod("b")], NOW)
    assert (plan.create, plan.drop, plan.delete) == ([], [], [])
    conditions = decide(queue, [pod("a", "Succeeded"), pod("b", "Succeeded")], NOW).status["conditions"]
    assert [c["type"] for c in conditions] == ["SuccessCriteriaMet"]


def test_restarts_in_place_count_against_the_limit() -> None:
    restarting = pod("a")
    restarting["status"]["containerStatuses"] = [{"name": "c", "restartCount": 2}]
    work = job(backoffLimit=2)
    work["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    plan = decide(work, [restarting], NOW)
    assert [c["reason"] for c in plan.status["conditions"]] == ["BackoffLimitExceeded"]
    assert plan.delete == [restarting]


def test_a_pod_of_an_indexed_job_knows_its_index() -> None:
    work = job(completionMode="Indexed", backoffLimitPerIndex=2)
    made = job_pod(work, 4, 1)
    assert made["metadata"]["generateName"] == "work-4-"
    assert made["metadata"]["annotations"] == {
        "batch.kubernetes.io/job-completion-index": "4",
        "batch.kubernetes.io/job-index-failure-count": "1",
    }
    (variable,) = made["spec"]["containers"][0]["env"]
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.labels['{jobindexes.INDEX}']"
