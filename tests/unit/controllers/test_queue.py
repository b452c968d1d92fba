"""What a work queue promises: one worker a key, nothing lost, failures again and later."""

from __future__ import annotations

import asyncio
import itertools

from kubette.api.errors import Conflict
from kubette.controllers.expectations import Expectations
from kubette.controllers.queue import WorkQueue, retry_delay


async def test_a_key_is_worked_on_by_one_at_a_time_and_once_more_when_it_was_added_meanwhile() -> None:
    running: set[str] = set()
    runs: list[str] = []
    go, done = asyncio.Event(), asyncio.Event()

    async def work(key: str) -> None:
        assert key not in running
        running.add(key)
        await go.wait()
        running.discard(key)
        runs.append(key)
        if len(runs) == 3:
            done.set()

    queue: WorkQueue[str] = WorkQueue("test", work)
    for key in ("a", "a", "b"):
        queue.add(key)
    assert not running, "nothing runs before the start"
    queue.start()
    await asyncio.sleep(0)
    assert running == {"a", "b"}
    for _ in range(5):
        queue.add("a")
    go.set()
    await asyncio.wait_for(done.wait(), 5)
    assert sorted(runs) == ["a", "a", "b"]
    await asyncio.sleep(0)
    assert queue.idle
    await queue.stop()


async def test_a_failure_is_tried_again_and_a_promise_kept() -> None:
    tries: list[float] = []
    done = asyncio.Event()

    async def work(key: str) -> float | None:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) < 4:
            raise Conflict("stale")
        if len(tries) == 4:
            return 0.01
        done.set()
        return None

    queue: WorkQueue[str] = WorkQueue("test", work)
    queue.start()
    queue.add("a")
    await asyncio.wait_for(done.wait(), 5)
    gaps = [b - a for a, b in itertools.pairwise(tries)]
    assert all(gap > 0.009 * 2**n for n, gap in enumerate(gaps[:3])), gaps  # it grows; a busy machine adds to it
    await queue.stop()


def test_a_key_is_tried_again_however_often_it_failed() -> None:
    assert [retry_delay(n) for n in (0, 1, 2)] == [0.01, 0.02, 0.04]
    assert retry_delay(12) == retry_delay(1024) == retry_delay(10**9) == 30.0


async def test_the_earliest_of_several_promises_counts() -> None:
    seen: list[float] = []
    done = asyncio.Event()

    async def work(key: str) -> None:
        seen.append(asyncio.get_running_loop().time())
        done.set()

    queue: WorkQueue[str] = WorkQueue("test", work)
    queue.start()
    start = asyncio.get_running_loop().time()
    queue.add_after("a", 60)
    queue.add_after("a", 0.02)
    queue.add_after("a", 30)
    await asyncio.wait_for(done.wait(), 5)
    assert seen[0] - start < 1
    await queue.stop()


def test_expectations_hold_a_controller_back_until_the_informer_has_caught_up_or_long_enough() -> None:
    now = [0.0]
    expected = Expectations(lambda: now[0])
    assert expected.satisfied("k")
    expected.expect_creations("k", 2)
    expected.expect_deletion("k", "u")
    expected.created("k", 2)
    assert not expected.satisfied("k")
    expected.deleted("k", "u")
    assert expected.satisfied("k")
    expected.expect_creations("k", 1)
    now[0] = 61
    assert expected.satisfied("k"), "what never shows up is forgotten"
