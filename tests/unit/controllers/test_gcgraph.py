"""Which waiting owners only wait for each other."""

from __future__ import annotations

from kubette.api import meta
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.controllers.gcgraph import FOREGROUND, Graph, narrow

MAPS = resource("configmaps")


def put(graph: Graph, name: str, *owners: str, waits: bool = True) -> None:
    m: Object = {"name": name, "uid": name, "namespace": "default"}
    if waits:
        m |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [FOREGROUND]}
    described = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": o, "uid": o}} for o in owners]
    m["ownerReferences"] = [meta.owner_reference(o, controller=False) for o in described]
    graph.put(narrow(MAPS, {"metadata": m}))


def test_only_a_member_of_a_cycle_that_nothing_else_holds_is_released() -> None:
    graph = Graph()
    put(graph, "a", "b")
    put(graph, "b", "a")
    put(graph, "above")
    put(graph, "a", "b", "above")
    assert graph.held_by_cycle("a") and graph.held_by_cycle("b")
    assert not graph.held_by_cycle("above"), "it goes when the cycle has gone"
    put(graph, "leaf", "b", waits=False)
    assert not graph.held_by_cycle("a"), "the leaf goes first"
    put(graph, "leaf", "b")
    assert not graph.held_by_cycle("a"), "the leaf waits for nothing, it goes by itself"
    graph.drop("leaf")
    assert graph.held_by_cycle("a")
