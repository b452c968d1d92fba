"""What starts and stops when: the decisions, over plain data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubette.agent import lifecycle, status
from kubette.agent.lifecycle import Backoff, Busy, Seen, plan, raised
from kubette.runtime.interface import Container, ContainerState

NEVER_SEEN = Seen()


def container(name: str, state: ContainerState, code: int = 0, at: float = 100) -> Container:
    return Container(name, "u", name, 0, "i", state, created_at=1, started_at=1, finished_at=at, exit_code=code)


def runs(name: str = "c", **more: Any) -> Seen:
    return Seen(container(name, ContainerState.RUNNING), started=True, **more)


def ended(name: str = "c", code: int = 0, **more: Any) -> Seen:
    return Seen(container(name, ContainerState.EXITED, code), **more)


def pod(*names: str, inits: tuple[dict[str, Any], ...] = (), policy: str = "Always", **spec: Any) -> dict[str, Any]:
    shape = {"containers": [{"name": n} for n in names], "initContainers": list(inits), "restartPolicy": policy}
    return {"metadata": {"name": "p", "namespace": "d"}, "spec": {**shape, **spec}}


SIDE = {"name": "side", "restartPolicy": "Always"}
INIT = {"name": "init"}


def test_containers_start_in_order() -> None:
    assert plan(pod("a", "b"), {}, 0, ending=False).starts == ["a", "b"]
    assert plan(pod("a", "b"), {"a": Seen(busy=Busy.STARTING)}, 0, ending=False).starts == ["b"]


@pytest.mark.parametrize(
    ("policy", "code", "starts"),
    [
        ("Always", 0, True), ("Always", 1, True),
        ("OnFailure", 0, False), ("OnFailure", 1, True),
        ("Never", 0, False), ("Never", 1, False),
    ],
)  # fmt: skip
def test_restart_policy(policy: str, code: int, starts: bool) -> None:
    out = plan(pod("c", policy=policy), {"c": ended(code=code)}, 200, ending=False)
    assert (out.starts == ["c"], out.done) == (starts, not starts)


def test_a_containers_own_rules() -> None:
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    own = {"name": "c", "restartPolicy": "Never", "restartPolicyRules": [rule]}
    assert lifecycle.restarts(pod("c"), own, 42)
    assert not lifecycle.restarts(pod("c"), own, 1)


def test_back_off_doubles_up_to_five_minutes_and_is_forgotten() -> None:
    backoff, delays = None, []
    for _ in range(7):
        backoff = raised(backoff, 100, 100, 10, 300)
        delays.append(backoff.delay)
    assert delays == [10, 20, 40, 80, 160, 300, 300]
    assert raised(backoff, 100 + 601, 701, 10, 300).delay == 10


def test_back_off_holds_a_container() -> None:
    crashed = ended(code=1, backoff=Backoff(10, 90))
    held = plan(pod("c"), {"c": crashed}, 105, ending=False)
    assert (held.starts, held.backing_off, held.wake_at) == ([], {"c": 10}, 110)
    assert plan(pod("c"), {"c": crashed}, 110, ending=False).starts == ["c"]


def test_init_containers_one_after_the_other_then_the_rest() -> None:
    p = pod("c", inits=(INIT, SIDE))
    assert plan(p, {}, 0, ending=False).starts == ["init"]
    assert plan(p, {"init": runs("init")}, 0, ending=False).starts == []
    done = {"init": ended("init")}
    assert plan(p, done, 0, ending=False).starts == ["side"]
    booting = {**done, "side": replace(runs("side"), started=False)}
    assert plan(p, booting, 0, ending=False).starts == []
    up = plan(p, {**done, "side": runs("side")}, 0, ending=False)
    assert (up.starts, up.initialized) == (["c"], True)


def test_after_a_reboot_the_pod_is_initialised_anew() -> None:
    p = pod("c", inits=(INIT,))
    stale = {"init": ended("init", stale=True), "c": ended(code=255, stale=True)}
    out = plan(p, stale, 200, ending=False)
    assert (out.starts, out.initialized, out.done) == (["init"], False, False)
    out = plan(p, {**stale, "init": ended("init")}, 200, ending=False)
    assert (out.starts, out.initialized) == (["c"], True)
    over = plan(pod("c", inits=(INIT,), policy="Never"), stale, 200, ending=False)
    assert (over.starts, over.done) == ([], True), "what never restarts is not initialised for nothing"


def test_an_init_container_that_fails() -> None:
    failed = {"init": ended("init", 1), "side": runs("side")}
    assert plan(pod("c", inits=(INIT,)), failed, 200, ending=False).starts == ["init"]
    out = plan(pod("c", inits=(SIDE, INIT), policy="Never"), failed, 200, ending=False)
    assert ([s.name for s in out.stops], out.done) == (["side"], False)


def test_what_has_exited_is_not_stopped_while_its_start_job_ends() -> None:
    out = plan(pod("c", policy="Never"), {"c": ended(busy=Busy.STARTING)}, 200, ending=True)
    assert (out.stops, out.done) == ([], False)


def test_sidecars_outlive_the_containers() -> None:
    p = pod("a", "b", inits=(SIDE, {**SIDE, "name": "side2"}), policy="Never")
    seen = {"a": ended("a"), "b": runs("b"), "side": ended("side", 1), "side2": runs("side2")}
    assert plan(p, seen, 200, ending=False).starts == ["side"]
    seen |= {"b": ended("b"), "side": runs("side")}
    assert [s.name for s in plan(p, seen, 200, ending=False).stops] == ["side2"]  # the last one first
    seen["side2"] = ended("side2", 143)
    assert [s.name for s in plan(p, seen, 200, ending=False).stops] == ["side"]
    seen["side"] = ended("side", 143)
    assert plan(p, seen, 200, ending=False).done


def test_ephemeral_containers_start_once_and_hold_nothing() -> None:
    p = pod("c", inits=(INIT,), ephemeralContainers=[{"name": "look"}])
    assert plan(p, {"init": runs("init")}, 0, ending=False).starts == ["look"], "even while the pod initialises"
    through = {"init": ended("init"), "c": runs()}
    assert plan(p, {**through, "look": ended("look", code=1)}, 900, ending=False).starts == []
    out = plan(p, {**through, "look": runs("look")}, 0, ending=True)
    assert ([s.name for s in out.stops], out.done) == (["c", "look"], False)
    once = pod("c", policy="Never", ephemeralContainers=[{"name": "look"}])
    over = plan(once, {"c": ended(), "look": runs("look")}, 0, ending=False)
    assert [s.name for s in over.stops] == ["look"], "it does not keep a pod alive"


def test_ending_stops_all_together_and_starts_nothing() -> None:
    p = pod("a", "b", "c", inits=(SIDE,))
    seen = {"a": runs("a"), "b": replace(runs("b"), busy=Busy.STOPPING), "side": runs("side")}
    out = plan(p, seen, 0, ending=True)
    assert ([s.message for s in out.stops], out.starts, out.done) == (["Stopping container a"], [], False)


@pytest.mark.parametrize("probe", ["liveness", "startup"])
def test_an_unhealthy_container_restarts(probe: str) -> None:
    [stop] = plan(pod("c"), {"c": runs(unhealthy=probe)}, 0, ending=False).stops
    assert stop.message == f"Container c failed {probe} probe, will be restarted"
    assert stop.restart


@pytest.mark.parametrize(
    ("seen", "over", "phase"),
    [
        ({}, False, "Pending"),
        ({"a": runs("a")}, False, "Pending"),
        ({"a": runs("a"), "b": runs("b")}, False, "Running"),
        ({"a": ended("a", 1), "b": ended("b")}, False, "Running"),
        ({"a": ended("a"), "b": ended("b")}, True, "Succeeded"),
        ({"a": ended("a"), "b": ended("b", 1)}, True, "Failed"),
    ],
)
def test_phases(seen: dict[str, Seen], over: bool, phase: str) -> None:
    views = {n: status.ContainerView(s.current) for n, s in seen.items()}
    view = status.PodView(views, 0, initialized=True, over=over)
    assert status.phase(pod("a", "b"), view) == phase


def test_initialized_by_what_the_init_containers_did() -> None:
    def initialized(state: ContainerState, code: int, *, over: bool, begun: bool) -> tuple[str, str]:
        views = {"init": status.ContainerView(container("init", state, code))}
        if begun:
            views["c"] = status.ContainerView(container("c", state, code))
        new = status.pod_status(
            pod("c", inits=(INIT,), policy="Never"), status.PodView(views, 0, initialized=begun, over=over)
        )
        told = next(c for c in new["conditions"] if c["type"] == "Initialized")
        return told["status"], told.get("reason", "")

    ended = ContainerState.EXITED
    assert initialized(ended, 1, over=True, begun=False) == ("False", "ContainersNotInitialized")
    assert initialized(ended, 0, over=True, begun=True) == ("True", "PodCompleted")
    assert initialized(ContainerState.RUNNING, 0, over=False, begun=True) == ("True", "")


def test_conditions_of_others_stay() -> None:
    p = pod("c", readinessGates=[{"conditionType": "x/gate"}])
    p["status"] = {"conditions": [{"type": "x/gate", "status": "False"}, {"type": "Other", "status": "True"}]}
    views = {"c": status.ContainerView(container("c", ContainerState.RUNNING), ready=True, started=True)}
    new = status.pod_status(p, status.PodView(views, 0, initialized=True, sandbox=True))
    told = {c["type"]: c for c in new["conditions"]}
    assert told["Other"]["status"] == told["ContainersReady"]["status"] == "True"
    assert told["Ready"]["reason"] == "ReadinessGatesNotReady"
    assert status.patch(new, new) is None
    ordered = ["Other", "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
    assert [c["type"] for c in new["conditions"]][1:] == ordered
    change = status.patch({}, new) or {}
    assert [c["type"] for c in change["$setElementOrder/conditions"]][1:] == ordered


def test_a_container_tells_what_it_was_given() -> None:
    given = {"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}}
    mounts = [{"name": "v", "mountPath": "/v"}, {"name": "t", "mountPath": "/t", "readOnly": True}]
    resized = {"limits": {"memory": "2Gi"}}
    spec = {"name": "c", "image": "web", "resources": resized, "volumeMounts": mounts}
    run = replace(container("c", ContainerState.RUNNING), user=(1000, 3000, 3000, 2000))
    p: dict[str, Any] = {"metadata": {}, "spec": {"containers": [spec]}}
    view = status.ContainerView(run, image="docker.io/library/web:latest", resources={**given, "claims": []})
    told = status.container_status(p, spec, status.PodView({"c": view}, 0))
    assert told["image"] == "docker.io/library/web:latest"
    assert (told["resources"], told["allocatedResources"]) == (given, {"cpu": "1"})
    assert told["volumeMounts"] == [mounts[0], {**mounts[1], "recursiveReadOnly": "Disabled"}]
    assert told["user"] == {"linux": {"uid": 1000, "gid": 3000, "supplementalGroups": [3000, 2000]}}
    before = status.container_status(p, spec, status.PodView({}, 0))
    assert not {"resources", "allocatedResources", "user", "containerID"} & before.keys()
