"""A DaemonSet's life on the fake API: a pod on each node that suits, replaced step by step, and set back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kubette.api import errors, meta
from kubette.api.kinds import resource
from kubette.controllers import ControllersConfig, daemonset, run
from kubette.controllers.daemonplan import node_of
from kubette.controllers.revisions import hash_of
from kubette.testing.fakeapi import FakeApi

Obj = dict[str, Any]
PODS, NODES, SETS, REVISIONS = (
    resource(k) for k in ("pods", "nodes", "daemonsets.apps", "controllerrevisions.apps")
)


class World:
    """Binds and runs each pod at once, unless its image is broken, and lets go who is deleted."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.fewest = 0  # ready pods since that was last set

    async def run(self) -> None:
        while True:
            for pod in self.api.all("pods"):
                try:
                    await self._look(pod)
                except errors.ApiError:
                    pass  # it has changed meanwhile
            self.fewest = min(self.fewest, len(self.ready()))
            await asyncio.sleep(0)

    async def _look(self, pod: Obj) -> None:
        name, image = meta.name(pod), pod["spec"]["containers"][0]["image"]
        if meta.deleting(pod):
            await self.api.delete(PODS, name, "default", grace_seconds=0)
        elif not pod["spec"].get("nodeName"):
            await self.api.patch(PODS, name, {"spec": {"nodeName": node_of(pod)}}, "default")
        elif pod["status"].get("phase", "Pending") == "Pending" and image != "broken":
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": meta.now()}
            status = {"phase": "Running", "conditions": [ready]}
            await self.api.patch(PODS, name, {"status": status}, "default", subresource="status")

    def ready(self) -> list[Obj]:
        return [p for p in self.api.all("pods") if p["status"].get("phase") == "Running" and not meta.deleting(p)]

    def on(self, image: str = "") -> Counter[str]:
        """Ready pods by node."""
        return Counter(
            p["spec"]["nodeName"] for p in self.ready() if image in ("", p["spec"]["containers"][0]["image"])
        )

    def status(self, field: str) -> Any:
        return ((self.api.find("daemonsets.apps", "log") or {}).get("status") or {}).get(field)

    def done(self, nodes: int) -> bool:
        """What ``kubectl rollout status`` waits for."""
        obj = self.api.find("daemonsets.apps", "log") or {}
        return (
            self.status("observedGeneration") == obj["metadata"]["generation"]
            and self.status("updatedNumberScheduled") == self.status("desiredNumberScheduled") == nodes
            and self.status("numberAvailable") == nodes
            and len(self.api.all("pods")) == nodes
        )

    async def node(self, name: str, *taints: Obj, **labels: str) -> None:
        made = {"metadata": {"name": name, "labels": labels}, "spec": {"taints": list(taints)}}
        ready = {"type": "Ready", "status": "True"}
        await self.api.create(NODES, made)
        await self.api.patch(NODES, name, {"status": {"conditions": [ready]}}, subresource="status")

    async def create(self, selector: dict[str, str] | None = None, **spec: Any) -> None:
        labels = {"app": "log"}
        pod: Obj = {"containers": [{"name": "c", "image": "v1"}], "nodeSelector": selector or {}}
        template = {"metadata": {"labels": labels}, "spec": pod}
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
        spec = {"selector": {"matchLabels": labels}, "template": template, "updateStrategy": rolling, **spec}
        await self.api.create(SETS, {"metadata": {"name": "log", "namespace": "default"}, "spec": spec})

    async def image(self, image: str) -> None:
        change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
        await self.api.patch(SETS, "log", change, "default", type="strategic")


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(daemonset, "_FIRST_PAUSE", 0.01)
    world = World()
    tasks = [
        asyncio.create_task(run(world.api, ControllersConfig()), name="controllers"),
        asyncio.create_task(world.run(), name="nodes"),
    ]
    yield world
    for task in tasks:
        assert not task.done(), task
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_each_node_that_suits_has_one_and_nodes_come_and_go(world: World) -> None:
    api = world.api
    for name in ("a", "b"):
        await world.node(name, disk="ssd")
    await world.node("c", disk="hdd")
    await world.node("d", {"key": "k", "effect": "NoSchedule"}, disk="ssd")
    await world.create({"disk": "ssd"})
    await api.until(lambda: world.done(2))
    assert world.on() == {"a": 1, "b": 1}
    await world.node("e", disk="ssd")
    await api.until(lambda: world.on() == {"a": 1, "b": 1, "e": 1})
    await api.patch(NODES, "a", {"metadata": {"labels": {"disk": "hdd"}}})
    await api.until(lambda: world.on() == {"b": 1, "e": 1})
    await api.patch(NODES, "b", {"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}})
    await api.until(lambda: world.status("numberMisscheduled") == 1)
    assert world.on() == {"b": 1, "e": 1}, "who runs may stay"
    await api.patch(NODES, "b", {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}})
    await api.until(lambda: world.on() == {"e": 1})
    await api.patch(NODES, "e", {"spec": {"unschedulable": True}})
    await api.until(lambda: any(t["key"].endswith("unschedulable") for t in api.all("nodes")[-1]["spec"]["taints"]))
    pod = world.ready()[0]
    await api.delete(PODS, meta.name(pod), "default")
    await api.until(lambda: world.on() == {"e": 1} and meta.name(world.ready()[0]) != meta.name(pod))


async def test_a_rollout_takes_one_node_at_a_time_has_a_history_and_can_be_undone(world: World) -> None:
    api = world.api
    for name in "abcd":
        await world.node(name)
    await world.create(revisionHistoryLimit=1)
    await api.until(lambda: world.done(4))
    world.fewest = 4
    await world.image("v2")
    await api.until(lambda: world.done(4) and world.on("v2").total() == 4)
    assert world.fewest == 3
    first, second = sorted(api.all("controllerrevisions.apps"), key=lambda r: r["revision"])
    assert (first["revision"], second["revision"]) == (1, 2)
    assert {hash_of(p) for p in world.ready()} == {hash_of(second)}
    old = first["data"]["spec"]["template"]["spec"]["containers"][0]["image"]
    await world.image(old)  # what `rollout undo` does
    await api.until(lambda: world.done(4) and world.on("v1").total() == 4)
    assert sorted((r["revision"], hash_of(r)) for r in api.all("controllerrevisions.apps")) == [
        (2, hash_of(second)),
        (3, hash_of(first)),
    ]
    await world.image("v3")
    await api.until(lambda: world.done(4) and len(api.all("controllerrevisions.apps")) == 2)
    assert {r["revision"] for r in api.all("controllerrevisions.apps")} == {3, 4}


async def test_a_broken_template_costs_one_node(world: World) -> None:
    api = world.api
    for name in "abc":
        await world.node(name)
    await world.create()
    await api.until(lambda: world.done(3))
    await world.image("broken")
    await api.until(lambda: world.status("updatedNumberScheduled") == 1 and world.status("numberUnavailable") == 1)
    await world.image("v2")
    await api.until(lambda: world.done(3) and world.on("v2").total() == 3)


async def test_with_surge_the_new_pod_comes_before_the_old_one_goes(world: World) -> None:
    api = world.api
    for name in "abc":
        await world.node(name)
    surging = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    await world.create(updateStrategy=surging)
    await api.until(lambda: world.done(3))
    world.fewest = 3
    await world.image("v2")
    await api.until(lambda: world.done(3) and world.on("v2").total() == 3)
    assert world.fewest == 3


async def test_on_delete_nobody_is_replaced_unasked(world: World) -> None:
    api = world.api
    for name in "ab":
        await world.node(name)
    await world.create(updateStrategy={"type": "OnDelete"})
    await api.until(lambda: world.done(2))
    await world.image("v2")
    await api.until(lambda: world.status("observedGeneration") == 2 and not world.status("updatedNumberScheduled"))
    assert world.on("v1") == {"a": 1, "b": 1}
    await api.delete(PODS, meta.name(world.ready()[0]), "default")
    await api.until(lambda: world.on("v2").total() == 1 and world.on("v1").total() == 1)


async def test_a_pod_that_ended_is_told_of_and_replaced(world: World) -> None:
    api = world.api
    await world.node("a")
    await world.create()
    await api.until(lambda: world.done(1))
    pod = world.ready()[0]
    await api.patch(PODS, meta.name(pod), {"status": {"phase": "Failed"}}, "default", subresource="status")
    await api.until(lambda: world.done(1) and [meta.name(p) for p in world.ready()] != [meta.name(pod)])
    words = f"Found failed daemon pod default/{meta.name(pod)} on node a, will try to kill it"
    await api.until(lambda: ("FailedDaemonPod", words) in {(e["reason"], e["message"]) for e in api.all("events")})
