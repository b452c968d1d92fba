"""Who must go so that a more important pod has a node, and what is said when nobody can."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kubette.api.selectors import from_label_selector
from kubette.scheduler.cycle import choose
from kubette.scheduler.model import Budget, Cluster, NodeState, Pod, parse_node, parse_pod
from kubette.scheduler.nominations import Nominations
from kubette.scheduler.plugins import RULES
from kubette.scheduler.preemption import Preemption, preempt, search

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
    return outcome_in(pod, Cluster(nodes))


def outcome_in(pod: Pod, cluster: Cluster) -> Preemption:
    choice = choose(pod, cluster, RULES)
    assert choice.node is None
    return preempt(pod, choice, cluster)


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
    leaving = node("a", replace(pod("x", "4", deleting=True), preempted=True))
    waiting = pod("p", "4", 5, nominated="a")
    assert outcome(waiting, leaving).message == "not eligible due to a terminating pod on the nominated node."


def test_room_that_was_made_is_kept_from_those_who_are_no_more_important() -> None:
    cluster, waiting = Cluster([node("a")]), Nominations()
    cluster.nominated = waiting.by_node
    assert waiting.put(pod("p", "4", 5), "a") == []

    def lands(other: Pod) -> str | None:
        return choose(other, cluster, RULES).node

    assert lands(pod("other", "1", 4)) is None
    assert lands(pod("p", "4", 5)) == lands(pod("boss", "1", 6)) == "a"
    assert [p.name for p in waiting.put(pod("boss", "1", 6), "a")] == ["p"], "it has to look for another"
    waiting.drop("boss")
    assert lands(pod("other", "1", 4)) == "a" and waiting.by_node == {}


def test_budgets_are_violated_only_where_nothing_else_helps() -> None:
    selector = from_label_selector({"matchLabels": {"app": "x"}})
    spent = Budget("default", selector, 0, frozenset())
    guarded, free = node("a", pod("x", "4", 1)), node("b", pod("y", "4", 2))
    cluster = Cluster([guarded, free], budgets=[spent])
    assert outcome_in(pod("p", "4", 5), cluster).node == "b", "its victim is more important, and no budget is violated"
    both = node("a", pod("x", "2", 1), pod("y", "2", 2))
    found = outcome_in(pod("p", "2", 5), Cluster([both], budgets=[spent]))
    assert [p.name for p in found.victims] == ["y"]
    found = outcome_in(pod("p", "2", 5), Cluster([both], budgets=[Budget("default", selector, 1, frozenset())]))
    assert [p.name for p in found.victims] == ["x"]


def test_affinity_and_spreading_are_judged_as_they_are_without_the_victims() -> None:
    apart = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "kubernetes.io/hostname"}
    term = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    host = {"kubernetes.io/hostname": "a"}
    taken = node("a", pod("x", "1", 1), pod("y", "1", 1))
    taken.node = replace(taken.node, labels=host)
    assert victims(pod("p", "1", 5, affinity=term), taken) == ("a", {"x"})
    repelling = replace(
        pod(
            "x",
            "1",
            1,
            affinity={
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        {**apart, "labelSelector": {"matchLabels": {"app": "p"}}}
                    ]
                }
            },
        )
    )
    held = node("a", repelling, pod("y", "1", 1))
    held.node = replace(held.node, labels=host)
    assert victims(pod("p", "1", 5), held) == ("a", {"x"})
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "x"}},
    }
    empty = node("b", pod("big", "4", 9))
    empty.node = replace(empty.node, labels={"kubernetes.io/hostname": "b"})
    mine = replace(pod("p", "1", 5, topologySpreadConstraints=[spread]), labels={"app": "x"})
    assert victims(mine, taken, empty) == ("a", {"x"})


def test_a_search_pauses_on_its_way_through_a_large_cluster() -> None:
    cluster = Cluster([node(f"n{i}", pod(f"x{i}", "4", 1)) for i in range(300)])
    p = pod("p", "4", 5)
    steps = search(p, choose(p, cluster, RULES), cluster)
    assert sum(1 for _ in steps) > 10


def test_a_search_ends_when_it_has_candidates_enough() -> None:
    nodes = [node(f"n{i:03}", pod(f"x{i:03}", "4", 2 if i < 200 else 1)) for i in range(300)]
    assert victims(pod("p", "4", 5), *nodes)[0] < "n100", "a better one further on is not looked for"
