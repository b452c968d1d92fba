"""Single rules of the scheduler, on plain data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kubette.api.placement import pod_requests
from kubette.api.selectors import LabelSelector
from kubette.api.taints import tolerated_for, tolerates
from kubette.scheduler.cycle import choose, enough
from kubette.scheduler.model import Claim, Cluster, NodeState, Pod, parse_node, parse_pod
from kubette.scheduler.plugins import RULES

Obj = dict[str, Any]


def pod(name: str = "p", owner: str = "", **spec: Any) -> Pod:
    m: Obj = {"name": name, "namespace": "default", "uid": name, "labels": {"app": name}}
    if owner:
        m["ownerReferences"] = [{"uid": owner, "controller": True}]
    return parse_pod({"metadata": m, "spec": {"containers": [{}], **spec}})


def node(name: str, *pods: Pod, cpu: str = "4", **labels: str) -> NodeState:
    allocatable = {"cpu": cpu, "memory": "8Gi", "pods": "10"}
    out = NodeState(parse_node({"metadata": {"name": name, "labels": labels}, "status": {"allocatable": allocatable}}))
    for each in pods:
        out.add(each)
    return out


def land(pod: Pod, *nodes: NodeState) -> str | None:
    return choose(pod, Cluster(nodes), RULES).node


def test_requests_are_the_larger_of_running_and_starting_with_sidecars_in_both() -> None:
    def asks(cpu: str, **more: Any) -> Obj:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    sidecar = asks("100m", restartPolicy="Always")
    spec = {"containers": [asks("200m"), {"resources": {"limits": {"cpu": "1"}}}], "initContainers": [sidecar]}
    assert pod_requests(spec)[0] == {"cpu": 1300, "pods": 1}
    spec["initContainers"].append(asks("2"))
    assert pod_requests({**spec, "overhead": {"cpu": "50m"}})[0]["cpu"] == 2150
    assert pod_requests({"containers": [{}, {}]})[1] == (200, 400 << 20), "scored as if it used a little"


def test_room_first_then_siblings_then_the_emptier_node() -> None:
    sibling = pod("s", owner="rc")
    assert land(pod(), node("a", sibling), node("b")) == "b"
    assert land(pod("n", owner="rc"), node("a", sibling), node("b", pod("x"), pod("y"))) == "b"
    big = pod("big", containers=[{"resources": {"requests": {"cpu": "3"}}}])
    assert land(big, node("a", big), node("b", pod("x"))) == "b"


def test_what_a_pod_prefers_weighs_more_than_an_emptier_node() -> None:
    term = {"weight": 1, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}}
    liked = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}
    assert land(pod(affinity=liked), node("a"), node("b", pod("x"), disk="ssd")) == "b"


def test_affinity_to_pods_that_are_there_and_the_first_of_its_kind() -> None:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}}
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    db = pod("db")
    assert land(pod("web", affinity=near), node("a", zone="1"), node("b", db, zone="2")) == "b"
    assert land(pod("web", affinity=near), node("a", zone="1")) is None
    assert land(pod("db", affinity=near), node("a", zone="1")) == "a", "nobody could ever be the first"


def test_terms_may_mean_the_pods_of_chosen_namespaces_and_of_the_same_or_another_revision() -> None:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}}
    db = replace(pod("db"), namespace="data")
    nodes = [node("a", zone="1"), node("b", db, zone="2")]

    def land(term: Obj, labels: Obj) -> str | None:
        near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        mine = replace(pod("web", affinity=near), labels=labels)
        return choose(mine, Cluster(nodes, {"data": {"tier": "data"}, "default": {}}), RULES).node

    assert land(term, {}) is None
    assert land({**term, "namespaceSelector": {"matchLabels": {"tier": "data"}}}, {}) == "b"
    assert land({**term, "namespaceSelector": {"matchLabels": {"tier": "web"}}}, {}) is None
    everywhere = {**term, "namespaceSelector": {}}
    assert land({**everywhere, "matchLabelKeys": ["app"]}, {"app": "db"}) == "b"
    assert land({**everywhere, "matchLabelKeys": ["app"]}, {"app": "other"}) is None
    assert land({**everywhere, "mismatchLabelKeys": ["app"]}, {"app": "other"}) == "b"


def test_nodes_that_cannot_be_used_count_for_spreading_as_the_policies_say() -> None:
    taken = node("a", pod("x"), node="a")
    tainted = NodeState(replace(node("b", node="b").node, taints=({"key": "k", "effect": "NoSchedule"},)))
    rule = {"topologyKey": "node", "maxSkew": 1, "labelSelector": {"matchLabels": {"app": "x"}}}
    nodes = Cluster([taken, tainted])
    assert choose(pod("x", topologySpreadConstraints=[rule]), nodes, RULES).node is None, "b is the emptier domain"
    honoured = {**rule, "nodeTaintsPolicy": "Honor"}
    assert choose(pod("x", topologySpreadConstraints=[honoured]), nodes, RULES).node == "a"


def test_a_claim_that_is_not_there_or_not_bound_is_told() -> None:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    nodes = [node("a")]

    def outcome(claim: Claim | None) -> str:
        known = {("default", "data"): claim} if claim is not None else {}
        choice = choose(pod(volumes=[volume]), Cluster(nodes, claims=known), RULES)
        assert choice.node or "claim" in choice.helped_by
        return choice.node or choice.message("")

    assert outcome(None) == '0/1 nodes are available: persistentvolumeclaim "data" not found.'
    unbound = Claim(bound=False, deleting=False)
    assert outcome(unbound) == "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    assert outcome(Claim(bound=True, deleting=False)) == "a"


def test_all_reasons_of_all_nodes_are_counted() -> None:
    asks = {"resources": {"requests": {"cpu": "8", "memory": "80Gi"}}}
    nodes = [node("a"), node("b"), node("c", disk="x")]
    message = choose(pod(containers=[asks], nodeSelector={"disk": "x"}), Cluster(nodes), RULES).message("x")
    assert message.startswith(
        "0/3 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, "
        "2 node(s) didn't match Pod's node affinity/selector. "
    )


def test_tolerations_as_documented() -> None:
    taint = {"key": "k", "value": "v", "effect": "NoExecute"}
    assert tolerates({"operator": "Exists"}, taint)
    assert tolerates({"key": "k", "value": "v"}, taint)
    assert not tolerates({"key": "k", "value": "w"}, taint)
    assert not tolerates({"key": "k", "operator": "Exists", "effect": "NoSchedule"}, taint)
    assert not tolerates({"value": "v"}, taint)
    waits = [{"key": "k", "operator": "Exists", "tolerationSeconds": s} for s in (300, 60)]
    assert (tolerated_for(taint, []), tolerated_for(taint, waits)) == (0, 60)
    assert tolerated_for(taint, [{"operator": "Exists"}]) is None


def test_the_prepared_state_follows_pods_and_nodes() -> None:
    """However pods came, moved, changed or went: the counts are those of the pods that are there."""
    near = {"topologyKey": "node", "labelSelector": {"matchLabels": {"app": "x"}}}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [near]}}
    x, lonely = pod("x", owner="o"), pod("lonely", affinity=apart)
    cluster = Cluster([node("a", node="a"), node("b", node="b")])

    def state() -> tuple[list[str], int, list[int]]:
        places = sorted(name for name, _ in cluster.matching(["default"], LabelSelector()))
        return places, len(cluster.repelling), [n.owners.get("o", 0) for n in cluster.nodes.values()]

    cluster.place(x, "a")
    cluster.place(lonely, "b")
    assert state() == (["a", "b"], 1, [1, 0])
    cluster.place(replace(x, deleting=True), "a")
    assert state() == (["a", "b"], 1, [0, 0])
    assert list(cluster.matching(["default"], LabelSelector(), deleting=False)) == [("b", 1)]
    cluster.place(x, "b")
    assert state() == (["b", "b"], 1, [0, 1])
    b = cluster.nodes["b"].node
    cluster.drop_node("b")
    assert state() == ([], 0, [0])
    cluster.put_node(b)
    assert state() == (["b", "b"], 1, [0, 1])
    assert cluster.unplace(x.uid) and cluster.unplace(lonely.uid) and not cluster.unplace(x.uid)
    assert state() == ([], 0, [0, 0]) and cluster.groups == {}
    assert cluster.nodes["b"].used == {"pods": 0} and cluster.nodes["b"].usual == [0, 0]


def test_a_large_cluster_is_not_compared_as_a_whole_and_each_decision_goes_on() -> None:
    assert (enough(100), enough(500), enough(1000), enough(5000), enough(20_000)) == (100, 230, 420, 500, 1000)
    cluster = Cluster([node(f"n{i:03}") for i in range(300)])
    first = choose(pod(), cluster, RULES)
    second = choose(pod(), cluster, RULES, start=first.looked)
    assert (first.node, first.looked, second.node) == ("n000", enough(300), f"n{enough(300):03}")
