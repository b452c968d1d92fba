"""Emptying a node: which pods are evicted, and what happens when a budget refuses."""

from __future__ import annotations

from typing import Any

import pytest

from kubette.cluster import draining
from kubette.cluster.adminapi import ApiFailure
from kubette.clusterspec import ClusterError


def pod(name: str, phase: str = "Running", owner: str = "", **meta: Any) -> dict[str, Any]:
    owners = [{"kind": owner, "name": "o", "controller": True}] if owner else []
    return {
        "metadata": {"name": name, "namespace": "d", "ownerReferences": owners, **meta},
        "status": {"phase": phase},
    }


def test_which_pods_are_evicted() -> None:
    pods = [
        pod("bare"),
        pod("of-a-set", owner="ReplicaSet"),
        pod("daemon", owner="DaemonSet"),
        pod("mirror", annotations={"kubernetes.io/config.mirror": "x"}),
        pod("over", phase="Succeeded"),
    ]
    assert [p["metadata"]["name"] for p in draining.evictable(pods)] == ["bare", "of-a-set"]


class Server:
    """As much of an API server as a drain uses. A pod leaves after its eviction was allowed, at the next list."""

    def __init__(self, pods: list[dict[str, Any]], refusals: int = 0) -> None:
        self.pods, self.refusals = pods, refusals
        self.unschedulable: Any = None
        self.evicted: list[str] = []

    def get(self, path: str) -> Any:
        assert path == "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-2"
        self.pods = [p for p in self.pods if p["metadata"]["name"] not in self.evicted]
        return {"items": self.pods}

    def request(self, method: str, path: str, body: Any = None, media_type: str = "") -> Any:
        if method == "PATCH":
            assert (path, media_type) == ("/api/v1/nodes/node-2", "application/merge-patch+json")
            self.unschedulable = body["spec"]["unschedulable"]
            return {}
        assert method == "POST" and path.endswith("/eviction") and body["kind"] == "Eviction"
        if self.refusals:
            self.refusals -= 1
            raise ApiFailure(429, "Cannot evict pod as it would violate the pod's disruption budget.")
        self.evicted.append(body["metadata"]["name"])
        return {}


def test_a_budget_that_refuses_is_asked_again() -> None:
    server = Server([pod("a"), pod("b")], refusals=1)
    draining.drain(server, ["node-2"], 30.0)  # type: ignore[arg-type]
    assert sorted(server.evicted) == ["a", "b"] and server.unschedulable is True


def test_pods_that_stay_leave_the_cluster_as_it_was() -> None:
    server = Server([pod("a")], refusals=10**6)
    with pytest.raises(ClusterError, match=r"these pods do not leave their node: d/a \(Cannot evict"):
        draining.drain(server, ["node-2"], 0.2)  # type: ignore[arg-type]
    assert server.unschedulable is None and server.evicted == []
