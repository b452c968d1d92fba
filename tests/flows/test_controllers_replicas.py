"""ReplicationControllers and ReplicaSets on the fake API: the count is kept, whatever happens to the pods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kubette.api import errors, meta
from kubette.api.kinds import Kind, resource
from kubette.controllers import ControllersConfig, run
from kubette.testing.fakeapi import FakeApi

Obj = dict[str, Any]
PODS, RCS, RSS = resource("pods"), resource("replicationcontrollers"), resource("replicasets.apps")


@asynccontextmanager
async def controllers(api: FakeApi, config: ControllersConfig | None = None) -> AsyncIterator[None]:
    task = asyncio.create_task(run(api, config or ControllersConfig()), name="controllers")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def rc(name: str = "kubia", replicas: int = 3, **spec: Any) -> Obj:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "kubia"}]}}
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": labels, "template": template, **spec},
    }


def rs(name: str = "kubia", replicas: int = 3) -> Obj:
    out = rc(name, replicas, selector={"matchLabels": {"app": name}})
    return {**out, "apiVersion": "apps/v1", "kind": "ReplicaSet"}


async def make_ready(api: FakeApi, pod: Obj, node: str = "node-1") -> None:
    pod["spec"]["nodeName"] = node
    pod = await api.update(PODS, pod)
    now = meta.now()
    pod["status"] = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
    }
    await api.update(PODS, pod, subresource="status")


def status(api: FakeApi, kind: str, field: str) -> Any:
    owner = api.find(kind, "kubia")
    return owner and (owner.get("status") or {}).get(field)


async def test_an_rc_makes_its_pods_counts_the_ready_and_says_so() -> None:
    api = FakeApi()
    async with controllers(api):
        await api.create(RCS, rc())
        pods = await api.until(lambda: len(p := api.all("pods")) == 3 and p)
        owner = api.find("replicationcontrollers", "kubia")
        assert owner is not None
        for pod in pods:
            assert pod["metadata"]["name"].startswith("kubia-")
            assert pod["metadata"]["ownerReferences"] == [
                {
                    "apiVersion": "v1",
                    "kind": "ReplicationController",
                    "name": "kubia",
                    "uid": meta.uid(owner),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ]
            await make_ready(api, pod)
        await api.until(lambda: status(api, "replicationcontrollers", "readyReplicas") == 3)
        assert status(api, "replicationcontrollers", "availableReplicas") == 3
        assert status(api, "replicationcontrollers", "observedGeneration") == 1
        await api.until(lambda: len(api.all("events")) == 3)
        reasons = {(e["reason"], e["message"]) for e in api.all("events")}
        assert reasons == {("SuccessfulCreate", f"Created pod: {meta.name(p)}") for p in pods}


async def test_scaled_down_the_pods_that_do_the_least_go_first() -> None:
    api = FakeApi()
    async with controllers(api):
        await api.create(RSS, rs(replicas=4))
        pods = await api.until(lambda: len(p := api.all("pods")) == 4 and p)
        for pod in pods[:2]:
            await make_ready(api, pod)
        await api.until(lambda: status(api, "replicasets.apps", "readyReplicas") == 2)
        await api.patch(RSS, "kubia", {"spec": {"replicas": 2}}, "default", subresource="scale")
        left = await api.until(lambda: len(p := api.all("pods")) == 2 and p)
        assert {meta.name(p) for p in left} == {meta.name(p) for p in pods[:2]}


async def test_a_deleted_pod_and_a_failed_one_are_replaced() -> None:
    api = FakeApi()
    async with controllers(api):
        await api.create(RCS, rc(replicas=2))
        first, second = await api.until(lambda: len(p := api.all("pods")) == 2 and p)
        await make_ready(api, first)
        await api.delete(PODS, meta.name(first), "default")  # terminates for a while: no longer counted
        await api.until(lambda: len(api.all("pods")) == 3)
        await api.patch(PODS, meta.name(second), {"status": {"phase": "Failed"}}, "default", subresource="status")
        await api.until(lambda: len(api.all("pods")) == 4)


async def test_orphans_are_adopted_and_pods_that_change_their_label_released() -> None:
    api = FakeApi()
    loose = {"metadata": {"name": "loose", "namespace": "default", "labels": {"app": "kubia"}}, "spec": {}}
    await api.create(PODS, loose)
    async with controllers(api):
        await api.create(RCS, rc(replicas=2))
        await api.until(lambda: len(api.all("pods")) == 2 and meta.controller_of(api.find("pods", "loose") or {}))
        await api.patch(PODS, "loose", {"metadata": {"labels": {"app": "debug"}}}, "default")
        await api.until(lambda: len(api.all("pods")) == 3)
        assert meta.owner_references(api.find("pods", "loose") or {}) == []


async def test_what_refuses_pods_shows_in_status_and_few_are_tried() -> None:
    api = FakeApi()
    tries = 0

    def quota(verb: str, kind: Kind, obj: Obj) -> errors.ApiError | None:
        nonlocal tries
        if verb == "create" and kind is PODS:
            tries += 1
            return errors.Forbidden("exceeded quota")
        return None

    api.refuse = quota
    async with controllers(api):
        await api.create(RCS, rc(replicas=100))
        conditions = await api.until(lambda: status(api, "replicationcontrollers", "conditions"))
        assert (
            conditions[0].items()
            >= {
                "type": "ReplicaFailure",
                "status": "True",
                "reason": "FailedCreate",
                "message": "exceeded quota",
            }.items()
        )
        assert tries < 5
        api.refuse = lambda verb, kind, obj: None
        await api.until(lambda: len(api.all("pods")) == 100)
        await api.until(lambda: not status(api, "replicationcontrollers", "conditions"))


async def test_lost_watches_and_a_restart_change_nothing() -> None:
    api = FakeApi()
    async with controllers(api):
        await api.create(RCS, rc(replicas=20))
        await api.until(lambda: len(api.all("pods")) > 5)
        api.compact()
        await api.until(lambda: status(api, "replicationcontrollers", "replicas") == 20)
    async with controllers(api):
        await api.create(RCS, rc("other", replicas=1))
        await api.until(lambda: len(api.all("pods")) == 21)
    assert len(api.all("pods")) == 21
