"""Feeds of a resource's events: what reaches a feed of one topic, and what a slow one gets."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from kubette.store import ring as ring_module
from kubette.store.ring import Compacted, Event, Feed, Ring


def pod(node: str | None, name: str = "a") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"nodeName": node} if node else {}}


class World:
    """A ring that is written to one revision after the other."""

    def __init__(self) -> None:
        self.ring, self.rev = Ring(), 0

    def push(
        self, now: dict[str, Any] | None, before: dict[str, Any] | None = None, namespace: str = "default"
    ) -> None:
        self.rev += 1
        either = now or before
        assert either is not None
        key = ("pods", namespace, either["metadata"]["name"])
        prev = orjson.dumps(before) if before else None
        self.ring.push(Event(self.rev, key, orjson.dumps(either), now is None, prev, self.rev - 1 if prev else 0))

    def taken(self, feed: Feed) -> list[int]:
        return [event.rev for event in feed.take(100, self.rev)]


async def test_an_event_reaches_the_feeds_of_the_value_before_and_after() -> None:
    world = World()
    one, two, none = (world.ring.feed(0, ("spec.nodeName", node)) for node in ("n1", "n2", ""))
    whole = world.ring.feed(0)
    world.push(pod(None))
    world.push(pod("n1"), pod(None))
    world.push(pod("n2"), pod("n1"))
    world.push(None, pod("n2"))
    assert world.taken(one) == [2, 3]
    assert world.taken(two) == [3, 4]
    assert world.taken(none) == [1, 2]
    assert world.taken(whole) == [1, 2, 3, 4]


async def test_feeds_of_names_and_namespaces() -> None:
    world = World()
    feeds = [world.ring.feed(0, topic) for topic in (("metadata.name", "b"), ("metadata.namespace", "other"))]
    world.push(pod("n", "a"))
    world.push(pod("n", "b"), namespace="other")
    world.push(pod("n", "c"), namespace="other")
    assert [world.taken(feed) for feed in feeds] == [[2], [2, 3]]


async def test_only_feeds_of_the_topic_wake() -> None:
    world = World()
    one, two = (world.ring.feed(0, ("spec.nodeName", node)) for node in ("n1", "n2"))
    world.push(pod("n1"))
    await one.wait(60)
    await two.wait(0)
    assert (world.taken(one), world.taken(two)) == ([1], [])


async def test_a_feed_begins_with_all_that_came_after_its_revision() -> None:
    world = World()
    for _ in range(3):
        world.push(pod("n1"))
    assert world.taken(world.ring.feed(1, ("spec.nodeName", "n2"))) == [2, 3]  # the reader filters


async def test_an_idle_feed_outlives_compaction_and_a_slow_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "_MAX_EVENTS", 10)
    world = World()
    slow, idle = (world.ring.feed(0, ("spec.nodeName", node)) for node in ("n1", "n2"))
    for _ in range(30):
        world.push(pod("n1"))
    with pytest.raises(Compacted):
        slow.take(100, world.rev)
    assert world.taken(idle) == []
    with pytest.raises(Compacted):
        world.ring.feed(1, ("spec.nodeName", "n2"))


async def test_a_closed_feed_leaves_nothing_behind() -> None:
    ring = Ring()
    feeds = [ring.feed(0, ("spec.nodeName", node)) for node in ("n1", "n1", "n2")]
    for feed in feeds:
        feed.close()
    assert ring._topics == {}


async def test_an_object_that_cannot_be_read_reaches_every_feed() -> None:
    ring = Ring()
    feed = ring.feed(0, ("spec.nodeName", "n1"))
    ring.push(Event(1, ("pods", "default", "a"), b"{", False, None, 0))
    assert len(feed.take(10, 1)) == 1
