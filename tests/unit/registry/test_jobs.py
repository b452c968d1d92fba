"""Jobs and CronJobs: what contradicts itself, what may change while suspended, what a status may become."""

# ruff: noqa: E501 (tables of inputs and messages)

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubette.api import errors

from .conftest import World, fields
from .specs import DELETE, change, good

JOB, INDEXED, CRON = "jobs.batch", "jobs.batch indexed", "cronjobs.batch"
_EXIT = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}}
_CONDITION = {"type": "DisruptionTarget", "status": "True"}


def rules(**rule: Any) -> dict[str, Any]:
    return {"rules": [rule]}


@pytest.mark.parametrize(
    ("kind", "path", "value", "says"),
    [
        (JOB, "spec.parallelism", -1, "spec.parallelism: Invalid value: -1: must be greater than or equal to 0"),
        (JOB, "spec.backoffLimitPerIndex", 1, "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
        (JOB, "spec.maxFailedIndexes", 1, "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"),
        (JOB, "spec.completionMode", "Odd", 'spec.completionMode: Unsupported value: "Odd"'),
        (JOB, "spec.completionMode", "Indexed", None),
        (INDEXED, "spec", {**good(JOB)["spec"], "completionMode": "Indexed", "parallelism": 2}, "spec.completions: Required value: when completion mode is Indexed"),
        (INDEXED, "spec.parallelism", 100001, "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed"),
        (JOB, "spec.managedBy", "nobody", 'must be a domain-prefixed path (such as "acme.io/foo")'),
        (JOB, "spec.managedBy", "a.io/" + "b" * 60, "spec.managedBy: Too long: may not be more than 63 bytes"),
        (JOB, "spec.managedBy", "a.io/b", None),
        (JOB, "spec.podReplacementPolicy", "Odd", 'spec.podReplacementPolicy: Unsupported value: "Odd"'),
        (JOB, "spec.podFailurePolicy", rules(action="FailJob"), "specifying one of OnExitCodes and OnPodConditions is required"),
        (JOB, "spec.podFailurePolicy", rules(**_EXIT, onPodConditions=[_CONDITION]), "specifying both OnExitCodes and OnPodConditions is not supported"),
        (JOB, "spec.podFailurePolicy", rules(onPodConditions=[_CONDITION]), 'spec.podFailurePolicy.rules[0].action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'),
        (JOB, "spec.podFailurePolicy", rules(action="Odd", onPodConditions=[_CONDITION]), 'spec.podFailurePolicy.rules[0].action: Unsupported value: "Odd"'),
        (JOB, "spec.podFailurePolicy", rules(action="FailIndex", onPodConditions=[_CONDITION]), "requires the backoffLimitPerIndex to be set"),
        (JOB, "spec.podFailurePolicy", rules(action="Count", onPodConditions=[{"type": "-", "status": "True"}]), "spec.podFailurePolicy.rules[0].onPodConditions[0].type: Invalid value"),
        (JOB, "spec.podFailurePolicy", rules(action="Count", onPodConditions=[{"type": "A"}]), None),
        (JOB, "spec.podFailurePolicy", rules(action="Count", onPodConditions=[{"type": "A", "status": "maybe"}]), 'onPodConditions[0].status: Unsupported value: "maybe"'),
        (JOB, "spec.podFailurePolicy", rules(action="Count", onPodConditions=[_CONDITION] * 21), "onPodConditions: Too many: 21: must have at most 20 items"),
        (JOB, "spec.podFailurePolicy", {"rules": [_EXIT] * 21}, "spec.podFailurePolicy.rules: Too many: 21: must have at most 20 items"),
        (JOB, "spec.podFailurePolicy", rules(action="Count", onExitCodes={"operator": "In", "values": [0]}), "values[0]: Invalid value: 0: must not be 0 for the In operator"),
        (JOB, "spec.podFailurePolicy", rules(action="Count", onExitCodes={"operator": "In", "values": [3, 2]}), "onExitCodes.values: Invalid value: [3,2]: must be ordered"),
        (JOB, "spec.podFailurePolicy", rules(action="Count", onExitCodes={"operator": "In", "values": [3, 3]}), "values[1]: Duplicate value: 3"),
        (JOB, "spec.podFailurePolicy", rules(action="Count", onExitCodes={"operator": "In", "values": []}), "at least one value is required"),
        (JOB, "spec.podFailurePolicy", rules(action="Count", onExitCodes={"operator": "In", "values": list(range(1, 257))}), "onExitCodes.values: Too many: 256: must have at most 255 items"),
        (JOB, "spec.podFailurePolicy", rules(action="Count", onExitCodes={"values": [1]}), "onExitCodes.operator: Required value"),
        (JOB, "spec.podFailurePolicy", rules(action="Count", onExitCodes={"operator": "In", "values": [1], "containerName": "z"}), "must be one of the container or initContainer names in the pod template"),
        (JOB, "spec.podFailurePolicy", rules(**_EXIT), None),
        (JOB, "spec.successPolicy", rules(succeededCount=1), "requires indexed completion mode"),
        (INDEXED, "spec.successPolicy", {"rules": []}, "at least one rules must be specified when the successPolicy is specified"),
        (INDEXED, "spec.successPolicy", rules(), "at least one of succeededCount or succeededIndexes must be specified"),
        (INDEXED, "spec.successPolicy", rules(succeededCount=6), "must be less than or equal to 5 (the number of specified completions)"),
        (INDEXED, "spec.successPolicy", rules(succeededCount=3, succeededIndexes="0-1"), "must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)"),
        (INDEXED, "spec.successPolicy", rules(succeededIndexes="7"), 'error parsing succeededIndexes: too large index: "7"'),
        (INDEXED, "spec.successPolicy", rules(succeededIndexes="2,1"), "non-increasing order, previous: 2, current: 1"),
        (INDEXED, "spec.successPolicy", rules(succeededIndexes="1-x"), 'cannot convert string to integer for index: "x"'),
        (INDEXED, "spec.successPolicy", rules(succeededIndexes="1-2-3"), "at most two parts separated by '-'"),
        (INDEXED, "spec.successPolicy", rules(succeededCount=2, succeededIndexes="0-1,4"), None),
        (INDEXED, "metadata.name", "j" * 62, "will not able to create pod with invalid DNS label: " + "j" * 62 + "-4"),
        (JOB, "metadata.name", "j.x", None),
        (JOB, "spec.template.spec.restartPolicy", "Always", 'restartPolicy: Required value: valid values: "OnFailure", "Never"'),
        (JOB, "spec.selector", {"matchLabels": {"a": "b"}}, "`selector` not auto-generated"),
        (JOB, "spec/template/metadata/labels/controller-uid", "mine", "spec.template.metadata.labels[controller-uid]: Invalid value"),
        (CRON, "spec.jobTemplate.spec.selector", {"matchLabels": {"a": "b"}}, "`selector` will be auto-generated"),
        (CRON, "spec.jobTemplate.spec.manualSelector", True, 'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "false", "nil"'),
        (CRON, "spec.jobTemplate.spec.podFailurePolicy", rules(action="FailJob"), "spec.jobTemplate.spec.podFailurePolicy.rules[0]: Invalid value: specifying one of"),
        (CRON, "spec.jobTemplate.spec.template", DELETE, "spec.jobTemplate.spec.template.spec.containers: Required value"),
        (CRON, "spec.schedule", "TZ=UTC * * * * *", "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
        (CRON, "spec.timeZone", "Local", "timeZone must be an explicit time zone"),
        (CRON, "spec.timeZone", "../etc/passwd", "unknown time zone ../etc/passwd"),
        (CRON, "spec.timeZone", "Europe/Zurich", None),
    ],
)  # fmt: skip
def test_specs(world: World, kind: str, path: str, value: Any, says: str | None) -> None:
    obj = change(good(kind), path, value)
    if says is None:
        world.create(kind.split()[0], obj)
        return
    with pytest.raises(errors.Invalid) as refused:
        world.create(kind.split()[0], obj)
    assert any(says in line for line in fields(refused.value)), fields(refused.value)


def test_a_failure_policy_waits_for_pods_that_failed(world: World) -> None:
    job = change(good(JOB), "spec.podFailurePolicy", rules(**_EXIT))
    assert world.create(JOB, job)["spec"]["podReplacementPolicy"] == "Failed"
    assert world.create(JOB, change(good(JOB), "spec.podFailurePolicy", {}))["spec"]["podReplacementPolicy"] == "Failed"
    with pytest.raises(errors.Invalid, match='podReplacementPolicy: Unsupported value: "TerminatingOrFailed"'):
        world.create(JOB, change(job, "spec.podReplacementPolicy", "TerminatingOrFailed"))
    with pytest.raises(errors.Invalid, match='only "Never" is supported when podFailurePolicy is specified'):
        world.create(JOB, change(change(good(JOB), "spec.podFailurePolicy", rules(**_EXIT)),
                                 "spec.template.spec.restartPolicy", "OnFailure"))  # fmt: skip


def test_labels_and_selector_are_the_servers_unless_manual(world: World) -> None:
    made = world.create(JOB, good(JOB))
    uid = made["metadata"]["uid"]
    assert made["spec"]["manualSelector"] is False
    assert made["metadata"]["labels"] == made["spec"]["template"]["metadata"]["labels"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == "it"
    manual = change(good(JOB), "spec.manualSelector", True)
    with pytest.raises(errors.Invalid, match=r"spec.selector: Required value"):
        world.create(JOB, manual)
    change(manual, "spec.selector", {"matchLabels": {"a": "b"}})
    with pytest.raises(errors.Invalid, match="`selector` does not match template `labels`"):
        world.create(JOB, manual)


_MAY = (
    ("spec.template.spec.nodeSelector", {"a": "b"}),
    ("spec.template.spec.tolerations", [{"operator": "Exists"}]),
    ("spec.template.spec.schedulingGates", [{"name": "g"}]),
    ("spec.template.spec.affinity", {"nodeAffinity": {}}),
    ("spec.template.metadata.annotations", {"a": "b"}),
    ("spec.template.spec.containers.0.resources", {"limits": {"cpu": "1"}}),
    ("spec.template.spec.containers.0.resources", {}),
)
_MAY_NOT = (
    ("spec.template.spec.containers.0.image", "other", "spec.template"),
    ("spec.template.spec.containers.0.command", ["x"], "spec.template"),
    ("spec.template.spec.affinity", {"podAffinity": {}}, "spec.template"),
    ("spec.successPolicy", rules(succeededCount=1), "spec.successPolicy"),
    ("spec.completionMode", "NonIndexed", "spec.completionMode"),
    ("spec.managedBy", "a.io/b", "spec.managedBy"),
    ("spec.podFailurePolicy", rules(**_EXIT), "spec.podFailurePolicy"),
)


@pytest.mark.parametrize("started", [False, True])
def test_what_may_change_in_a_suspended_job(world: World, started: bool) -> None:
    """Scheduling directives and resources, while no pod of it runs; nothing else, and never."""
    made = world.create(JOB, change(good(INDEXED), "spec.suspend", True))
    if started:
        made["status"] = {"startTime": "2030-01-01T00:00:00Z", "active": 1}
        made = world.update(JOB, made, "status")
    for path, value in _MAY:
        wanted = change(copy.deepcopy(made), path, value)
        if started and wanted != made:
            with pytest.raises(errors.Invalid, match="field is immutable"):
                world.update(JOB, wanted)
        else:
            made = world.update(JOB, wanted)
    for path, value, names in _MAY_NOT:
        with pytest.raises(errors.Invalid) as refused:
            world.update(JOB, change(copy.deepcopy(made), path, value))
        assert any(line.startswith(names) for line in fields(refused.value)), fields(refused.value)


def test_completions_of_an_indexed_job_change_with_its_parallelism(world: World) -> None:
    made = world.create(JOB, good(INDEXED))
    with pytest.raises(errors.Invalid, match=r"can only be modified in tandem with spec.parallelism"):
        world.update(JOB, change(copy.deepcopy(made), "spec.completions", 7))
    both = change(change(copy.deepcopy(made), "spec.completions", 7), "spec.parallelism", 7)
    assert world.update(JOB, both)["spec"]["completions"] == 7
    plain = world.create(JOB, {**good(JOB), "metadata": {"name": "plain"}})
    with pytest.raises(errors.Invalid, match=r"spec.completions: Invalid value: 7: field is immutable"):
        world.update(JOB, change(plain, "spec.completions", 7))


def conditions(*types: str) -> list[dict[str, str]]:
    return [{"type": t, "status": "True"} for t in types]


_START, _END = "2030-01-01T00:00:00Z", "2030-01-01T00:01:00Z"
_DONE = {"startTime": _START, "completionTime": _END, "conditions": conditions("SuccessCriteriaMet", "Complete")}


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ({}, _DONE, None),
        ({}, {**_DONE, "startTime": None}, "startTime is required for finished job"),
        ({}, {**_DONE, "completionTime": None}, "completionTime is required for Complete jobs"),
        ({}, {**_DONE, "completionTime": "2029-01-01T00:00:00Z"}, "must be equal to or after `startTime`"),
        ({}, {**_DONE, "active": 1}, "active>0 is invalid for finished job"),
        ({}, {**_DONE, "conditions": conditions("Complete")}, "without the SuccessCriteriaMet=true condition"),
        ({}, {"startTime": _START, "conditions": conditions("Failed")}, "without the FailureTarget=true condition"),
        ({}, {"startTime": _START, "conditions": conditions("Failed", "FailureTarget")}, None),
        ({}, {"completionTime": _END}, "cannot set completionTime when there is no Complete=True condition"),
        (_DONE, {}, "cannot disable the terminal Complete=True condition"),
        ({"failed": 2}, {"failed": 1}, "cannot decrease the failed counter"),
        ({"startTime": _START}, {"startTime": _END}, "field is immutable for unsuspended job once set"),
        ({}, {"active": 1, "ready": 2}, "cannot set more ready pods than active"),
        ({}, {"completedIndexes": "1"}, "cannot set non-empty completedIndexes when non-indexed completion mode"),
        ({}, {"failedIndexes": "1"}, "cannot set non-null failedIndexes when backoffLimitPerIndex is null"),
        ({}, {"uncountedTerminatedPods": {"failed": ["a", "a"]}}, "Duplicate value"),
    ],
)  # fmt: skip
def test_status(world: World, before: dict[str, Any], after: dict[str, Any], says: str | None) -> None:
    made = world.create(JOB, good(JOB))
    made["status"] = before
    made = world.update(JOB, made, "status")
    made["status"] = {k: v for k, v in after.items() if v is not None}
    if says is None:
        world.update(JOB, made, "status")
        return
    with pytest.raises(errors.Invalid) as refused:
        world.update(JOB, made, "status")
    assert says in str(refused.value.message)
