"""A Deployment's life on the fake API: rollout, undo, scale, pause, Recreate, history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kubette.api import errors, meta
from kubette.api.kinds import resource
from kubette.controllers import ControllersConfig, run
from kubette.controllers.rollout import REVISION
from kubette.testing.fakeapi import FakeApi

Obj = dict[str, Any]
PODS, DEPLOYMENTS = resource("pods"), resource("deployments.apps")


async def _kubelet(api: FakeApi, low: list[int]) -> None:
    """Runs each pod at once, ends those that terminate, and notes the fewest ready pods ever seen in ``low``."""
    while True:
        for pod in api.all("pods"):
            name = meta.name(pod)
            try:
                if meta.deleting(pod):
                    await api.delete(PODS, name, "default", grace_seconds=0)
                elif pod["status"]["phase"] == "Pending" and pod["spec"]["containers"][0]["image"] != "broken":
                    ready = {"type": "Ready", "status": "True", "lastTransitionTime": meta.now()}
                    change = {"status": {"phase": "Running", "conditions": [ready]}}
                    await api.patch(PODS, name, change, "default", subresource="status")
                    await api.patch(PODS, name, {"spec": {"nodeName": "node-1"}}, "default")
            except errors.NotFound:
                pass
        low[0] = min(low[0], _ready(api))
        await asyncio.sleep(0)


def _ready(api: FakeApi) -> int:
    return sum(p["status"]["phase"] == "Running" and not meta.deleting(p) for p in api.all("pods"))


@asynccontextmanager
async def cluster(api: FakeApi) -> AsyncIterator[list[int]]:
    low = [10**6]
    tasks = [
        asyncio.create_task(run(api, ControllersConfig()), name="controllers"),
        asyncio.create_task(_kubelet(api, low), name="kubelet"),
    ]
    try:
        yield low
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def deployment(replicas: int = 4, image: str = "kubia:v1", **spec: Any) -> Obj:
    labels = {"app": "kubia"}
    return {
        "metadata": {"name": "kubia", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}},
            **spec,
        },
    }


def state(api: FakeApi) -> Obj:
    return api.find("deployments.apps", "kubia") or {}


def done(api: FakeApi) -> bool:
    """What ``kubectl rollout status`` waits for."""
    obj = state(api)
    status, wanted = obj.get("status") or {}, obj["spec"]["replicas"]
    return (
        status.get("observedGeneration", 0) >= obj["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted == status.get("replicas", 0)
        and status.get("availableReplicas", 0) == wanted
        and (meta.condition(obj, "Progressing") or {}).get("reason") == "NewReplicaSetAvailable"
    )


def images(api: FakeApi) -> set[str]:
    return {p["spec"]["containers"][0]["image"] for p in api.all("pods") if not meta.deleting(p)}


async def set_image(api: FakeApi, image: str) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
    await api.patch(DEPLOYMENTS, "kubia", change, "default", type="strategic")


async def test_a_rollout_never_falls_below_what_must_be_available_and_can_be_undone() -> None:
    api = FakeApi()
    async with cluster(api) as low:
        await api.create(DEPLOYMENTS, deployment())
        await api.until(lambda: done(api))
        assert meta.annotations(state(api))[REVISION] == "1"
        low[0] = 10**6
        await set_image(api, "kubia:v2")
        await api.until(lambda: done(api) and images(api) == {"kubia:v2"})
        assert low[0] >= 3, "25% of four may be missing"
        assert meta.annotations(state(api))[REVISION] == "2"
        await set_image(api, "kubia:v1")  # what `rollout undo` does
        await api.until(lambda: done(api) and images(api) == {"kubia:v1"})
        assert meta.annotations(state(api))[REVISION] == "3"
        sets = api.all("replicasets.apps")
        assert sorted(s["metadata"]["annotations"][REVISION] for s in sets) == ["2", "3"]
        said = [e["message"] for e in api.all("events") if e["reason"] == "ScalingReplicaSet"]
        assert any(message.startswith("Scaled up replica set kubia-") for message in said)


async def test_a_bad_image_stops_the_rollout_with_the_old_pods_serving() -> None:
    api = FakeApi()
    async with cluster(api):
        await api.create(DEPLOYMENTS, deployment(progressDeadlineSeconds=1))
        await api.until(lambda: done(api))
        await set_image(api, "broken")
        await api.until(
            lambda: (meta.condition(state(api), "Progressing") or {})["reason"] == "ProgressDeadlineExceeded"
        )
        assert _ready(api) == 3
        assert (meta.condition(state(api), "Available") or {})["status"] == "True"
        await set_image(api, "kubia:v1")
        await api.until(lambda: done(api) and images(api) == {"kubia:v1"})


async def test_recreate_ends_all_old_pods_before_the_first_new_one() -> None:
    api = FakeApi()
    mixed: list[set[str]] = []
    async with cluster(api):
        await api.create(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
        await api.until(lambda: done(api))
        await set_image(api, "kubia:v2")

        def over() -> bool:
            mixed.append({p["spec"]["containers"][0]["image"] for p in api.all("pods")})
            return done(api) and images(api) == {"kubia:v2"}

        await api.until(over)
    assert {"kubia:v1", "kubia:v2"} not in mixed


async def test_scale_pause_and_history() -> None:
    api = FakeApi()
    async with cluster(api):
        await api.create(DEPLOYMENTS, deployment(2, revisionHistoryLimit=1))
        await api.until(lambda: done(api))
        await api.patch(DEPLOYMENTS, "kubia", {"spec": {"replicas": 5}}, "default", subresource="scale")
        await api.until(lambda: done(api) and len(api.all("pods")) == 5)
        await api.patch(DEPLOYMENTS, "kubia", {"spec": {"paused": True}}, "default")
        await set_image(api, "kubia:v2")
        await api.until(lambda: (meta.condition(state(api), "Progressing") or {})["reason"] == "DeploymentPaused")
        await api.until(lambda: state(api)["status"]["observedGeneration"] == state(api)["metadata"]["generation"])
        assert images(api) == {"kubia:v1"}
        await api.patch(DEPLOYMENTS, "kubia", {"spec": {"paused": None}}, "default")
        await api.until(lambda: done(api) and images(api) == {"kubia:v2"})
        await set_image(api, "kubia:v3")
        await api.until(lambda: done(api) and images(api) == {"kubia:v3"})
        await api.until(lambda: len(api.all("replicasets.apps")) == 2)
        await api.patch(DEPLOYMENTS, "kubia", {"spec": {"replicas": 0}}, "default", subresource="scale")
        await api.until(lambda: done(api) and not api.all("pods"))
