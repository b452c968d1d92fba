"""Requests that are odd, careless or hostile: each gets upstream's answer, and nothing else happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kubette.testing.apiserver import Api, client_tls, serving

NS = "/api/v1/namespaces/default"
CM, PODS = f"{NS}/configmaps", f"{NS}/pods"
MERGE, STRATEGIC, JSON_PATCH = (f"application/{kind}-patch+json" for kind in ("merge", "strategic-merge", "json"))


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await api.ok("POST", f"{NS}/serviceaccounts", account)
        yield api


def cm(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "i:1"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}


async def refused(
    api: Api, code: int, words: str, method: str, path: str, body: Any = None, kind: str = "application/json"
) -> None:
    status, error = await api.call(method, path, body, content_type=kind)
    assert status == code, error
    assert words in error["message"]


async def test_kind_and_version_may_be_left_to_the_url(api: Api) -> None:
    made = await api.ok("POST", CM, {"metadata": {"name": "a"}})
    assert (made["kind"], made["apiVersion"]) == ("ConfigMap", "v1")
    await api.ok("PATCH", f"{CM}/a", {"kind": None, "data": {"x": "y"}}, content_type=MERGE)
    await refused(api, 400, "(v1.Secret) to (core.ConfigMap): unknown conversion", "POST", CM,
                  {**cm("b"), "kind": "Secret"})  # fmt: skip
    await refused(api, 400, 'no kind "ConfigMap" is registered for version "v9"', "POST", CM,
                  {**cm("b"), "apiVersion": "v9"})  # fmt: skip
    await refused(api, 400, "cannot unmarshal number into Go struct field .kind", "POST", CM, {**cm("b"), "kind": 5})
    await refused(api, 400, "must be of type ConfigMap", "POST", CM, b"[]")


async def test_options_that_make_no_sense(api: Api) -> None:
    await refused(api, 422, 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["x"]', "POST",
                  f"{CM}?dryRun=x", cm("a"))  # fmt: skip
    await refused(api, 422, 'fieldValidation: Unsupported value: "x"', "POST", f"{CM}?fieldValidation=x", cm("a"))
    await api.ok("POST", CM, cm("a"))
    await refused(api, 422, "force: Forbidden", "PATCH", f"{CM}/a?force=true", {}, MERGE)
    await refused(api, 415, "unknown format", "PATCH", f"{CM}/a?force=false", {}, "application/apply-patch+yaml")
    for body, code, words in (
        ({"propagationPolicy": "x"}, 422, 'propagationPolicy: Unsupported value: "x"'),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422, "cannot be both set"),
        ({"gracePeriodSeconds": "x"}, 400, "cannot unmarshal string"),
        ({"preconditions": "x"}, 400, "cannot unmarshal string"),
        ({"dryRun": ["x"]}, 422, 'DeleteOptions.meta.k8s.io "" is invalid: dryRun'),
        ({"kind": "Pod"}, 400, "cannot be converted to DeleteOptions"),
        (b"{", 400, "must be of type DeleteOptions"),
        ([1], 400, "must be of type DeleteOptions"),
    ):
        await refused(api, code, words, "DELETE", f"{CM}/a", body)
    await api.ok("GET", f"{CM}/a")


async def test_writes_without_a_route(api: Api) -> None:
    await api.ok("POST", CM, cm("a"))
    for method, path in (
        ("DELETE", "/api/v1/configmaps"), ("PUT", CM), ("PATCH", CM), ("POST", f"{CM}/a"), ("POST", "/api/v1/pods"),
        ("PUT", f"{PODS}/a/log"),
    ):  # fmt: skip
        await refused(api, 405, "does not allow this method", method, path, {})
    await api.ok("GET", f"{CM}/a")


async def test_strangers_learn_nothing(api: Api) -> None:
    connector = aiohttp.TCPConnector(ssl=client_tls(api.pki, None))
    async with aiohttp.ClientSession(connector=connector) as stranger:
        for path in (CM, f"{NS}/gizmos", "/apis/none.io/v1/things", "/api", "/metrics", "/nothing"):
            async with stranger.get(api.url + path) as answer:
                assert answer.status == 403, path
                assert 'User "system:anonymous" cannot ' in (await answer.json())["message"], path


async def test_repeated_and_unknown_fields_of_patches_and_yaml(api: Api) -> None:
    await api.ok("POST", CM, cm("a", k="v"))
    strict = "fieldValidation=Strict"
    twice = b'{"data":{"x":"1","x":"2"}}'
    for kind in (MERGE, STRATEGIC):
        await refused(api, 422, 'duplicate field "data.x"', "PATCH", f"{CM}/a?{strict}", twice, kind)
    odd = [{"op": "add", "path": "/data/x", "value": "1", "colour": "red"}]
    await refused(api, 422, 'json patch unknown field "[0].colour"', "PATCH", f"{CM}/a?{strict}", odd, JSON_PATCH)
    yaml = b"kind: ConfigMap\napiVersion: v1\nmetadata: {name: b}\ndata:\n  k: a\n  k: b\n"
    why = 'yaml: unmarshal errors:\n  line 6: key "k" already set in map'
    await refused(api, 400, why, "POST", f"{CM}?{strict}", yaml, "application/yaml")
    async with api.session.post(api.url + CM, data=yaml, headers={"Content-Type": "application/yaml"}) as answer:
        assert answer.status == 201 and 'line 6: key \\"k\\" already set in map' in answer.headers["Warning"]


async def test_a_patch_that_makes_no_object_of_the_kind_is_invalid(api: Api) -> None:
    await api.ok("POST", CM, cm("a", k="v"))
    for kind in (MERGE, STRATEGIC):
        await refused(api, 422, "cannot unmarshal number", "PATCH", f"{CM}/a", {"data": {"k": 1}}, kind)
    await refused(api, 422, "unknown conversion", "PATCH", f"{CM}/a", {"kind": "Secret"}, MERGE)
    await refused(api, 422, 'no kind "Nothing" is registered', "PATCH", f"{CM}/a", {"kind": "Nothing"}, MERGE)
    await refused(api, 422, "metadata.deletionTimestamp: Invalid value", "PATCH", f"{CM}/a",
                  {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}}, MERGE)  # fmt: skip
    await refused(api, 422, "metadata.uid: Invalid value", "PATCH", f"{CM}/a", {"metadata": {"uid": "x"}}, MERGE)
    await api.ok("PATCH", f"{CM}/a", {"metadata": {"resourceVersion": "0"}}, content_type=MERGE)
    # A strategic patch is merged into the kind's own struct: what kind it names does not count.
    assert (await api.ok("PATCH", f"{CM}/a", {"kind": "Secret"}, content_type=STRATEGIC))["kind"] == "ConfigMap"


async def test_another_uid_is_a_conflict_of_a_put_and_an_invalid_patch(api: Api) -> None:
    made = await api.ok("POST", CM, cm("a"))
    other = {**made, "metadata": {**made["metadata"], "uid": "other"}}
    await refused(api, 409, "Precondition failed: UID in precondition: other", "PUT", f"{CM}/a", other)
    patch = {"metadata": {"uid": "other"}}
    why = 'metadata.uid: Invalid value: "other": field is immutable'
    await refused(api, 422, why, "PATCH", f"{CM}/a", patch, MERGE)


async def test_a_resource_version_of_a_new_object_counts_only_where_it_is_written(api: Api) -> None:
    def versioned(name: str, version: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "resourceVersion": version}}

    why = "resourceVersion should not be set on objects to be created"
    await refused(api, 500, why, "POST", CM, versioned("a", "7"))
    await refused(api, 422, "metadata.name: Invalid value", "POST", CM, versioned("A", "7"))
    await api.ok("POST", f"{CM}?dryRun=All", versioned("a", "7"))
    for i, version in enumerate(("0", "odd")):
        await api.ok("POST", CM, versioned(f"b{i}", version))


async def test_the_resource_version_zero_is_none(api: Api) -> None:
    made = await api.ok("POST", CM, cm("a"))
    meta = {**made["metadata"], "resourceVersion": "0", "labels": {"a": "b"}}
    assert (await api.ok("PUT", f"{CM}/a", {**made, "metadata": meta}))["metadata"]["labels"] == {"a": "b"}
    patch = {"metadata": {"resourceVersion": "0"}, "data": {"k": "v"}}
    assert (await api.ok("PATCH", f"{CM}/a", patch, content_type=MERGE))["data"] == {"k": "v"}


async def test_owners_that_come_twice_are_kept_once(api: Api) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    twice = {**cm("a"), "metadata": {"name": "a", "ownerReferences": [owner, owner]}}
    async with api.session.post(api.url + CM, json=twice) as answer:
        assert (await answer.json())["metadata"]["ownerReferences"] == [owner]
        assert "duplicate UID(s) observed: u" in answer.headers["Warning"]


async def test_copies_in_a_json_patch_do_not_multiply(api: Api) -> None:
    await api.ok("POST", CM, cm("a", k="v" * 1000))
    doubling = [{"op": "copy", "from": "/data", "path": f"/data/x{n}"} for n in range(40)]
    await refused(api, 422, "exceed the limit", "PATCH", f"{CM}/a", doubling, JSON_PATCH)
    for operation, words in (
        ({"op": "test", "path": "/data/k", "value": "x"}, "testing value /data/k failed: test failed"),
        ({"op": "remove", "path": "/data/none"}, "remove operation does not apply: doc is missing path: /data/none"),
        ({"op": "move", "from": "/data/none", "path": "/data/b"}, "move operation does not apply"),
    ):
        await refused(api, 422, words, "PATCH", f"{CM}/a", [operation], JSON_PATCH)


async def test_scale_is_a_scale_of_this_object(api: Api) -> None:
    rc = f"{NS}/replicationcontrollers"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    await api.ok("POST", rc, {"metadata": {"name": "r"}, "spec": {"replicas": 0, "template": template}})
    await refused(api, 400, "does not match the name on the URL", "PUT", f"{rc}/r/scale",
                  {"metadata": {"name": "other"}, "spec": {"replicas": 1}})  # fmt: skip
    await refused(api, 400, "expected input object type to be Scale", "PUT", f"{rc}/r/scale",
                  {"kind": "Foo", "metadata": {"name": "r"}, "spec": {"replicas": 1}})  # fmt: skip
    await api.ok("PUT", f"{rc}/r/scale?dryRun=All", {"metadata": {"name": "r"}, "spec": {"replicas": 5}})
    parents = {"kind": "ReplicationController", "apiVersion": "v1", "spec": {"replicas": 4}}
    patched = await api.ok("PATCH", f"{rc}/r/scale?dryRun=All", parents, content_type=STRATEGIC)
    assert patched["kind"] == "Scale" and patched["spec"] == {"replicas": 4}
    assert (await api.ok("GET", f"{rc}/r"))["spec"]["replicas"] == 0


async def test_an_eviction_may_be_a_dry_run(api: Api) -> None:
    await api.ok("POST", PODS, pod("p"))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    await api.ok("POST", f"{PODS}/p/eviction", {**eviction, "deleteOptions": {"dryRun": ["All"]}})
    await api.ok("GET", f"{PODS}/p")
    await api.ok("POST", f"{PODS}/p/eviction", eviction)
    assert (await api.call("GET", f"{PODS}/p"))[0] == 404


async def test_a_binding_names_its_pod(api: Api) -> None:
    await api.ok("POST", PODS, pod("p"))
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "q"}, "target": {"name": "n"}}
    await refused(api, 400, "name in URL does not match name in Binding object", "POST", f"{PODS}/p/binding", binding)
    await refused(api, 400, "name must be provided", "POST", f"{NS}/bindings", {**binding, "metadata": {}})


async def test_a_namespace_of_the_system_comes_back(api: Api) -> None:
    """Without kube-node-lease no node could renew its lease, and all would be NotReady for good."""
    rv = (await api.ok("GET", "/api/v1/namespaces"))["metadata"]["resourceVersion"]
    lease = "/api/v1/namespaces/kube-node-lease"
    await api.ok("DELETE", lease)
    async with api.watch(f"/api/v1/namespaces?watch=1&resourceVersion={rv}") as events:
        left = {**await api.ok("GET", lease), "spec": {"finalizers": []}}
        await api.ok("PUT", f"{lease}/finalize", left)
        await api.ok("POST", f"{NS}/services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}]}})
        seen = ""
        while seen != "ADDED":
            seen = (await asyncio.wait_for(events.get(), 15))["type"]
    assert (await api.ok("GET", lease))["status"]["phase"] == "Active"


async def test_runtime_classes_are_looked_up(api: Api) -> None:
    await refused(api, 403, 'pod rejected: RuntimeClass "none" not found', "POST", PODS,
                  pod("p", runtimeClassName="none"))  # fmt: skip
    await refused(api, 403, "Pod Overhead set without", "POST", PODS, pod("p", overhead={"cpu": "1"}))
    await api.ok("POST", "/apis/node.k8s.io/v1/runtimeclasses", {
        "metadata": {"name": "slow"}, "handler": "slow", "overhead": {"podFixed": {"cpu": "10m"}},
        "scheduling": {"nodeSelector": {"kind": "slow"}, "tolerations": [{"key": "slow", "operator": "Exists"}]},
    })  # fmt: skip
    made = (await api.ok("POST", PODS, pod("p", runtimeClassName="slow")))["spec"]
    assert made["overhead"] == {"cpu": "10m"} and made["nodeSelector"] == {"kind": "slow"}
    assert {"key": "slow", "operator": "Exists"} in made["tolerations"]


async def test_who_asks_for_endpoints_is_told_of_slices(api: Api) -> None:
    for path in (f"{NS}/endpoints", f"{NS}/endpoints/kubernetes"):
        async with api.session.get(api.url + path) as answer:
            assert answer.status == 200
            assert answer.headers["Warning"] == (
                '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
            )
    async with api.session.get(f"{api.url}{NS}/services") as answer:
        assert "Warning" not in answer.headers


async def test_tables_where_there_are_rows(api: Api) -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    shown = await api.ok("GET", "/api/v1/componentstatuses", Accept=table)
    assert shown["rows"][0]["cells"][:2] == ["controller-manager", "Healthy"]
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert (await api.call("POST", path, review, Accept=table))[0] == 406
