"""What becomes of dependents when their owner goes: in the background, in the foreground, orphaned; on the fake API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kubette.api import meta
from kubette.api.kinds import resource
from kubette.controllers import ControllersConfig, garbagecollector, run
from kubette.testing.fakeapi import FakeApi

Obj = dict[str, Any]
MAPS, SECRETS = resource("configmaps"), resource("secrets")


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeApi]:
    monkeypatch.setattr(garbagecollector, "_START_DELAY", 0.0)
    monkeypatch.setattr(garbagecollector, "_STAGGER", 0.0)
    api = FakeApi()
    task = asyncio.create_task(run(api, ControllersConfig()), name="controllers")
    yield api
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def make(api: FakeApi, name: str, *owners: Obj, finalizers: tuple[str, ...] = ()) -> Obj:
    """A ConfigMap (or, dependent on others, a Secret)."""
    m: Obj = {"name": name, "namespace": "default", "finalizers": list(finalizers)}
    if owners:
        m["ownerReferences"] = [meta.owner_reference(o, controller=False) for o in owners]
    return await api.create(SECRETS if owners else MAPS, {"metadata": m})


async def test_dependents_go_with_their_last_owner_and_theirs_after_them(api: FakeApi) -> None:
    one, two = await make(api, "one"), await make(api, "two")
    child = await make(api, "child", one, two)
    await make(api, "grandchild", child)
    await api.delete(MAPS, "one", "default")
    await api.until(lambda: [o["name"] for o in meta.owner_references(api.find("secrets", "child") or {})] == ["two"])
    await api.delete(MAPS, "two", "default")
    await api.until(lambda: not api.all("secrets"))


async def test_a_reference_to_an_owner_that_never_was_is_no_reason_to_stay(api: FakeApi) -> None:
    ghost = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ghost", "uid": "nobody"}}
    await make(api, "child", ghost)
    await api.until(lambda: not api.all("secrets"))


async def test_an_owner_in_another_namespace_counts_for_nothing_and_the_dependent_is_told(api: FakeApi) -> None:
    elsewhere = await api.create(MAPS, {"metadata": {"name": "owner", "namespace": "elsewhere"}})
    await make(api, "child", elsewhere)
    await api.until(lambda: not api.all("secrets"))
    await api.create(
        resource("priorityclasses.scheduling.k8s.io"),
        {"metadata": {"name": "wide", "ownerReferences": [meta.owner_reference(elsewhere)]}, "value": 1},
    )
    uid = meta.uid(elsewhere)
    told = await api.until(lambda: len(e := api.all("events")) == 2 and e)
    assert [(e["involvedObject"]["name"], e["reason"], e["message"]) for e in told] == [
        (
            name,
            "OwnerRefInvalidNamespace",
            f'ownerRef [v1/ConfigMap, namespace: {ns}, name: owner, uid: {uid}] does not exist in namespace "{ns}"',
        )
        for name, ns in (("child", "default"), ("wide", ""))
    ]
    assert api.find("priorityclasses.scheduling.k8s.io", "wide")


async def test_in_the_foreground_the_owner_goes_last(api: FakeApi) -> None:
    owner = await make(api, "owner")
    await make(api, "child", owner, finalizers=("example.com/wait",))
    await api.delete(MAPS, "owner", "default", propagation="Foreground")
    await api.until(lambda: meta.deleting(api.find("secrets", "child") or {}))
    assert api.find("configmaps", "owner")
    await api.patch(SECRETS, "child", {"metadata": {"finalizers": None}}, "default")
    await api.until(lambda: api.find("configmaps", "owner") is None)
    assert not api.all("secrets")


async def test_orphans_stay_without_owner(api: FakeApi) -> None:
    owner = await make(api, "owner")
    await make(api, "child", owner)
    await api.delete(MAPS, "owner", "default", propagation="Orphan")
    await api.until(lambda: api.find("configmaps", "owner") is None)
    assert meta.owner_references(api.find("secrets", "child") or {"metadata": {"ownerReferences": [1]}}) == []


async def test_deleting_a_deployment_takes_its_sets_and_pods_along(api: FakeApi) -> None:
    labels = {"app": "kubia"}
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": []}},
    }
    deployments = resource("deployments.apps")
    await api.create(deployments, {"metadata": {"name": "kubia", "namespace": "default"}, "spec": spec})
    await api.until(lambda: len(api.all("pods")) == 2)
    await api.delete(deployments, "kubia", "default", propagation="Background")
    await api.until(lambda: not api.all("replicasets.apps") and not api.all("pods"))


async def dependents(api: FakeApi, *references: Obj) -> None:
    for number, reference in enumerate(references):
        m = {"name": f"child-{number}", "namespace": "default", "ownerReferences": [reference]}
        await api.create(SECRETS, {"metadata": m})


async def test_a_uid_under_another_name_or_kind_is_no_owner(api: FakeApi) -> None:
    owner = await make(api, "owner")
    await make(api, "namesake")
    right = meta.owner_reference(owner, controller=False)
    wrong = [{**right, "name": "namesake"}, {**right, "name": "nobody"}, {**right, "kind": "Secret"}]
    await dependents(api, right, *wrong)
    await api.until(lambda: [meta.name(o) for o in api.all("secrets")] == ["child-0"])
    assert api.find("configmaps", "owner"), "the wrong references say nothing about the owner"
    await api.delete(MAPS, "owner", "default")
    await api.until(lambda: not api.all("secrets"))


async def test_an_owner_named_by_another_served_version_is_the_same_object(api: FakeApi) -> None:
    scalers = resource("horizontalpodautoscalers.autoscaling")
    owner = await api.create(scalers, {"metadata": {"name": "owner", "namespace": "default"}, "spec": {}})
    other = {"autoscaling/v1": "autoscaling/v2", "autoscaling/v2": "autoscaling/v1"}[owner["apiVersion"]]
    ghost = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "nobody"}
    await dependents(api, {**meta.owner_reference(owner, controller=False), "apiVersion": other}, ghost)
    await api.until(lambda: api.find("secrets", "child-1") is None)
    assert api.find("secrets", "child-0")


async def ring(api: FakeApi, *names: str) -> None:
    """ConfigMaps of which each owns the next, and the last the first; each blocks its owner."""
    made = [await make(api, name) for name in names]
    for owned, owner in zip(made, [made[-1], *made[:-1]], strict=True):
        references = [meta.owner_reference(owner, controller=False)]
        await api.patch(MAPS, meta.name(owned), {"metadata": {"ownerReferences": references}}, "default")


async def test_a_circle_of_owners_goes_when_one_is_deleted_in_the_foreground(api: FakeApi) -> None:
    await ring(api, "a", "b", "c")
    await api.delete(MAPS, "a", "default", propagation="Foreground")
    await api.until(lambda: not api.all("configmaps"))


async def test_owners_that_wait_for_each_other_do_not_wait_for_ever(api: FakeApi) -> None:
    await ring(api, "a", "b")
    await asyncio.gather(*(api.delete(MAPS, name, "default", propagation="Foreground") for name in ("a", "b")))
    await api.until(lambda: not api.all("configmaps"))


async def test_what_changes_while_it_is_judged_is_judged_again(api: FakeApi) -> None:
    """The deletion holds only for the owners that were looked at: an owner that comes meanwhile saves the object."""
    keeper, owner = await make(api, "keeper"), await make(api, "owner")
    await make(api, "child", owner)
    get = api.get

    async def get_and_adopt(kind: Any, name: str, namespace: str | None = None) -> Obj:
        found = await get(kind, name, namespace)
        if name == "child" and not meta.deleting(found) and len(meta.owner_references(found)) == 1:
            references = [*meta.owner_references(found), meta.owner_reference(keeper, controller=False)]
            await api.patch(SECRETS, "child", {"metadata": {"ownerReferences": references}}, "default")
        return found

    api.get = get_and_adopt  # type: ignore[method-assign]
    await api.delete(MAPS, "owner", "default")
    names = lambda: [o["name"] for o in meta.owner_references(api.find("secrets", "child") or {})]  # noqa: E731
    await api.until(lambda: names() == ["keeper"])
    assert ("delete", "secrets", "child") not in api.writes
