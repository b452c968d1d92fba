"""How things end: pods with grace, namespaces with content, events with age. And the formats clients speak."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from kubette.api import protobuf
from kubette.api.kinds import resource
from kubette.apiserver import bootstrap, writes
from kubette.apiserver.expiry import Expiry
from kubette.apiserver.objects import Objects
from kubette.store import SqliteLog, Store
from kubette.testing.apiserver import Api, serving

NS = "/api/v1/namespaces/default"
PROTOBUF = "application/vnd.kubernetes.protobuf"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await api.ok("POST", f"{NS}/serviceaccounts", account)
        yield api


def pod(name: str, **spec: Any) -> dict[str, Any]:
    body = {"containers": [{"name": "c", "image": "x"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}


async def test_a_running_pod_is_given_its_grace(api: Api) -> None:
    await api.ok("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    await api.ok("POST", f"{NS}/pods", pod("p", nodeName="n", terminationGracePeriodSeconds=20))
    marked = await api.ok("DELETE", f"{NS}/pods/p")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 20
    again = await api.ok("DELETE", f"{NS}/pods/p", {"gracePeriodSeconds": 50})
    assert again["metadata"]["deletionTimestamp"] == marked["metadata"]["deletionTimestamp"]
    shorter = await api.ok("DELETE", f"{NS}/pods/p", {"gracePeriodSeconds": 5})
    assert shorter["metadata"]["deletionTimestamp"] < marked["metadata"]["deletionTimestamp"]
    # The agent's last word: zero grace, for this very pod.
    uid = marked["metadata"]["uid"]
    await api.ok("DELETE", f"{NS}/pods/p", {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})
    assert (await api.call("GET", f"{NS}/pods/p"))[0] == 404


async def test_an_unscheduled_pod_goes_at_once(api: Api) -> None:
    await api.ok("POST", f"{NS}/pods", pod("p"))
    await api.ok("DELETE", f"{NS}/pods/p")
    assert (await api.call("GET", f"{NS}/pods/p"))[0] == 404


async def test_empty_collections_in_metadata_are_nothing(api: Api) -> None:
    empty = {"labels": {}, "annotations": {}, "finalizers": [], "ownerReferences": []}
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "u-1"}
    made = {**pod("p"), "metadata": {"name": "p", **empty, "ownerReferences": [owner]}}
    assert not empty.keys() - {"ownerReferences"} & (await api.ok("POST", f"{NS}/pods", made))["metadata"].keys()
    gone = {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "u-1"}]}}
    strategic = "application/strategic-merge-patch+json"
    freed = await api.ok("PATCH", f"{NS}/pods/p", gone, content_type=strategic)
    assert "ownerReferences" not in freed["metadata"]


async def test_a_namespace_waits_for_its_finalizer(api: Api) -> None:
    spec = {"finalizers": ["kubernetes"]}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}, "spec": spec}
    await api.ok("POST", "/api/v1/namespaces", body)
    marked = await api.ok("DELETE", "/api/v1/namespaces/x")
    assert marked["status"]["phase"] == "Terminating"
    status, error = await api.call(
        "POST", "/api/v1/namespaces/x/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    )
    assert status == 403 and "because it is being terminated" in error["message"]
    assert error["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    marked["spec"]["finalizers"] = []
    await api.ok("PUT", "/api/v1/namespaces/x/finalize", marked)
    assert (await api.call("GET", "/api/v1/namespaces/x"))[0] == 404
    status, error = await api.call("DELETE", "/api/v1/namespaces/kube-system")
    assert status == 403 and "this namespace may not be deleted" in error["message"]


async def test_protobuf_in_and_out_and_tables(api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}}
    data = protobuf.encode_envelope(body)
    made = await api.ok("POST", f"{NS}/configmaps", data, content_type=PROTOBUF, accept=f"{PROTOBUF},application/json")
    assert made["data"] == {"k": "v"}
    raw = await api.ok("GET", f"{NS}/configmaps/c", accept=PROTOBUF)
    assert protobuf.decode_envelope(raw)["data"] == {"k": "v"}
    raw = await api.ok("GET", f"{NS}/configmaps", accept=PROTOBUF)
    assert protobuf.decode_envelope(raw)["items"][0]["metadata"]["name"] == "c"
    table = await api.ok("GET", f"{NS}/configmaps", accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [c["name"] for c in table["columnDefinitions"]][:2] == ["Name", "Data"]
    assert table["rows"][0]["cells"][:2] == ["c", 1]
    partial = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    part = await api.ok("GET", f"{NS}/configmaps/c", accept=partial)
    assert part["kind"] == "PartialObjectMetadata" and "data" not in part
    text = await api.ok("GET", f"{NS}/configmaps/c", accept="application/yaml")
    assert b"k: v\n" in text
    assert (await api.call("GET", f"{NS}/configmaps/c", accept="image/png"))[0] == 406


async def test_events_are_one_thing_under_two_names(api: Api) -> None:
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "reason": "Pulled", "message": "words",
        "type": "Normal", "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
    }  # fmt: skip
    await api.ok("POST", f"{NS}/events", event)
    new = await api.ok("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e")
    assert (new["note"], new["regarding"]["name"], new["apiVersion"]) == ("words", "p", "events.k8s.io/v1")
    new["series"] = {"count": 2, "lastObservedTime": "2030-01-01T00:00:00.000000Z"}
    await api.ok("PUT", "/apis/events.k8s.io/v1/namespaces/default/events/e", new)
    old = await api.ok("GET", f"{NS}/events/e")
    assert (old["message"], old["series"]["count"]) == ("words", 2)


async def test_old_events_expire(tmp_path: Path) -> None:
    store = Store(SqliteLog(tmp_path / "state.db"))
    await store.start()
    objects, kind, now = Objects(store), resource("events"), [0.0]
    expiry = Expiry(objects, lambda: now[0])

    async def event(name: str) -> None:
        about = {"kind": "Pod", "name": "p", "namespace": "default"}
        obj = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "involvedObject": about}
        ctx = bootstrap.context(objects)
        await writes.create(objects, kind, "default", obj, ctx).finish()

    await event("old")
    await expiry.tick()
    now[0] = 1800
    await event("young")
    assert await expiry.tick() == 0
    now[0] = 3601
    assert await expiry.tick() == 1
    assert [orjson.loads(e.value)["metadata"]["name"] for e in store.list("events")] == ["young"]
    store.close()


async def test_a_client_that_goes_away_costs_nothing(api: Api) -> None:
    """A request cut off while its write is on the way leaves a whole object or none."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    tasks = [
        asyncio.create_task(api.call("POST", f"{NS}/configmaps", {**body, "metadata": {"name": f"c{n}"}}), name="post")
        for n in range(20)
    ]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await api.ok("POST", f"{NS}/configmaps", body)
    assert all(o["metadata"]["uid"] for o in (await api.ok("GET", f"{NS}/configmaps"))["items"])


