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
    out = plan(p, seen, 200, ending=False)
    assert ([s.name for s in out.stops], out.turns) == (["side2", "side"], {"a", "b", "side2"}), "the last one first"
    seen["side2"] = ended("side2", 143)
    assert "side" in plan(p, seen, 200, ending=False).turns
    seen["side"] = ended("side", 143)
    assert plan(p, seen, 200, ending=False).done


def test_a_crashed_sidecar_holds_up_no_later_init_container() -> None:
    p = pod("c", inits=(SIDE, INIT, {"name": "last"}))
    seen = {"side": ended("side", 1), "init": ended("init")}
    assert plan(p, seen, 200, ending=False).starts == ["side", "last"]
    seen |= {"side": replace(runs("side"), started=False), "last": ended("last")}
    out = plan(p, seen, 200, ending=False)
    assert (out.starts, out.initialized) == (["c"], True)


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
    p = pod("a", "b", "c", inits=(INIT, SIDE))
    seen = {"a": runs("a"), "b": replace(runs("b"), busy=Busy.STOPPING), "side": runs("side"), "init": runs("init")}
    out = plan(p, seen, 0, ending=True)
    assert [(s.message, s.in_turn) for s in out.stops] == [
        ("Stopping container init", False), ("Stopping container a", False), ("Stopping container side", True)
    ]  # fmt: skip
    assert (out.starts, out.done, "side" in out.turns) == ([], False, False)


@pytest.mark.parametrize(
    ("seen", "policy", "message", "restart"),
    [
        (runs(unhealthy="liveness"), "Always", "Container c failed liveness probe, will be restarted", True),
        (runs(unhealthy="startup"), "OnFailure", "Container c failed startup probe, will be restarted", True),
        (runs(unhealthy="liveness"), "Never", "Container c failed liveness probe", False),
        (runs(unhealthy="liveness", changed=True), "Never", "Container c definition changed, will be restarted", True),
    ],
)
def test_a_container_that_must_not_go_on(seen: Seen, policy: str, message: str, restart: bool) -> None:
    [stop] = plan(pod("c", "d", policy=policy), {"c": seen, "d": runs("d")}, 0, ending=False).stops
    assert (stop.message, stop.restart) == (message, restart)


def test_a_sidecar_that_must_not_go_on() -> None:
    seen = {"side": runs("side", unhealthy="liveness"), "c": runs()}
    [stop] = plan(pod("c", inits=(SIDE,), policy="Never"), seen, 0, ending=False).stops
    assert (stop.message, stop.restart) == ("Init container side failed liveness probe", True)


def test_a_regular_init_container_is_not_restarted_for_its_definition() -> None:
    out = plan(pod("c", inits=(INIT,)), {"init": runs("init", changed=True)}, 0, ending=False)
    assert (out.starts, out.stops) == ([], [])


def test_a_pod_ends_when_its_last_container_fails_a_probe_for_good() -> None:
    [stop] = plan(pod("c", policy="Never"), {"c": runs(unhealthy="liveness")}, 0, ending=False).stops
    assert (stop.message, stop.restart) == ("Stopping container c", False)


def test_what_was_stopped_to_be_restarted_restarts_whatever_its_exit_code() -> None:
    out = plan(pod("c", policy="OnFailure"), {"c": ended(restarting=True)}, 200, ending=False)
    assert (out.starts, out.done) == (["c"], False)


def test_a_new_definition_has_no_back_off() -> None:
    crashed = ended(code=1, backoff=Backoff(10, 90), changed=True)
    assert plan(pod("c"), {"c": crashed}, 105, ending=False).starts == ["c"]


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
    assert status.pod_status(pod("a", "b"), view)["phase"] == phase


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


def derived(spec: dict[str, Any], views: dict[str, status.ContainerView], **more: Any) -> dict[str, Any]:
    return status.pod_status(spec, status.PodView(views, 1000, **{"initialized": True, **more}))


