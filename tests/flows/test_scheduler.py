"""Pods and where they land, or why they do not, on the fake API."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kubette.api import errors, meta
from kubette.api.kinds import Kind, resource
from kubette.scheduler import SchedulerConfig, run
from kubette.testing.fakeapi import FakeApi

Obj = dict[str, Any]
PODS, NODES = resource("pods"), resource("nodes")


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    api = FakeApi()
    task = asyncio.create_task(run(api, SchedulerConfig()), name="scheduler")
    yield api
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def node(api: FakeApi, name: str, cpu: str = "2", pods: str = "110", **labels: str) -> None:
    made = await api.create(NODES, {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}}})
    made["status"] = {"allocatable": {"cpu": cpu, "memory": "4Gi", "pods": pods}}
    await api.update(NODES, made, subresource="status")


async def pod(api: FakeApi, name: str, cpu: str = "", owner: str = "", **spec: Any) -> None:
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    m: Obj = {"name": name, "namespace": "default", "labels": {"app": "kubia"}}
    if owner:
        ref = {"apiVersion": "v1", "kind": "ReplicationController", "name": owner, "uid": owner, "controller": True}
        m["ownerReferences"] = [ref]
    containers = [{"name": "c", "image": "kubia", "resources": resources}]
    await api.create(PODS, {"metadata": m, "spec": {"containers": containers, **spec}})


def where(api: FakeApi, name: str) -> str:
    return str((api.find("pods", name) or {"spec": {}})["spec"].get("nodeName", ""))


def why(api: FakeApi, name: str) -> str:
    return str((meta.condition(api.find("pods", name) or {}, "PodScheduled") or {}).get("message", ""))


async def test_pods_of_one_owner_spread_and_each_assignment_is_told(api: FakeApi) -> None:
    await node(api, "node-1")
    await node(api, "node-2")
    await asyncio.gather(*(pod(api, f"p{i}", owner="kubia") for i in range(20)))
    await api.until(lambda: all(p["spec"].get("nodeName") for p in api.all("pods")))
    assert Counter(p["spec"]["nodeName"] for p in api.all("pods")) == {"node-1": 10, "node-2": 10}
    await api.until(lambda: len(api.all("events")) == 20)
    event = api.all("events")[0]
    assert event["reason"] == "Scheduled"
    assert event["message"].startswith("Successfully assigned default/p")


async def test_a_pod_that_fits_nowhere_says_why_and_goes_when_there_is_room(api: FakeApi) -> None:
    await pod(api, "early")
    await api.until(lambda: why(api, "early") == "no nodes available to schedule pods")
    await node(api, "node-1", cpu="1")
    await api.until(lambda: where(api, "early") == "node-1")
    await node(api, "node-2", cpu="2", disk="ssd")
    await pod(api, "big", cpu="1500m", nodeSelector={"disk": "hdd"})
    await api.until(
        lambda: (
            why(api, "big")
            == "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to "
            "deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        )
    )
    await pod(api, "first", cpu="1800m")
    await api.until(lambda: where(api, "first") == "node-2")
    await api.patch(NODES, "node-2", {"metadata": {"labels": {"disk": "hdd"}}})
    await api.until(lambda: "1 Insufficient cpu, 1 node(s) didn't match" in why(api, "big"))
    await api.delete(PODS, "first", "default", grace_seconds=0)
    await api.until(lambda: where(api, "big") == "node-2")
    told = {"FailedScheduling", "Scheduled"}
    await api.until(lambda: {e["reason"] for e in api.all("events") if e["involvedObject"]["name"] == "big"} == told)


async def test_nodes_never_take_more_than_they_have_however_many_come_at_once(api: FakeApi) -> None:
    await node(api, "node-1", pods="5")
    await node(api, "node-2", pods="5")
    await asyncio.gather(*(pod(api, f"p{i}") for i in range(14)))
    await api.until(lambda: sum(bool(p["spec"].get("nodeName")) for p in api.all("pods")) == 10)
    await api.until(lambda: sum("2 Too many pods" in why(api, meta.name(p)) for p in api.all("pods")) == 4)
    assert Counter(p["spec"].get("nodeName") for p in api.all("pods")) == {"node-1": 5, "node-2": 5, None: 4}


async def test_taints_cordons_and_host_ports_keep_pods_away(api: FakeApi) -> None:
    await node(api, "node-1")
    await api.patch(NODES, "node-1", {"spec": {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}})
    await api.until(lambda: (api.find("nodes", "node-1") or {})["spec"]["taints"])
    await pod(api, "plain")
    await api.until(lambda: "1 node(s) had untolerated taint(s)" in why(api, "plain"))
    await pod(api, "tolerant", tolerations=[{"key": "k", "operator": "Exists"}])
    await api.until(lambda: where(api, "tolerant") == "node-1")
    await api.patch(NODES, "node-1", {"spec": {"taints": None, "unschedulable": True}})
    await api.until(lambda: "1 node(s) were unschedulable" in why(api, "plain"))
    await api.patch(NODES, "node-1", {"spec": {"unschedulable": None}})
    await api.until(lambda: where(api, "plain") == "node-1")
    port = [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]
    await pod(api, "one", containers=port)
    await api.until(lambda: where(api, "one"))
    await pod(api, "two", containers=port)
    await api.until(lambda: "1 node(s) didn't have free ports" in why(api, "two"))


async def test_spread_constraints_and_anti_affinity_are_kept(api: FakeApi) -> None:
    for name in ("node-1", "node-2"):
        await node(api, name)
    selector = {"matchLabels": {"app": "kubia"}}
    key = "kubernetes.io/hostname"
    hard = [{"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}]
    await asyncio.gather(*(pod(api, f"s{i}", topologySpreadConstraints=hard) for i in range(6)))
    await api.until(lambda: all(p["spec"].get("nodeName") for p in api.all("pods")))
    assert set(Counter(p["spec"]["nodeName"] for p in api.all("pods")).values()) == {3}
    for i in range(6):
        await api.delete(PODS, f"s{i}", "default", grace_seconds=0)
    term = {"topologyKey": key, "labelSelector": selector}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    for name in ("a", "b", "c"):
        await pod(api, name, affinity=apart)
    await api.until(lambda: any("2 node(s) didn't match pod anti-affinity rules" in why(api, n) for n in "abc"))
    assert sorted(where(api, n) for n in "abc") == ["", "node-1", "node-2"]


async def test_a_binding_that_fails_is_tried_again_and_others_schedulers_pods_are_left(api: FakeApi) -> None:
    await node(api, "node-1")
    left = [3]

    def flaky(verb: str, kind: Kind, obj: Obj) -> errors.ApiError | None:
        left[0] -= verb == "binding"
        return errors.ServiceUnavailable("not now") if verb == "binding" and left[0] >= 0 else None

    api.refuse = flaky
    await pod(api, "other", schedulerName="mine")
    await pod(api, "p")
    await api.until(lambda: where(api, "p") == "node-1")
    assert where(api, "other") == "" == why(api, "other")


async def test_a_more_important_pod_takes_the_place_of_a_lesser_one(api: FakeApi) -> None:
    await node(api, "node-1", cpu="2")
    await pod(api, "small", cpu="1", priority=1)
    await pod(api, "least", cpu="1")
    await api.until(lambda: where(api, "small") and where(api, "least"))
    await pod(api, "boss", cpu="1", priority=10)
    await api.until(lambda: meta.deleting(api.find("pods", "least") or {}))
    await api.until(lambda: ((api.find("pods", "boss") or {}).get("status") or {}).get("nominatedNodeName") == "node-1")
    disrupted = meta.condition(api.find("pods", "least") or {}, "DisruptionTarget") or {}
    assert disrupted["reason"] == "PreemptionByScheduler"
    assert disrupted["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
    await pod(api, "thief", cpu="1", priority=5)  # comes first when the place becomes free, and does not get it
    await api.until(lambda: meta.deleting(api.find("pods", "small") or {}))  # it makes room for itself
    await api.delete(PODS, "least", "default", grace_seconds=0)
    await api.until(lambda: where(api, "boss") == "node-1")
    assert where(api, "thief") == ""
    await api.delete(PODS, "small", "default", grace_seconds=0)
    await api.until(lambda: where(api, "thief") == "node-1")
    uid = meta.uid(api.find("pods", "boss") or {})
    said = {(e["involvedObject"]["name"], e["reason"], e["message"]) for e in api.all("events")}
    assert ("least", "Preempted", f"Preempted by pod {uid} on node node-1") in said
    assert ("boss", "FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.") in said


async def test_a_pod_that_found_no_node_is_looked_at_again_only_when_it_may_help(api: FakeApi) -> None:
    await node(api, "node-1")
    await pod(api, "picky", nodeSelector={"disk": "ssd"})
    await api.until(lambda: why(api, "picky"))
    for i in range(20):
        await pod(api, f"p{i}")
    await api.until(lambda: all(where(api, f"p{i}") for i in range(20)))
    loop = asyncio.get_running_loop()
    started = loop.time()
    await api.patch(NODES, "node-1", {"metadata": {"labels": {"disk": "ssd"}}})
    await api.until(lambda: where(api, "picky") == "node-1")
    assert loop.time() - started < 1, "twenty pods that came and found their place have not made it wait longer"


async def test_a_binding_that_fails_with_any_exception_is_tried_again(api: FakeApi) -> None:
    await node(api, "node-1")
    create, left = api.create, [2]

    async def flaky(*args: Any, **more: Any) -> Obj:
        if more.get("subresource") == "binding" and left[0]:
            left[0] -= 1
            raise UnicodeDecodeError("utf-8", b"", 0, 1, "an answer that is no text")
        return await create(*args, **more)

    api.create = flaky  # type: ignore[method-assign]
    await pod(api, "p")
    await api.until(lambda: where(api, "p") == "node-1")
    assert left == [0]