async def test_openapi_documents_are_kept_by_clients_until_they_change(api: Api) -> None:
    path = (await api.ok("GET", "/openapi/v3"))["paths"]["apis/apps/v1"]["serverRelativeURL"]
    async with api.session.get(api.url + path) as answer:
        assert answer.headers["Cache-Control"] == "public, immutable" and "GMT" in answer.headers["Expires"]
        assert answer.headers["ETag"].strip('"') == path.rpartition("hash=")[2]
        assert "/apis/apps/v1/namespaces/{namespace}/deployments" in (await answer.json())["paths"]
        tag = answer.headers["ETag"]
    async with api.session.get(api.url + path, headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    old = path.partition("=")[0] + "=0123"
    async with api.session.get(api.url + old, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (301, path)
    async with api.session.get(api.url + "/openapi/v2") as answer:
        assert answer.headers["Cache-Control"] == "no-cache, private"


async def test_a_damaged_row_is_named_and_can_be_deleted(tmp_path: Path) -> None:
    path = f"{NS}/configmaps"
    async with serving(tmp_path) as api:
        for name in ("a", "b"):
            await api.ok("POST", path, {"metadata": {"name": name}})
    db = sqlite3.connect(tmp_path / "server" / "state.db")
    db.execute("UPDATE log SET value=X'7B22C3' WHERE resource='configmaps' AND name='a'")
    db.commit()
    db.close()
    async with serving(tmp_path) as api:
        listed = await api.ok("GET", path)
        assert [o["metadata"]["name"] for o in listed["items"]] == ["b"]
        for method, body in (("GET", None), ("PUT", {"metadata": {"name": "a"}})):
            code, status = await api.call(method, f"{path}/a", body)
            assert code == 500 and 'configmaps "a": the stored object is damaged' in status["message"], status
        assert (await api.ok("DELETE", f"{path}/a"))["status"] == "Success"
        assert (await api.call("GET", f"{path}/a"))[0] == 404
    async with serving(tmp_path) as api:
        assert (await api.call("GET", f"{path}/a"))[0] == 404
        await api.ok("POST", path, {"metadata": {"name": "a"}})