def test_no_phase_is_terminal_before_the_containers_have_ended() -> None:
    views = {"c": status.ContainerView(container("c", ContainerState.RUNNING), started=True, ready=True)}
    told = derived(pod("c"), views, failed=lifecycle.DEADLINE, ending=True)
    ready = next(c for c in told["conditions"] if c["type"] == "Ready")
    assert (told["phase"], told.get("reason"), ready["reason"]) == ("Running", None, "PodFailed")
    views = {"c": status.ContainerView(container("c", ContainerState.EXITED))}
    told = derived(pod("c"), views, failed=lifecycle.DEADLINE, ending=True, over=True)
    assert (told["phase"], told["reason"]) == ("Failed", "DeadlineExceeded")


def test_a_container_that_never_ran_ends_with_its_pod() -> None:
    views = {"c": status.ContainerView(waiting=("ErrImagePull", "no"))}
    told = derived(pod("c"), views, ending=True, over=True)
    assert (told["phase"], told["containerStatuses"][0]["state"]["terminated"]["exitCode"]) == ("Failed", 137)
    inits = (INIT, {"name": "init2"})
    told = derived(pod("c", inits=inits), {}, initialized=False, ending=True, over=True)
    states = [next(iter(s["state"])) for s in (*told["initContainerStatuses"], *told["containerStatuses"])]
    assert states == ["terminated", "waiting", "waiting"], "upstream takes the first to have begun"


def test_a_deleted_pod_waits_for_no_restart() -> None:
    views = {"c": status.ContainerView(container("c", ContainerState.EXITED, 1), waiting=("ErrImagePull", "no"))}
    assert "waiting" in derived(pod("c"), views)["containerStatuses"][0]["state"]
    assert "terminated" in derived(pod("c"), views, ending=True)["containerStatuses"][0]["state"]


@pytest.mark.parametrize(
    ("old", "state", "last", "restarts"),
    [
        ({"state": {"running": {}}, "restartCount": 2}, "waiting", "ContainerStatusUnknown", 3),
        ({"state": {"waiting": {}}, "lastState": {"terminated": {"reason": "Error"}}, "restartCount": 2},
         "waiting", "Error", 2),
        ({"state": {"terminated": {"reason": "Completed", "exitCode": 0}}, "restartCount": 1}, "terminated", None, 1),
    ],
)  # fmt: skip
def test_a_container_that_the_runtime_has_lost(
    old: dict[str, Any], state: str, last: str | None, restarts: int
) -> None:
    p = {**pod("c"), "status": {"containerStatuses": [{"name": "c", **old}]}}
    [told] = derived(p, {})["containerStatuses"]
    assert state in told["state"]
    assert ((told["lastState"].get("terminated") or {}).get("reason"), told["restartCount"]) == (last, restarts)


def test_termination_messages_share_their_room() -> None:
    names = [f"c{i}" for i in range(6)]
    runs = {n: replace(container(n, ContainerState.EXITED), message="x" * 4096) for n in names}
    told = derived(pod(*names), {n: status.ContainerView(run) for n, run in runs.items()})
    assert {len(s["state"]["terminated"]["message"]) for s in told["containerStatuses"]} == {2048}


def test_the_room_of_termination_messages_is_counted_in_bytes() -> None:
    run = replace(container("c", ContainerState.EXITED), message="€" * 12 * 1024)
    told = derived(pod("c"), {"c": status.ContainerView(run)})
    assert told["containerStatuses"][0]["state"]["terminated"]["message"] == "€" * 4096


def test_times_are_those_when_something_was_first_seen() -> None:
    views = {"c": status.ContainerView(container("c", ContainerState.RUNNING), started=True, ready=True)}
    first = status.pod_status(pod("c"), status.PodView(views, 1000, initialized=True))
    latest = status.with_pending({"conditions": [{"type": "x/y", "status": "True"}]}, first)
    again = status.pod_status({**pod("c"), "status": latest}, status.PodView(views, 2000, initialized=True))
    assert again["startTime"] == first["startTime"] == status.timestamp(1000)
    assert {c["type"]: c.get("lastTransitionTime") for c in again["conditions"]} == {
        "x/y": None, **{c["type"]: status.timestamp(1000) for c in first["conditions"]}
    }  # fmt: skip


def test_once_initialized_always_initialized() -> None:
    p = {**pod("c", inits=(SIDE,)), "status": {"conditions": [{"type": "Initialized", "status": "True"}]}}
    told = {c["type"]: c["status"] for c in derived(p, {}, initialized=False)["conditions"]}
    assert told["Initialized"] == "True"
