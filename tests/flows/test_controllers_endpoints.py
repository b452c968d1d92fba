"""The way from pods and Services to Endpoints and EndpointSlices, with all controllers running on the fake API."""

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
PODS, SERVICES, ENDPOINTS = resource("pods"), resource("services"), resource("endpoints")
SLICES = "endpointslices.discovery.k8s.io"


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    api = FakeApi()
    task = asyncio.create_task(run(api, ControllersConfig()), name="controllers")
    yield api
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def pod(api: FakeApi, name: str, ip: str, **labels: str) -> Obj:
    made = await api.create(PODS, {"metadata": {"name": name, "namespace": "default", "labels": labels}, "spec": {}})
    made["status"] = {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}
    return await api.update(PODS, made, subresource="status")


def service(name: str = "kubia", **spec: Any) -> Obj:
    ports = [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": ports, **spec}}


def addresses(api: FakeApi, name: str = "kubia") -> list[str]:
    subsets = (api.find("endpoints", name) or {}).get("subsets", [])
    return [a["ip"] for s in subsets for a in s.get("addresses", [])]


def sliced(api: FakeApi, name: str = "kubia") -> list[str]:
    found = [s for s in api.all(SLICES) if meta.labels(s)["kubernetes.io/service-name"] == name]
    return sorted(e["addresses"][0] for s in found for e in s["endpoints"] if e["conditions"]["ready"])


async def test_endpoints_follow_pods_and_selectors(api: FakeApi) -> None:
    await pod(api, "a", "10.42.0.2", app="kubia")
    await api.create(SERVICES, service(selector={"app": "kubia"}))
    await api.until(lambda: addresses(api) == sliced(api) == ["10.42.0.2"])
    await pod(api, "b", "10.42.1.2", app="kubia")
    await api.until(lambda: addresses(api) == sliced(api) == ["10.42.0.2", "10.42.1.2"])
    await api.delete(PODS, "a", "default")
    await api.until(lambda: addresses(api) == sliced(api) == ["10.42.1.2"])
    await api.patch(PODS, "b", {"metadata": {"labels": {"app": "other"}}}, "default")
    await api.until(lambda: addresses(api) == sliced(api) == [])
    await api.patch(SERVICES, "kubia", {"spec": {"selector": {"app": "other"}}}, "default")
    await api.until(lambda: addresses(api) == sliced(api) == ["10.42.1.2"])
    await api.delete(SERVICES, "kubia", "default")
    await api.until(lambda: not api.all("endpoints") and not api.all(SLICES))


async def test_a_busy_service_never_has_two_slices_for_one_pod(api: FakeApi) -> None:
    await api.create(SERVICES, service(selector={"app": "kubia"}))
    await asyncio.gather(*(pod(api, f"p{i}", f"10.42.0.{i + 2}", app="kubia") for i in range(60)))
    await api.until(lambda: len(sliced(api)) == 60)
    assert len(set(sliced(api))) == 60
    await api.until(lambda: len(api.all(SLICES)) == 1)


async def test_endpoints_made_by_hand_stay_and_are_mirrored(api: FakeApi) -> None:
    await api.create(SERVICES, service("external"))
    made = {
        "metadata": {"name": "external", "namespace": "default"},
        "subsets": [{"addresses": [{"ip": "11.11.11.11"}], "ports": [{"port": 80, "protocol": "TCP"}]}],
    }
    await api.create(ENDPOINTS, made)
    await api.until(lambda: sliced(api, "external") == ["11.11.11.11"])
    change = {"subsets": [{"addresses": [{"ip": "22.22.22.22"}], "ports": [{"port": 80, "protocol": "TCP"}]}]}
    await api.patch(ENDPOINTS, "external", change, "default")
    await api.until(lambda: sliced(api, "external") == ["22.22.22.22"])
    assert addresses(api, "external") == ["22.22.22.22"]
    await api.delete(ENDPOINTS, "external", "default")
    await api.until(lambda: not api.all(SLICES))
