"""A Job's life on the fake API: how many pods, which failures, and when it is over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kubette.api import errors, meta
from kubette.api.kinds import resource
from kubette.controllers import ControllersConfig, jobplan, run
from kubette.controllers.jobindexes import INDEX, index_of
from kubette.testing.fakeapi import FakeApi

Obj = dict[str, Any]
PODS, JOBS = resource("pods"), resource("jobs.batch")
#: The exit code of a pod, or None while it is to run on.
Outcome = Callable[[Obj], int | None]


class Node:
    """Runs each pod at once, ends it as ``outcome`` says, and lets go who is deleted."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.outcome: Outcome = lambda pod: 0
        self.most = 0  # pods that ran at once

    async def run(self) -> None:
        while True:
            for pod in self.api.all("pods"):
                try:
                    await self._look(pod)
                except errors.ApiError:
                    pass  # it has changed meanwhile
            self.most = max(self.most, sum(p["status"]["phase"] == "Running" for p in self.api.all("pods")))
            await asyncio.sleep(0)

    async def _look(self, pod: Obj) -> None:
        name, phase = meta.name(pod), pod["status"].get("phase", "Pending")
        if phase in ("Succeeded", "Failed"):
            return
        if meta.deleting(pod):
            await self._end(name, 137)
            if pod["metadata"].get("deletionGracePeriodSeconds"):
                await self.api.delete(PODS, name, "default", grace_seconds=0)
        elif phase == "Pending":
            await self._say(name, {"phase": "Running"})
        elif (code := self.outcome(pod)) is not None:
            await self._end(name, code)

    async def _end(self, name: str, code: int) -> None:
        ended = {"name": "c", "state": {"terminated": {"exitCode": code, "finishedAt": meta.now()}}}
        await self._say(name, {"phase": "Failed" if code else "Succeeded", "containerStatuses": [ended]})

    async def _say(self, name: str, status: Obj) -> None:
        await self.api.patch(PODS, name, {"status": status}, "default", subresource="status")


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    monkeypatch.setattr(jobplan, "_FIRST_BACKOFF", 0.01)
    node = Node(FakeApi())
    tasks = [
        asyncio.create_task(run(node.api, ControllersConfig()), name="controllers"),
        asyncio.create_task(node.run(), name="node"),
    ]
    yield node
    for task in tasks:
        assert not task.done(), task
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def create(api: FakeApi, restart: str = "Never", **spec: Any) -> Obj:
    labels = {"batch.kubernetes.io/job-name": "work"}
    template = {"metadata": {"labels": labels}, "spec": {"restartPolicy": restart, "containers": [{"name": "c"}]}}
    defaults = {"completions": 1, "parallelism": 1, "backoffLimit": 6, "podReplacementPolicy": "TerminatingOrFailed"}
    spec = {**defaults, "selector": {"matchLabels": labels}, "template": template, **spec}
    return await api.create(JOBS, {"metadata": {"name": "work", "namespace": "default"}, "spec": spec})


def job(api: FakeApi) -> Obj:
    return api.find("jobs.batch", "work") or {}


def status(api: FakeApi, field: str) -> Any:
    return (job(api).get("status") or {}).get(field)


def is_(api: FakeApi, condition: str) -> str:
    """The condition's reason while it holds."""
    found = meta.condition(job(api), condition) or {}
    return found.get("reason", "") if found.get("status") == "True" else ""


async def test_pods_run_so_many_at_a_time_until_so_many_have_ended_well(node: Node) -> None:
    api = node.api
    node.outcome = lambda pod: 0 if node.most == 3 else None
    await create(api, completions=7, parallelism=3)
    await api.until(lambda: is_(api, "Complete") == "CompletionsReached")
    assert (status(api, "succeeded"), len(api.all("pods")), node.most) == (7, 7, 3)
    assert status(api, "active") is None
    assert status(api, "uncountedTerminatedPods") == {}
    assert status(api, "startTime") <= status(api, "completionTime")
    assert not any(jobplan.tracked(p) for p in api.all("pods"))
    await api.until(lambda: any(e["message"] == "Job completed" for e in api.all("events")))
    said = Counter(e["reason"] for e in api.all("events") if e["involvedObject"]["kind"] == "Job")
    assert said == {"SuccessfulCreate": 7, "Completed": 1}


async def test_failures_are_tried_again_until_there_were_too_many(node: Node) -> None:
    api = node.api
    node.outcome = lambda pod: 1
    await create(api, backoffLimit=2)
    await api.until(lambda: is_(api, "Failed") == "BackoffLimitExceeded", timeout=15)
    assert (status(api, "failed"), len(api.all("pods"))) == (3, 3)
    assert (meta.condition(job(api), "Failed") or {})["message"] == "Job has reached the specified backoff limit"
    assert is_(api, "FailureTarget")


