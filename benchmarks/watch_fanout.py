"""Processor time of one pod event while 1,000 watchers select other nodes by ``spec.nodeName=``.

``python benchmarks/watch_fanout.py [EVENTS]``. In one process, without sockets: events go into the resource's ring, and
each watcher is a task that waits as the API server's watches do. "whole" is the same with watchers that are not indexed
and look at every event.
"""

from __future__ import annotations

import asyncio
import sys
import time

import machine
import orjson

from kubette.store import Event, Ring, Topic

WATCHERS = 1_000


def event(rev: int, node: str) -> Event:
    pod = {
        "metadata": {"name": "p", "namespace": "default", "labels": {f"l{n}": "v" for n in range(10)}},
        "spec": {"nodeName": node, "containers": [{"name": f"c{n}", "image": "i"} for n in range(10)]},
    }
    value = orjson.dumps(pod)
    return Event(rev, ("pods", "default", "p"), value, False, value, rev - 1)


async def watch(ring: Ring, topic: Topic | None, seen: list[int], selects: bytes) -> None:
    feed = ring.feed(0, topic)
    while True:
        if events := feed.take(256, 0):
            seen[0] += sum(orjson.loads(e.value)["spec"]["nodeName"].encode() == selects for e in events)
        else:
            await feed.wait(60)


async def measure(count: int, watchers: int, indexed: bool) -> float:
    """Microseconds an event; one further watcher selects the node of the events."""
    ring, seen = Ring(), [0]
    nodes = ["busy", *(f"node-{n}" for n in range(watchers))]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(watch(ring, ("spec.nodeName", n) if indexed else None, seen, n.encode()), name=n)
            for n in nodes
        ]
        await asyncio.sleep(0)
        events = [event(rev, "busy") for rev in range(1, count + 1)]
        start = time.process_time()
        for one in events:
            ring.push(one)
            ring.wake()
            while seen[0] < one.rev:  # noqa: ASYNC110 - turns of the loop are what is measured
                await asyncio.sleep(0)
        took = time.process_time() - start
        for task in tasks:
            task.cancel()
    return took / count * 1e6


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    print(machine.describe())
    for label, watchers, indexed, events in (
        ("no other watcher", 0, True, count), (f"{WATCHERS:,} selector watchers", WATCHERS, True, count),
        (f"{WATCHERS:,} whole watchers", WATCHERS, False, max(1, count // 50)),
    ):  # fmt: skip
        print(f"{label}: {asyncio.run(measure(events, watchers, indexed)):,.0f} µs an event")


if __name__ == "__main__":
    main()
