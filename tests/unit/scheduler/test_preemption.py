"""Who must go so that a more important pod has a node, and what is said when nobody can."""

from __future__ import annotations

from typing import Any

from kubette.scheduler.cycle import choose
from kubette.scheduler.model import Cluster, NodeState, Pod, parse_node, parse_pod
from kubette.scheduler.nominations import Nominations
from kubette.scheduler.plugins import RULES
from kubette.scheduler.preemption import Preemption, preempt

Obj = dict[str, Any]


def pod(name: str, cpu: str, priority: int = 0, started: str = "", deleting: bool = False, **spec: Any) -> Pod:
    m: Obj = {"name": name, "namespace": "default", "uid": name, "labels": {"app": name}}
    if deleting:
        m["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    containers = [{"resources": {"requests": {"cpu": cpu}}}]
    status = {"startTime": started, "nominatedNodeName": spec.pop("nominated", "")}
    return parse_pod(
        {"metadata": m, "spec": {"containers": containers, "priority": priority, **spec}, "status": status}
    )


def node(name: str, *pods: Pod, cpu: str = "4", taints: tuple[Obj, ...] = ()) -> NodeState:
    status = {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "10"}}
    out = NodeState(parse_node({"metadata": {"name": name}, "spec": {"taints": list(taints)}, "status": status}))
    for each in pods:
        out.add(each)
    return out


def outcome(pod: Pod, *nodes: NodeState) -> Preemption:
    cluster = Cluster({n.node.name: n for n in nodes})
    choice = choose(pod, cluster, RULES)
    assert choice.node is None
    return preempt(pod, choice, cluster, RULES)


def victims(pod: Pod, *nodes: NodeState) -> tuple[str, set[str]]:
    found = outcome(pod, *nodes)
    return found.node, {p.name for p in found.victims}


def test_no_more_pods_go_than_must_and_the_least_important_of_them() -> None:
    full = node("a", pod("low", "2", 1), pod("lower", "1"), pod("high", "1", 9))
    assert victims(pod("p", "1", 5), full) == ("a", {"lower"})
    assert victims(pod("p", "2", 5), full) == ("a", {"low"}), "lower may stay when low goes"
    assert victims(pod("p", "3", 5), full) == ("a", {"low", "lower"})
    assert victims(pod("p", "4", 10), full) == ("a", {"low", "lower", "high"})


def test_the_node_that_is_cheapest_to_free() -> None:
    dear, cheap = node("a", pod("x", "4", 3)), node("b", pod("y", "4", 2))
    assert victims(pod("p", "4", 5), dear, cheap) == ("b", {"y"})
    many, one = node("a", pod("x", "2", 2), pod("y", "2", 2)), node("b", pod("z", "4", 2))
    assert victims(pod("p", "4", 5), many, one) == ("b", {"z"})
    old, young = (node(n, pod(n, "4", 2, f"2026-01-0{d}T00:00:00Z")) for n, d in (("a", 1), ("b", 2)))
    assert victims(pod("p", "4", 5), old, young) == ("b", {"b"})


def test_nobody_goes_in_vain() -> None:
    taint = {"key": "k", "effect": "NoSchedule"}
    equal, tainted = node("a", pod("x", "4", 5)), node("b", pod("y", "4"), taints=(taint,))
    stuck = node("c", pod("z", "1"), pod("big", "3", 9))
    assert outcome(pod("p", "4", 5), equal, tainted, stuck) == Preemption(
        message="0/3 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod, "
        "1 Preemption is not helpful for scheduling."
    )
    polite = pod("p", "4", 5, preemptionPolicy="Never")
    assert outcome(polite, stuck).message == "not eligible due to preemptionPolicy=Never."
    leaving = node("a", pod("x", "4", deleting=True))
    waiting = pod("p", "4", 5, nominated="a")
    assert outcome(waiting, leaving).message == "not eligible due to a terminating pod on the nominated node."


def test_room_that_was_made_is_kept_from_those_who_are_no_more_important() -> None:
    nodes, waiting = {"a": node("a")}, Nominations()
    assert waiting.put(pod("p", "4", 5), "a") == []

    def lands(other: Pod) -> str | None:
        return choose(other, Cluster(waiting.counted(nodes, other)), RULES).node

    assert lands(pod("other", "1", 4)) is None
    assert lands(pod("p", "4", 5)) == lands(pod("boss", "1", 6)) == "a"
    assert [p.name for p in waiting.put(pod("boss", "1", 6), "a")] == ["p"], "he has to look for another"
    assert nodes["a"].pods == {}
