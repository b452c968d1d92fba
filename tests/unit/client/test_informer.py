"""What an informer tells its subscribers, whatever the watch does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from kubette.api.errors import Expired, ServiceUnavailable
from kubette.api.kinds import Kind, resource
from kubette.client.informer import Informer

Obj = dict[str, Any]
PODS = resource("pods")


def pod(name: str, version: int) -> Obj:
    return {"metadata": {"name": name, "namespace": "x", "resourceVersion": str(version)}}


def _version(obj: Obj | None) -> str | None:
    return str(obj["metadata"]["resourceVersion"]) if obj else None


class Script:
    """A server that answers as told: lists in turn, then watches in turn; then silence."""

    def __init__(self, lists: list[tuple[int, list[Obj]]], watches: list[list[Any]]) -> None:
        self.lists, self.watches, self.since = lists, watches, [""]

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Obj:
        version, items = self.lists.pop(0)
        return {"metadata": {"resourceVersion": str(version)}, "items": items}

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> AsyncIterator[tuple[str, Obj]]:
        self.since.append(resource_version)
        if not self.watches:
            await asyncio.Event().wait()
        for step in self.watches.pop(0):
            if isinstance(step, Exception):
                raise step
            yield step


async def _follow(script: Script, until: int) -> tuple[list[tuple[str, str | None, str | None]], Informer[Obj]]:
    told: list[tuple[str, str | None, str | None]] = []
    done = asyncio.Event()

    def handler(key: tuple[str, str], old: Obj | None, new: Obj | None) -> None:
        told.append((key[1], _version(old), _version(new)))
        if len(told) == until:
            done.set()

    informer: Informer[Obj] = Informer(script, PODS)
    informer.subscribe(handler)
    task = asyncio.create_task(informer.run(), name="informer")
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return told, informer


async def test_list_then_changes_in_order() -> None:
    changes = [("ADDED", pod("b", 6)), ("MODIFIED", pod("a", 7)), ("DELETED", pod("b", 8))]
    script = Script([(5, [pod("a", 3)])], [changes])
    told, informer = await _follow(script, 4)
    assert told == [("a", None, "3"), ("b", None, "6"), ("a", "3", "7"), ("b", "6", None)]
    assert informer.items[("x", "a")]["kind"] == "Pod"


async def test_a_watch_that_is_too_old_is_replaced_by_the_difference_to_a_new_list() -> None:
    script = Script(
        [(5, [pod("a", 3), pod("b", 4)]), (20, [pod("b", 4), pod("c", 19)])],
        [[("BOOKMARK", pod("", 9)), ServiceUnavailable("broke")], [Expired("too old")]],
    )
    told, _ = await _follow(script, 4)
    assert told == [("a", None, "3"), ("b", None, "4"), ("c", None, "19"), ("a", "3", None)]
    assert script.since[:3] == ["", "5", "9"], "a broken watch goes on from the bookmark"


async def test_one_subscriber_that_fails_does_not_stop_the_others() -> None:
    script = Script([(5, [pod("a", 3)])], [])
    informer: Informer[str] = Informer(script, PODS, transform=lambda obj: obj["metadata"]["name"])
    seen: list[str | None] = []
    informer.subscribe(lambda key, old, new: 1 // 0)  # type: ignore[arg-type]
    informer.subscribe(lambda key, old, new: seen.append(new))
    task = asyncio.create_task(informer.run(), name="informer")
    await asyncio.wait_for(informer.wait_synced(), 5)
    task.cancel()
    assert seen == ["a"]


async def test_ones_own_writes_are_seen_at_once_and_only_once() -> None:
    script = Script([(5, [])], [[("ADDED", pod("a", 6))]])
    told, informer = await _follow(script, 1)
    informer.learn(pod("b", 7))
    informer.learn(pod("a", 6))  # the watch was here before
    informer.learn(pod("gone", 4))
    assert {name: o["metadata"]["resourceVersion"] for (_, name), o in informer.items.items()} == {"a": "6", "b": "7"}
    assert told == [("a", None, "6"), ("b", None, "7")]
    again = Script([], [[("ADDED", pod("b", 7)), ("MODIFIED", pod("b", 8))]])
    informer._client = again
    changed = asyncio.Event()
    informer.subscribe(lambda key, old, new: changed.set() if old is not None else None)
    task = asyncio.create_task(informer.run(), name="informer")
    await asyncio.wait_for(changed.wait(), 5)
    task.cancel()
    assert told[2:] == [("b", "7", "8")]
