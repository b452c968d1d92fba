"""Namespaces, their default contents, nodes' subnets and load balancers' addresses, on the fake API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kubette.api import meta
from kubette.api.kinds import resource
from kubette.controllers import ControllersConfig, run
from kubette.testing.fakeapi import FakeApi

Obj = dict[str, Any]
NAMESPACES, NODES, SERVICES = resource("namespaces"), resource("nodes"), resource("services")
CONFIG = ControllersConfig(
    root_ca="PEM",
    pod_cidrs=("10.42.0.0/16", "fd00:42::/48"),
    load_balancer_pool=("172.29.7.200-172.29.7.201",),
)


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    api = FakeApi()
    task = asyncio.create_task(run(api, CONFIG), name="controllers")
    yield api
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_namespace_is_furnished_and_emptied(api: FakeApi) -> None:
    await api.create(NAMESPACES, {"metadata": {"name": "x"}})
    await api.until(
        lambda: api.find("serviceaccounts", "default", "x") and api.find("configmaps", "kube-root-ca.crt", "x")
    )
    assert (api.find("configmaps", "kube-root-ca.crt", "x") or {})["data"] == {"ca.crt": "PEM"}
    await api.delete(resource("configmaps"), "kube-root-ca.crt", "x")
    await api.until(lambda: api.find("configmaps", "kube-root-ca.crt", "x"))

    pod = {"metadata": {"name": "p", "namespace": "x"}, "spec": {"nodeName": "n"}}
    await api.create(resource("pods"), pod)
    held = {"metadata": {"name": "held", "namespace": "x", "finalizers": ["example.com/mine"]}}
    await api.create(resource("secrets"), held)
    await api.delete(NAMESPACES, "x")
    namespace = await api.until(
        lambda: meta.condition(n := api.find("namespaces", "x") or {}, "NamespaceContentRemaining") and n
    )
    message = (meta.condition(namespace, "NamespaceContentRemaining") or {})["message"]
    assert message == "Some resources are remaining: pods. has 1 resource instances"
    assert api.find("secrets", "held", "x"), "pods end before what they may need"
    await api.delete(resource("pods"), "p", "x", grace_seconds=0)
    await api.until(
        lambda: (
            "example.com/mine in 1"
            in str(meta.condition(api.find("namespaces", "x") or {}, "NamespaceFinalizersRemaining"))
        )
    )
    await api.patch(resource("secrets"), "held", {"metadata": {"finalizers": None}}, "x")
    await api.until(lambda: api.find("namespaces", "x") is None)
    assert not [o for kind in ("pods", "secrets", "configmaps", "serviceaccounts") for o in api.all(kind, "x")]


async def test_every_node_gets_a_subnet_of_each_family_and_a_freed_one_is_given_again(api: FakeApi) -> None:
    for name in ("a", "b"):
        await api.create(NODES, {"metadata": {"name": name}})
        await api.until(lambda name=name: (api.find("nodes", name) or {}).get("spec"))  # type: ignore[misc]
    found = [n["spec"]["podCIDRs"] for n in api.all("nodes")]
    assert found == [["10.42.0.0/24", "fd00:42::/64"], ["10.42.1.0/24", "fd00:42:0:1::/64"]]
    await api.delete(NODES, "a")
    await api.create(NODES, {"metadata": {"name": "c"}})
    node = await api.until(lambda: (n := api.find("nodes", "c")) and n.get("spec") and n)
    assert node["spec"]["podCIDR"] == "10.42.0.0/24"


def _service(name: str, **spec: Any) -> Obj:
    given = {"type": "LoadBalancer", "clusterIP": "10.43.0.9", "ports": [], **spec}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": given}


def _ips(api: FakeApi, name: str) -> list[str]:
    status = (api.find("services", name) or {}).get("status") or {}
    return [row["ip"] for row in (status.get("loadBalancer") or {}).get("ingress", [])]


async def test_load_balancers_share_no_address_and_wait_for_a_free_one(api: FakeApi) -> None:
    await api.create(SERVICES, _service("asks", loadBalancerIP="172.29.7.200"))
    await api.until(lambda: _ips(api, "asks") == ["172.29.7.200"])
    await api.create(SERVICES, _service("any"))
    await api.until(lambda: _ips(api, "any") == ["172.29.7.201"])
    await api.create(SERVICES, _service("late"))
    await api.until(lambda: any(e["reason"] == "SyncLoadBalancerFailed" for e in api.all("events")))
    assert _ips(api, "late") == []
    await api.patch(SERVICES, "asks", {"spec": {"type": "ClusterIP"}}, "default")
    await api.until(lambda: _ips(api, "late") == ["172.29.7.200"] and _ips(api, "asks") == [])
    await api.delete(SERVICES, "any", "default")
    await api.patch(SERVICES, "asks", {"spec": {"type": "LoadBalancer", "loadBalancerIP": None}}, "default")
    await api.until(lambda: _ips(api, "asks") == ["172.29.7.201"])
    assert _ips(api, "late") == ["172.29.7.200"]


async def test_a_namespaces_other_finalizers_stay(api: FakeApi) -> None:
    """Finalizers are written on what is there now: one that came during the deletion is not lost."""
    await api.create(NAMESPACES, {"metadata": {"name": "x"}})
    await api.until(lambda: api.find("serviceaccounts", "default", "x"))
    added = False
    listed = api.list

    async def add_finalizer(kind: Any, namespace: str | None = None, **selectors: Any) -> Obj:
        nonlocal added
        if namespace == "x" and not added:
            added = True
            terminating = api.find("namespaces", "x") or {}
            terminating["spec"]["finalizers"].append("example.com/mine")
            await api.update(NAMESPACES, terminating, subresource="finalize")
        return await listed(kind, namespace, **selectors)

    api.list = add_finalizer  # type: ignore[method-assign]
    await api.delete(NAMESPACES, "x")
    await api.until(
        lambda: (api.find("namespaces", "x") or {"spec": {}})["spec"].get("finalizers") == ["example.com/mine"]
    )
