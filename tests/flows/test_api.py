"""The API as a client meets it: objects written, read, watched, patched and deleted, over real TLS."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from kubette.testing.apiserver import Api, serving

CM = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
RC = "/api/v1/namespaces/default/replicationcontrollers"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api


def cm(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_a_new_cluster_has_its_namespaces_service_and_rules(api: Api) -> None:
    names = [n["metadata"]["name"] for n in (await api.ok("GET", "/api/v1/namespaces"))["items"]]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    service = await api.ok("GET", "/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIP"] == "10.43.0.1" and service["spec"]["ports"][0]["port"] == 443
    endpoints = await api.ok("GET", "/api/v1/namespaces/default/endpoints/kubernetes")
    assert endpoints["subsets"][0]["addresses"] == [{"ip": "172.29.0.2"}]
    assert (await api.ok("GET", "/version"))["gitVersion"] == "v1.36.0"
    assert await api.ok("GET", "/readyz") == b"ok"


async def test_the_life_of_an_object_as_a_watcher_sees_it(api: Api) -> None:
    rv = (await api.ok("GET", CM))["metadata"]["resourceVersion"]
    async with api.watch(f"{CM}?watch=1&resourceVersion={rv}&labelSelector=app%3Dx") as events:
        made = await api.ok("POST", CM, cm("a", k="1"))
        assert made["metadata"]["uid"] and made["metadata"]["creationTimestamp"]
        for patch in ({"app": "x"}, {"tier": "y"}, {"app": None}):
            await api.ok(
                "PATCH", f"{CM}/a", {"metadata": {"labels": patch}}, content_type="application/merge-patch+json"
            )
        await api.ok("DELETE", f"{CM}/a")
        seen = [await asyncio.wait_for(events.get(), 5) for _ in range(3)]
    # With a selector an object appears and disappears as it comes to match and ceases to.
    assert [e["type"] for e in seen] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in seen]
    assert seen[2]["object"]["metadata"]["labels"] == {"app": "x", "tier": "y"}, "as it was last selected"
    assert versions == sorted(set(versions)), "but at the revision of the change: a watch may go on from there"
    assert (await api.call("GET", f"{CM}/a"))[0] == 404


async def test_watches_from_the_start_with_bookmark_and_timeout(api: Api) -> None:
    await api.ok("POST", CM, cm("a"))
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
    async with api.watch(f"{CM}?{query}") as events:
        first, mark = [await asyncio.wait_for(events.get(), 5) for _ in range(2)]
    assert first["type"] == "ADDED" and first["object"]["metadata"]["name"] == "a"
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_conflicts_and_preconditions(api: Api) -> None:
    first = await api.ok("POST", CM, cm("a", k="1"))
    status, error = await api.call("POST", CM, cm("a"))
    assert (status, error["reason"]) == (409, "AlreadyExists")
    first["data"] = {"k": "2"}
    await api.ok("PUT", f"{CM}/a", first)
    status, error = await api.call("PUT", f"{CM}/a", first)
    assert (status, error["reason"]) == (409, "Conflict")
    assert error["message"].endswith("please apply your changes to the latest version and try again")
    status, error = await api.call("DELETE", f"{CM}/a", {"preconditions": {"uid": "other"}})
    assert status == 409
    unchanged = await api.ok("GET", f"{CM}/a")
    assert await api.ok("PUT", f"{CM}/a", unchanged) == unchanged  # no write, no new revision
    racing = [
        api.ok("PATCH", f"{CM}/a", {"data": {f"k{n}": "v"}}, content_type="application/merge-patch+json")
        for n in range(20)
    ]
    await asyncio.gather(*racing)
    assert len((await api.ok("GET", f"{CM}/a"))["data"]) == 21


async def test_chunks_of_a_list_are_one_snapshot(api: Api) -> None:
    for n in range(5):
        await api.ok("POST", CM, cm(f"c{n}"))
    page = await api.ok("GET", f"{CM}?limit=2")
    assert page["metadata"]["remainingItemCount"] == 3
    await api.ok("DELETE", f"{CM}/c3")
    await api.ok("POST", CM, cm("c9"))
    names = [o["metadata"]["name"] for o in page["items"]]
    while token := page["metadata"].get("continue"):
        page = await api.ok("GET", f"{CM}?limit=2&continue={token}")
        names += [o["metadata"]["name"] for o in page["items"]]
    assert names == ["c0", "c1", "c2", "c3", "c4"]


async def test_finalizers_and_propagation(api: Api) -> None:
    held = cm("a")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await api.ok("POST", CM, held)
    answer = await api.ok("DELETE", f"{CM}/a?propagationPolicy=Foreground")
    assert answer["metadata"]["finalizers"] == ["example.com/hold", "foregroundDeletion"]
    assert answer["metadata"]["deletionTimestamp"]
    added = {"metadata": {"finalizers": ["example.com/more"]}}
    status, error = await api.call("PATCH", f"{CM}/a", added, content_type="application/merge-patch+json")
    assert status == 422 and "no new finalizers can be added" in error["message"]
    await api.ok("PATCH", f"{CM}/a", [{"op": "remove", "path": "/metadata/finalizers"}],
                 content_type="application/json-patch+json")  # fmt: skip
    assert (await api.call("GET", f"{CM}/a"))[0] == 404


async def test_dry_run_and_field_validation(api: Api) -> None:
    await api.ok("POST", f"{CM}?dryRun=All", cm("a"))
    assert (await api.call("GET", f"{CM}/a"))[0] == 404
    odd = {**cm("a"), "colour": "red"}
    status, error = await api.call("POST", f"{CM}?fieldValidation=Strict", odd)
    assert status == 400 and 'unknown field "colour"' in error["message"]
    async with api.session.post(api.url + CM, json=odd) as answer:
        assert answer.status == 201 and 'unknown field \\"colour\\"' in answer.headers["Warning"]


async def test_bad_bodies(api: Api) -> None:
    status, error = await api.call("POST", CM, b"{", content_type="application/json")
    assert (status, error["reason"]) == (400, "BadRequest")
    status, error = await api.call("POST", CM, b"a: [", content_type="application/yaml")
    assert status == 400
    status, error = await api.call("POST", CM, b"x", content_type="text/plain")
    assert (status, error["reason"]) == (415, "UnsupportedMediaType")
    big = io.BytesIO(orjson.dumps(cm("big", k="x" * (3 << 20))))
    headers = {"Content-Type": "application/json"}
    async with api.session.post(api.url + CM, data=big, headers=headers) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (413, "RequestEntityTooLarge")
    status, error = await api.call("POST", CM, {**cm("a"), "kind": "Secret"})
    assert status == 400
    status, error = await api.call("GET", "/apis/apps/v1/namespaces/default/gizmos")
    assert (status, error["reason"]) == (404, "NotFound")
    status, error = await api.call("POST", "/api/v1/namespaces/nowhere/configmaps", cm("a"))
    assert status == 404 and error["message"] == 'namespaces "nowhere" not found'
    assert await api.ok("POST", CM, b"{apiVersion: v1, kind: ConfigMap, metadata: {name: z}}",
                        content_type="application/yaml")  # fmt: skip


async def test_pods_get_an_account_and_its_token(api: Api) -> None:
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "p-"},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
    }  # fmt: skip
    status, error = await api.call("POST", PODS, pod)
    assert status == 403 and 'serviceaccount "default" not found' in error["message"]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await api.ok("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    made = await api.ok("POST", PODS, pod)
    assert made["metadata"]["name"].startswith("p-") and len(made["metadata"]["name"]) == 7
    spec = made["spec"]
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert spec["volumes"][0]["name"] == mount["name"] and spec["priority"] == 0 and len(spec["tolerations"]) == 2


async def test_an_ingress_without_a_class_gets_the_default_one(api: Api) -> None:
    networking = "/apis/networking.k8s.io/v1"
    ingresses = f"{networking}/namespaces/default/ingresses"

    async def made(name: str, annotations: dict[str, str], **spec: Any) -> str | None:
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        metadata = {"name": name, "annotations": annotations}
        body = {"metadata": metadata, "spec": {"defaultBackend": backend, **spec}}
        found: str | None = (await api.ok("POST", ingresses, body))["spec"].get("ingressClassName")
        return found

    assert await made("early", {}) is None
    for name, marked in (("plain", "false"), ("usual", "true")):
        annotations = {"ingressclass.kubernetes.io/is-default-class": marked}
        body = {"metadata": {"name": name, "annotations": annotations}, "spec": {"controller": "example.com/x"}}
        await api.ok("POST", f"{networking}/ingressclasses", body)
    assert await made("none", {}) == "usual"
    assert await made("own", {}, ingressClassName="plain") == "plain"
    assert await made("old", {"kubernetes.io/ingress.class": "plain"}) is None


async def test_scale(api: Api) -> None:
    rc = {
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "kubia"},
        "spec": {
            "replicas": 2, "selector": {"app": "kubia"},
            "template": {
                "metadata": {"labels": {"app": "kubia"}}, "spec": {"containers": [{"name": "c", "image": "x"}]},
            },
        },
    }  # fmt: skip
    await api.ok("POST", RC, rc)
    scale = await api.ok("GET", f"{RC}/kubia/scale")
    assert scale["spec"] == {"replicas": 2} and scale["status"]["selector"] == "app=kubia"
    scale["spec"]["replicas"] = 3
    assert (await api.ok("PUT", f"{RC}/kubia/scale", scale))["spec"] == {"replicas": 3}
    assert (await api.ok("GET", f"{RC}/kubia"))["spec"]["replicas"] == 3
    status, _ = await api.call("PUT", f"{RC}/kubia/scale", scale)
    assert status == 409


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        made = await api.ok("POST", CM, cm("a", k="1"))
    async with serving(tmp_path) as api:
        assert await api.ok("GET", f"{CM}/a") == made
        old = made["metadata"]["resourceVersion"]
        async with api.watch(f"{CM}?watch=1&resourceVersion={int(old) - 1}") as events:
            gone = await asyncio.wait_for(events.get(), 5)
        assert gone["type"] == "ERROR" and (gone["object"]["code"], gone["object"]["reason"]) == (410, "Expired")


async def test_what_nothing_acts_on_says_so(api: Api) -> None:
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"},
              "spec": {"podSelector": {}}}  # fmt: skip
    url = f"{api.url}/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
    async with api.session.post(url, json=policy) as answer:
        assert answer.status == 201
        first = '299 - "stored; this version of kubette has no controller for it"'
        assert answer.headers.getall("Warning") == [
            first, '299 - "nothing enforces NetworkPolicies: this one restricts no traffic"',
        ]  # fmt: skip