async def test_an_indexed_job_does_each_part_once(node: Node) -> None:
    api, failed = node.api, set[int | None]()

    def once(pod: Obj) -> int:
        """The first pod of index 1 fails."""
        first = index_of(pod) == 1 and not failed
        failed.update({1} if first else ())
        return int(first)

    node.outcome = once
    await create(api, completions=4, parallelism=2, completionMode="Indexed")
    await api.until(lambda: is_(api, "Complete"), timeout=15)
    assert (status(api, "completedIndexes"), status(api, "succeeded"), status(api, "failed")) == ("0-3", 4, 1)
    assert Counter(index_of(p) for p in api.all("pods")) == {0: 1, 1: 2, 2: 1, 3: 1}
    pod = api.all("pods")[0]
    assert meta.name(pod).startswith("work-0-")
    assert (pod["spec"]["hostname"], meta.labels(pod)[INDEX]) == ("work-0", "0")
    assert [e["name"] for e in pod["spec"]["containers"][0]["env"]] == ["JOB_COMPLETION_INDEX"]


async def test_each_index_has_failures_of_its_own(node: Node) -> None:
    api = node.api
    node.outcome = lambda pod: int(index_of(pod) == 1)
    await create(
        api, completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=1, backoffLimit=2**31 - 1
    )
    await api.until(lambda: is_(api, "Failed") == "FailedIndexes", timeout=15)
    assert (status(api, "completedIndexes"), status(api, "failedIndexes"), status(api, "failed")) == ("0,2", "1", 2)


async def test_a_success_policy_is_met_before_all_is_done(node: Node) -> None:
    api = node.api
    node.outcome = lambda pod: 0 if index_of(pod) == 0 else None
    policy = {"rules": [{"succeededIndexes": "0"}]}
    await create(api, completions=3, parallelism=3, completionMode="Indexed", successPolicy=policy)
    await api.until(lambda: is_(api, "Complete") == "SuccessPolicy")
    assert (meta.condition(job(api), "SuccessCriteriaMet") or {})["message"] == "Matched rules at index 0"
    assert not [p for p in api.all("pods") if p["status"]["phase"] == "Running"]


async def test_a_failure_policy_tells_failures_apart(node: Node) -> None:
    api = node.api
    codes = iter((7, 42))
    node.outcome = lambda pod: next(codes)
    rules = [
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}},
        {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}},
    ]
    await create(api, podFailurePolicy={"rules": rules}, podReplacementPolicy="Failed")
    await api.until(lambda: is_(api, "Failed") == "PodFailurePolicy", timeout=15)
    last = next(p for p in api.all("pods") if "42" in str(p["status"]))
    words = f"Container c for pod default/{meta.name(last)} failed with exit code 42 matching FailJob rule at index 1"
    assert (meta.condition(job(api), "Failed") or {})["message"] == words
    assert status(api, "failed") == 1, "what is ignored does not count"


async def test_suspended_it_runs_nothing_and_resumed_it_begins_anew(node: Node) -> None:
    api = node.api
    node.outcome = lambda pod: None
    await create(api, parallelism=2, completions=2)
    await api.until(lambda: status(api, "active") == 2)
    await api.patch(JOBS, "work", {"spec": {"suspend": True}}, "default")
    await api.until(lambda: is_(api, "Suspended") == "JobSuspended" and not api.all("pods"))
    assert status(api, "startTime") is None
    assert status(api, "failed") is None, "nobody is to blame"
    node.outcome = lambda pod: 0
    await api.patch(JOBS, "work", {"spec": {"suspend": False}}, "default")
    await api.until(lambda: is_(api, "Complete"))
    assert (meta.condition(job(api), "Suspended") or {})["reason"] == "JobResumed"


async def test_more_or_less_at_a_time_and_a_deadline_for_all(node: Node) -> None:
    api = node.api
    node.outcome = lambda pod: None
    await create(api, parallelism=1, completions=9)
    await api.until(lambda: status(api, "active") == 1)
    await api.patch(JOBS, "work", {"spec": {"parallelism": 4}}, "default")
    await api.until(lambda: status(api, "active") == 4)
    await api.patch(JOBS, "work", {"spec": {"parallelism": 2}}, "default")
    await api.until(lambda: len(api.all("pods")) == 2 and status(api, "active") == 2)
    assert status(api, "failed") is None
    await api.patch(JOBS, "work", {"spec": {"activeDeadlineSeconds": 1}}, "default")
    await api.until(lambda: is_(api, "Failed") == "DeadlineExceeded")
    assert status(api, "failed") == 2
    assert not api.all("pods")


async def test_a_pod_that_somebody_deletes_has_failed_and_is_replaced(node: Node) -> None:
    api = node.api
    node.outcome = lambda pod: None
    await create(api)
    first = await api.until(lambda: status(api, "active") == 1 and api.all("pods")[0])
    await api.delete(PODS, meta.name(first), "default")
    await api.until(lambda: status(api, "failed") == 1 and status(api, "active") == 1)
    await api.until(lambda: [meta.name(p) for p in api.all("pods")] != [meta.name(first)])


async def test_a_job_that_goes_lets_its_pods_go_and_a_finished_one_goes_by_itself(node: Node) -> None:
    api = node.api
    node.outcome = lambda pod: None
    await create(api, parallelism=2, completions=2)
    await api.until(lambda: status(api, "active") == 2)
    await api.delete(JOBS, "work", "default", propagation="Foreground")
    await api.until(lambda: not api.all("pods") and not job(api), timeout=10)
    node.outcome = lambda pod: 0
    await create(api, ttlSecondsAfterFinished=1)
    await api.until(lambda: is_(api, "Complete"))
    await api.until(lambda: not api.all("pods") and not job(api), timeout=10)
