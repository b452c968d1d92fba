"""The arithmetic of rollouts and of choosing pods, without any API."""

from __future__ import annotations

from typing import Any

import pytest

from kubette.controllers import pods as podlib
from kubette.controllers import rollout

Obj = dict[str, Any]


def deployment(replicas: int, surge: int | str = "25%", unavailable: int | str = "25%") -> Obj:
    limits = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": limits}}}


def rs(name: str, replicas: int, available: int | None = None, maximum: int = 0) -> Obj:
    annotations = {rollout.MAXIMUM: str(maximum)} if maximum else {}
    m = {"name": name, "creationTimestamp": f"2026-01-01T00:00:0{len(name)}Z", "annotations": annotations}
    status = {"availableReplicas": replicas if available is None else available}
    return {"metadata": m, "spec": {"replicas": replicas}, "status": status}


@pytest.mark.parametrize(
    ("wanted", "surge", "unavailable", "expected"),
    [(4, "25%", "25%", (1, 1)), (10, "25%", "25%", (3, 2)), (1, "25%", "25%", (1, 0)), (3, 0, 0, (0, 1))],
)
def test_surge_rounds_up_and_unavailable_down_and_one_of_them_is_positive(
    wanted: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]
) -> None:
    assert rollout.limits(deployment(wanted, surge, unavailable)) == expected


def test_every_rollout_ends_and_keeps_its_limits_at_every_step() -> None:
    for wanted in range(1, 12):
        for surge, unavailable in (("25%", "25%"), (1, 0), (0, 1), ("100%", 0), (3, "50%")):
            d = deployment(wanted, surge, unavailable)
            most, fewest = wanted + rollout.limits(d)[0], wanted - rollout.limits(d)[1]
            new, old = rs("new", 0), rs("o", wanted)
            for _ in range(100):
                if (rollout.replicas(new), rollout.replicas(old)) == (wanted, 0):
                    break
                new["spec"]["replicas"] = rollout.new_size(d, new, [old, new])
                assert rollout.replicas(new) + rollout.replicas(old) <= most
                for size in rollout.old_sizes(d, new, [old]).values():
                    old["spec"]["replicas"] = old["status"]["availableReplicas"] = size
                assert rollout.available(new) + rollout.available(old) >= fewest
                new["status"]["availableReplicas"] = new["spec"]["replicas"]
            else:
                pytest.fail(f"{wanted} {surge} {unavailable} never ends")


def test_pods_that_never_became_available_go_first() -> None:
    assert rollout.old_sizes(deployment(4), rs("new", 1, 0), [rs("o", 4, 3)]) == {"o": 3}


def test_scaling_in_the_middle_of_a_rollout_is_shared_in_proportion() -> None:
    sizes = rollout.proportional(deployment(20), rs("new", 5, maximum=13), [rs("o", 8, maximum=13)])
    assert sizes == {"new": 10, "o": 15}
    assert sum(sizes.values()) == 25, "the surge of 20 included"


def test_a_template_is_told_by_what_it_says_and_not_by_how() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}
    shown = {
        "metadata": {"creationTimestamp": None, "labels": {"a": "b", rollout.HASH_LABEL: "x"}},
        "spec": {"containers": [{"name": "c", "env": None}]},
    }
    assert rollout.same_template(template, shown)
    assert rollout.template_hash(template, 0) == rollout.template_hash(shown, 0)
    assert rollout.template_hash(template, 0) != rollout.template_hash(template, 1)
    emptied = {**template, "spec": {"containers": [{"name": "c"}], "volumes": [{"name": "v", "emptyDir": {}}]}}
    assert not rollout.same_template(template, emptied)


def pod(name: str, node: str = "n", phase: str = "Running", since: str = "", restarts: int = 0, cost: str = "") -> Obj:
    ready = [{"type": "Ready", "status": "True", "lastTransitionTime": since}] if since else []
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"controller.kubernetes.io/pod-deletion-cost": cost} if cost else {},
        },
        "spec": {"nodeName": node},
        "status": {"phase": phase, "conditions": ready, "containerStatuses": [{"restartCount": restarts}]},
    }


def test_who_goes_first_when_there_are_too_many() -> None:
    old, young = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    expected = [
        pod("unassigned", node="", phase="Pending"),
        pod("pending", phase="Pending"),
        pod("not-ready"),
        pod("cheap", since=old, cost="-5"),
        pod("crowded", since=old, node="busy"),
        pod("young", since=young),
        pod("restarted", since=old, restarts=3),
        pod("steady", since=old),
        pod("dear", since=old, cost="5"),
    ]
    got = podlib.first_to_go(reversed(expected), {"busy": 2, "n": 1})
    assert [p["metadata"]["name"] for p in got] == [p["metadata"]["name"] for p in expected]
