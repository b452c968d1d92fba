"""What the fake API and the real one must agree on, for the controllers' stories on the fake to mean anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from kubette.api import errors, meta
from kubette.api.kinds import Kind, resource
from kubette.client.config import ClientConfig
from kubette.client.http import Client
from kubette.client.interface import Api
from kubette.testing.apiserver import serving
from kubette.testing.fakeapi import FakeApi

Obj = dict[str, Any]
MAPS, PODS, RCS, NAMESPACES = (resource(k) for k in ("configmaps", "pods", "replicationcontrollers", "namespaces"))


@pytest.fixture(params=["fake", "real"])
async def api(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Api]:
    if request.param == "fake":
        yield FakeApi()
        return
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path))
        pair = server.pki.client("admin")
        config = ClientConfig(
            server.url, ca=server.pki.ca.cert.read_text(), cert=pair.cert.read_text(), key=pair.key.read_text()
        )
        client = await stack.enter_async_context(Client(config))
        account = {"metadata": {"name": "default", "namespace": "default"}}
        await client.create(resource("serviceaccounts"), _typed(resource("serviceaccounts"), account))
        yield client


def _typed(kind: Kind, obj: Obj) -> Obj:
    return {"apiVersion": kind.api_version, "kind": kind.kind, **obj}


def cm(name: str, **m: Any) -> Obj:
    return _typed(MAPS, {"metadata": {"name": name, "namespace": "default", **m}, "data": {"k": "1"}})


def pod(name: str, **spec: Any) -> Obj:
    containers = [{"name": "c", "image": "kubia"}]
    return _typed(
        PODS, {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": containers, **spec}}
    )


async def test_names_revisions_and_conflicts(api: Api) -> None:
    made = await api.create(MAPS, cm("a"))
    with pytest.raises(errors.AlreadyExists):
        await api.create(MAPS, cm("a"))
    named = await api.create(MAPS, _typed(MAPS, {"metadata": {"generateName": "x-", "namespace": "default"}}))
    assert meta.name(named).startswith("x-") and len(meta.name(named)) == 7
    changed = await api.update(MAPS, {**made, "data": {"k": "2"}})
    assert int(meta.resource_version(changed)) > int(meta.resource_version(named))
    with pytest.raises(errors.Conflict):
        await api.update(MAPS, {**made, "data": {"k": "3"}})
    same = await api.update(MAPS, changed)
    assert meta.resource_version(same) == meta.resource_version(changed), "nothing changed, nothing written"
    with pytest.raises(errors.Invalid) as other:
        await api.patch(MAPS, "a", {"metadata": {"uid": "other"}, "data": {"k": "4"}}, "default")
    assert errors.other_uid(other.value)
    with pytest.raises(errors.Conflict):
        await api.delete(MAPS, "a", "default", uid="other")
    await api.delete(MAPS, "a", "default", uid=meta.uid(made))
    with pytest.raises(errors.NotFound):
        await api.get(MAPS, "a", "default")


async def test_spec_and_status_are_written_apart_and_only_spec_counts_as_a_generation(api: Api) -> None:
    labels = {"app": "kubia"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "kubia"}]}}
    spec = {"replicas": 1, "selector": labels, "template": template}
    rc = _typed(RCS, {"metadata": {"name": "rc", "namespace": "default"}, "spec": spec, "status": {"replicas": 9}})
    made = await api.create(RCS, rc)
    assert made["metadata"]["generation"] == 1
    assert (made.get("status") or {}).get("replicas", 0) == 0
    told = await api.patch(
        RCS, "rc", {"status": {"replicas": 1}, "spec": {"replicas": 7}}, "default", subresource="status"
    )
    assert (told["status"]["replicas"], told["spec"]["replicas"], told["metadata"]["generation"]) == (1, 1, 1)
    scaled = await api.patch(RCS, "rc", {"spec": {"replicas": 3}}, "default", subresource="scale")
    assert scaled["spec"]["replicas"] == 3
    now = await api.get(RCS, "rc", "default")
    assert (now["spec"]["replicas"], now["status"]["replicas"], now["metadata"]["generation"]) == (3, 1, 2)


async def test_owners_are_added_and_taken_out_by_uid(api: Api) -> None:
    refs = [{"apiVersion": "v1", "kind": "ConfigMap", "name": n, "uid": n} for n in "xy"]
    made = await api.create(MAPS, cm("a", ownerReferences=[refs[0]]))
    change: Obj = {"metadata": {"uid": meta.uid(made), "ownerReferences": [refs[1]]}}
    both = await api.patch(MAPS, "a", change, "default", type="strategic")
    assert {r["uid"] for r in meta.owner_references(both)} == {"x", "y"}
    change["metadata"]["ownerReferences"] = [{"$patch": "delete", "uid": "x"}]
    one = await api.patch(MAPS, "a", change, "default", type="strategic")
    assert [r["uid"] for r in meta.owner_references(one)] == ["y"]


async def test_finalizers_and_propagation_hold_an_object_that_was_deleted(api: Api) -> None:
    await api.create(MAPS, cm("a", finalizers=["example.com/x"]))
    await api.delete(MAPS, "a", "default", propagation="Foreground")
    held = await api.get(MAPS, "a", "default")
    assert meta.deleting(held)
    assert set(held["metadata"]["finalizers"]) == {"example.com/x", "foregroundDeletion"}
    change = {"metadata": {"resourceVersion": meta.resource_version(held), "finalizers": None}}
    await api.patch(MAPS, "a", change, "default")
    with pytest.raises(errors.NotFound):
        await api.get(MAPS, "a", "default")


async def test_a_pod_that_has_a_node_ends_gracefully_and_one_without_at_once(api: Api) -> None:
    await api.create(PODS, pod("waits"))
    await api.delete(PODS, "waits", "default")
    with pytest.raises(errors.NotFound):
        await api.get(PODS, "waits", "default")
    made = await api.create(PODS, pod("bound"))
    target = {"apiVersion": "v1", "kind": "Node", "name": "node-1"}
    m = {"name": "bound", "namespace": "default", "uid": meta.uid(made)}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": m, "target": target}
    await api.create(PODS, binding, "default", name="bound", subresource="binding")
    with pytest.raises(errors.Conflict):
        await api.create(PODS, binding, "default", name="bound", subresource="binding")
    placed = await api.get(PODS, "bound", "default")
    assert placed["spec"]["nodeName"] == "node-1"
    assert (meta.condition(placed, "PodScheduled") or {})["status"] == "True"
    await api.delete(PODS, "bound", "default")
    ending = await api.get(PODS, "bound", "default")
    assert (meta.deleting(ending), ending["metadata"]["deletionGracePeriodSeconds"]) == (True, 30)
    await api.delete(PODS, "bound", "default", grace_seconds=0)
    with pytest.raises(errors.NotFound):
        await api.get(PODS, "bound", "default")


async def test_watches_tell_what_came_into_view_and_went_out_of_it(api: Api) -> None:
    start = await api.list(MAPS, "default", label_selector="app=x")
    seen: list[tuple[str, str]] = []

    async def follow() -> None:
        version = start["metadata"]["resourceVersion"]
        async for type_, obj in api.watch(MAPS, "default", resource_version=version, label_selector="app=x"):
            if type_ != "BOOKMARK":
                seen.append((type_, (obj.get("data") or {}).get("k", "")))
            if type_ == "DELETED":
                return

    task = asyncio.create_task(follow(), name="watch")
    await api.create(MAPS, cm("a"))
    await api.patch(MAPS, "a", {"metadata": {"labels": {"app": "x"}}}, "default")
    await api.patch(MAPS, "a", {"data": {"k": "2"}}, "default")
    await api.patch(MAPS, "a", {"metadata": {"labels": {"app": None}}}, "default")
    await asyncio.wait_for(task, 10)
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


async def test_a_namespace_that_ends_takes_nothing_new_and_goes_when_it_is_finalized(api: Api) -> None:
    await api.create(NAMESPACES, _typed(NAMESPACES, {"metadata": {"name": "x"}}))
    await api.delete(NAMESPACES, "x")
    ending = await api.get(NAMESPACES, "x")
    assert ending["status"]["phase"] == "Terminating"
    with pytest.raises(errors.Forbidden) as refused:
        await api.create(MAPS, {**cm("a"), "metadata": {"name": "a", "namespace": "x"}})
    causes = (refused.value.details or {}).get("causes") or []
    assert [c["reason"] for c in causes] == ["NamespaceTerminating"]
    ending["spec"]["finalizers"] = []
    await api.update(NAMESPACES, ending, subresource="finalize")
    with pytest.raises(errors.NotFound):
        await api.get(NAMESPACES, "x")
