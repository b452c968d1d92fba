"""Lists and watches over time: what a revision means, what is too old, and how a client goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kubette.store import ring
from kubette.testing.apiserver import Api, serving

CM = "/api/v1/namespaces/default/configmaps"
KEPT = 20  # events, with a short history


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api


@pytest.fixture
def short_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "_MAX_EVENTS", KEPT)


def cm(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def fill(api: Api) -> None:
    """More writes than a short history keeps, to another namespace."""
    elsewhere = CM.replace("default", "kube-public")
    await asyncio.gather(*(api.ok("POST", elsewhere, cm(f"x{n}")) for n in range(KEPT + 1)))


async def test_a_chunk_of_a_list_that_is_too_old_comes_with_a_way_on(api: Api, short_history: None) -> None:
    for n in range(5):
        await api.ok("POST", CM, cm(f"c{n}"))
    page = await api.ok("GET", f"{CM}?limit=2")
    await api.ok("DELETE", f"{CM}/c3")
    await fill(api)
    code, status = await api.call("GET", f"{CM}?limit=2&continue={page['metadata']['continue']}")
    assert code == 410 and status["reason"] == "Expired"
    assert status["message"].startswith("The provided continue parameter is too old to display a consistent list")
    token = status["metadata"]["continue"]
    names = []
    while token:
        page = await api.ok("GET", f"{CM}?limit=1&continue={token}")
        names += [o["metadata"]["name"] for o in page["items"]]
        token = page["metadata"].get("continue")
    assert names == ["c2", "c4"], "the rest, of what there is now"


LIST_OPTIONS = {
    "resourceVersion=x": (400, "invalid syntax"),
    "resourceVersion=-1": (400, "invalid syntax"),
    "resourceVersion=99999999": (504, "Too large resource version: 99999999"),
    "limit=x": (400, 'strconv.ParseInt: parsing "x"'),
    "continue=x": (400, "continue key is not valid"),
    "continue=bnVsbA": (400, "continue key is not valid"),
    "resourceVersionMatch=Exact": (422, "forbidden unless resourceVersion is provided"),
    "resourceVersionMatch=Exact&resourceVersion=0": (422, 'is forbidden for resourceVersion "0"'),
    "resourceVersionMatch=No&resourceVersion=1": (422, 'Unsupported value: "No"'),
    "sendInitialEvents=true": (422, "sendInitialEvents is forbidden for list"),
    "watch=1&sendInitialEvents=true": (422, "requires setting resourceVersionMatch to NotOlderThan"),
    "watch=1&resourceVersionMatch=NotOlderThan": (422, "is forbidden for watch unless sendInitialEvents"),
    "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=99999999": (504, "Too large"),
    "fieldSelector=data.x%3D1": (400, '"data.x" is not a known field selector: only "metadata.name", "metadata.'),
    "labelSelector=!!": (400, "unable to parse requirement: found '!', expected: identifier"),
}


@pytest.mark.parametrize("query", LIST_OPTIONS)
async def test_list_options_that_make_no_sense(api: Api, query: str) -> None:
    code, status = await api.call("GET", f"{CM}?{query}")
    assert (code, LIST_OPTIONS[query][1] in status["message"]) == (LIST_OPTIONS[query][0], True), status


async def test_a_watch_from_too_long_ago_is_told_so(api: Api, short_history: None) -> None:
    rv = (await api.ok("GET", CM))["metadata"]["resourceVersion"]
    await fill(api)
    async with api.watch(f"{CM}?watch=1&resourceVersion={rv}") as events:
        error = await asyncio.wait_for(events.get(), 5)
    assert error["type"] == "ERROR" and error["object"]["code"] == 410 and error["object"]["reason"] == "Expired"
    assert error["object"]["message"].startswith(f"too old resource version: {rv} (")


async def test_who_reads_nothing_is_told_to_list_again_and_holds_no_memory(api: Api, short_history: None) -> None:
    rv = (await api.ok("GET", CM))["metadata"]["resourceVersion"]
    async with api.session.get(f"{api.url}{CM}?watch=1&resourceVersion={rv}") as slow:
        assert slow.status == 200
        big = "x" * 500_000
        await api.ok("POST", CM, cm("a", d=big))
        for n in range(4 * KEPT):  # far more than the buffers of two sockets
            await api.ok("PUT", f"{CM}/a", cm("a", d=big, n=str(n)))
        lines = [line async for line in slow.content.iter_chunked(1 << 20)]
        text = b"".join(lines)
    last = text.rstrip().rpartition(b"\n")[2]
    assert b'"type":"ERROR"' in last and b"too old resource version" in last
    assert text.count(b'"type":"MODIFIED"') < 4 * KEPT


async def test_a_watch_of_one_node_sees_pods_come_and_go(api: Api) -> None:
    """An object that leaves the selection is DELETED to the watcher, whichever field indexes the watch."""
    events_path = "/api/v1/namespaces/default/events"
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"}, "type": "Normal",
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}, "reason": "R", "message": "m",
    }  # fmt: skip
    rv = (await api.ok("GET", CM))["metadata"]["resourceVersion"]
    about = f"{events_path}?watch=1&resourceVersion={rv}&fieldSelector=involvedObject.name="
    async with api.watch(about + "p") as before, api.watch(about + "q") as after:
        created = await api.ok("POST", events_path, event)
        created["involvedObject"]["name"] = "q"
        await api.ok("PUT", f"{events_path}/e", created)
        await api.ok("DELETE", f"{events_path}/e")
        seen = [[(await asyncio.wait_for(w.get(), 20))["type"] for _ in range(2)] for w in (before, after)]
    assert seen == [["ADDED", "DELETED"], ["ADDED", "DELETED"]]
