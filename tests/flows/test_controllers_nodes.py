"""A node that falls silent, what becomes of its pods and their endpoints, and how it comes back; on the fake API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kubette.api import meta
from kubette.api.kinds import resource
from kubette.controllers import ControllersConfig, run
from kubette.testing.fakeapi import FakeApi

Obj = dict[str, Any]
NODES, PODS, LEASES, SERVICES = (resource(k) for k in ("nodes", "pods", "leases.coordination.k8s.io", "services"))


@asynccontextmanager
async def controllers(api: FakeApi, config: ControllersConfig) -> AsyncIterator[None]:
    task = asyncio.create_task(run(api, config), name="controllers")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def report(api: FakeApi, name: str, status: str = "True") -> None:
    """What a node's agent writes when it comes up."""
    if api.find("nodes", name) is None:
        await api.create(NODES, {"metadata": {"name": name}, "spec": {}})
    conditions = [{"type": t, "status": "False"} for t in ("MemoryPressure", "DiskPressure", "PIDPressure")]
    change = {"status": {"conditions": [{"type": "Ready", "status": status}, *conditions]}}
    await api.patch(NODES, name, change, subresource="status")


def stand_still(seconds: float) -> None:
    """As if the machine had been paused: nobody's loop runs."""
    time.sleep(seconds)


async def beat(api: FakeApi, name: str) -> None:
    lease = {"metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": {"renewTime": meta.now_micro()}}
    if api.find("leases.coordination.k8s.io", name, "kube-node-lease") is None:
        await api.create(LEASES, lease)
    else:
        await api.patch(LEASES, name, {"spec": lease["spec"]}, "kube-node-lease")


async def running(api: FakeApi, name: str, node: str, seconds: int | None) -> None:
    spec: Obj = {"nodeName": node, "tolerations": []}
    if seconds is not None:
        for key in ("not-ready", "unreachable"):
            taint = {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"}
            spec["tolerations"].append({**taint, "tolerationSeconds": seconds})
    made = await api.create(
        PODS, {"metadata": {"name": name, "namespace": "default", "labels": {"app": "kubia"}}, "spec": spec}
    )
    made["status"] = {
        "phase": "Running",
        "podIP": f"10.42.0.{2 + len(api.all('pods'))}",
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    await api.update(PODS, made, subresource="status")


def taints(api: FakeApi, name: str) -> set[tuple[str, str]]:
    return {
        (t["key"].removeprefix("node.kubernetes.io/"), t["effect"])
        for t in (api.find("nodes", name) or {})["spec"].get("taints") or ()
    }


def serving(api: FakeApi) -> set[str]:
    subsets = (api.find("endpoints", "kubia") or {}).get("subsets", [])
    return {a["targetRef"]["name"] for s in subsets for a in s.get("addresses", ())}


async def test_a_silent_node_loses_its_endpoints_at_once_and_its_pods_after_their_patience() -> None:
    api = FakeApi()
    for name in ("alive", "dead"):
        await report(api, name)
        await beat(api, name)
    await running(api, "a", "alive", 300)
    await running(api, "b", "dead", 300)
    await running(api, "hasty", "dead", 1)
    spec = {"selector": {"app": "kubia"}, "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]}
    await api.create(SERVICES, {"metadata": {"name": "kubia", "namespace": "default"}, "spec": spec})
    stop = asyncio.Event()

    async def heart() -> None:
        while not stop.is_set():
            await beat(api, "alive")
            await asyncio.sleep(0.05)

    async with controllers(api, ControllersConfig(node_grace_seconds=0.4)):
        pulse = asyncio.create_task(heart(), name="heart")
        await api.until(lambda: serving(api) == {"a", "b", "hasty"})
        await api.until(lambda: serving(api) == {"a"})
        lost = api.find("nodes", "dead") or {}
        ready = meta.condition(lost, "Ready") or {}
        assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
        assert ready["message"] == "Kubelet stopped posting node status."
        await api.until(lambda: taints(api, "dead") == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")})
        await api.until(lambda: meta.deleting(api.find("pods", "hasty") or {}))
        assert not meta.deleting(api.find("pods", "b") or {})
        assert taints(api, "alive") == set()
        assert (meta.condition(api.find("nodes", "alive") or {}, "Ready") or {})["status"] == "True"
        told = {(e["involvedObject"]["name"], e["reason"]) for e in api.all("events")}
        assert {("dead", "NodeNotReady"), ("b", "NodeNotReady"), ("hasty", "TaintManagerEviction")} <= told

        await beat(api, "dead")
        await report(api, "dead")
        await api.until(lambda: taints(api, "dead") == set())
        stop.set()
        await pulse


async def test_time_in_which_the_controllers_themselves_stood_still_is_not_held_against_nodes() -> None:
    api = FakeApi()
    await report(api, "n")
    await beat(api, "n")
    async with controllers(api, ControllersConfig(node_grace_seconds=1.0)):
        await api.until(lambda: any(e["reason"] == "RegisteredNode" for e in api.all("events")))
        stand_still(2.5)
        pulses = asyncio.get_running_loop().time() + 1
        while asyncio.get_running_loop().time() < pulses:
            await asyncio.sleep(0.2)  # the agent's own rhythm
            await beat(api, "n")
            assert (meta.condition(api.find("nodes", "n") or {}, "Ready") or {})["status"] == "True"
        await api.until(lambda: (meta.condition(api.find("nodes", "n") or {}, "Ready") or {})["status"] == "Unknown")


async def test_taints_follow_the_conditions_and_the_cordon_and_leave_others_alone() -> None:
    api = FakeApi()
    await report(api, "n", "False")
    mine = {"key": "mine", "effect": "NoSchedule"}
    await api.patch(NODES, "n", {"spec": {"taints": [mine], "unschedulable": True}})
    async with controllers(api, ControllersConfig()):
        both = {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}
        await api.until(lambda: taints(api, "n") == {*both, ("unschedulable", "NoSchedule"), ("mine", "NoSchedule")})
        await report(api, "n")
        await api.until(lambda: taints(api, "n") == {("unschedulable", "NoSchedule"), ("mine", "NoSchedule")})
        await api.patch(NODES, "n", {"spec": {"unschedulable": None}})
        await api.until(lambda: taints(api, "n") == {("mine", "NoSchedule")})


async def test_pods_of_a_node_that_was_removed_are_cleared_away() -> None:
    api = FakeApi()
    await report(api, "n")
    await running(api, "p", "n", 300)
    async with controllers(api, ControllersConfig(pod_gc_seconds=0.1)):
        await api.until(lambda: any(e["reason"] == "RegisteredNode" for e in api.all("events")))
        await api.delete(NODES, "n")
        await api.until(lambda: api.find("pods", "p") is None)


async def test_pods_that_end_on_a_node_said_to_be_out_of_service_are_let_go() -> None:
    api = FakeApi()
    await report(api, "n", "False")
    await running(api, "p", "n", 300)
    async with controllers(api, ControllersConfig(pod_gc_seconds=0.1)):
        await api.delete(PODS, "p", "default")
        await api.until(lambda: meta.deleting(api.find("pods", "p") or {}))
        node = api.find("nodes", "n") or {}
        off = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
        await api.patch(NODES, "n", {"spec": {"taints": [*node["spec"].get("taints", []), off]}})
        await api.until(lambda: api.find("pods", "p") is None)
