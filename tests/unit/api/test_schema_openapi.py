"""The generated OpenAPI and discovery documents, read as a client reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kubette.api import discovery, openapi
from kubette.api.kinds import all_kinds


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from nodes(item)


def messages(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of one protobuf message."""
    at = 0

    def varint() -> int:
        nonlocal at
        out = shift = 0
        while True:
            byte = data[at]
            at += 1
            out |= (byte & 0x7F) << shift
            if byte < 0x80:
                return out
            shift += 7

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            assert key & 7 == 2
            size = varint()
            yield key >> 3, data[at : at + size]
            at += size
    assert at == len(data)


def sub(data: bytes, number: int) -> list[bytes]:
    return [v for n, v in messages(data) if n == number and isinstance(v, bytes)]


@pytest.fixture(scope="module")
def v3() -> dict[str, Any]:
    index = json.loads(openapi.v3_index())["paths"]
    out = {}
    for path, entry in index.items():
        doc = openapi.v3(path)
        assert doc is not None
        assert entry["serverRelativeURL"] == f"/openapi/v3/{path}?hash={doc.etag}"
        out[path] = json.loads(doc.plain())
    return out


def test_v3_has_one_document_per_group_version_with_no_dangling_reference(v3: dict[str, Any]) -> None:
    served = {f"apis/{k.group}/{k.version}" if k.group else f"api/{k.version}" for k in all_kinds()}
    assert set(v3) == served
    for path, doc in v3.items():
        schemas = doc["components"]["schemas"]
        for node in nodes(doc["paths"]):
            if isinstance(ref := node.get("$ref"), str):
                assert ref.removeprefix("#/components/schemas/") in schemas, (path, ref)
        for node in nodes(schemas):
            assert not isinstance(node.get("type"), list), "kubectl 1.32 crashes on a list of types"
            if isinstance(ref := node.get("$ref"), str):
                assert ref.removeprefix("#/components/schemas/") in schemas, (path, ref)


def test_v3_patch_tells_kubectl_that_fields_are_validated(v3: dict[str, Any]) -> None:
    patch = v3["apis/apps/v1"]["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert {"fieldValidation", "dryRun", "fieldManager", "force"} <= {p["name"] for p in patch["parameters"]}
    gvk = {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert patch["x-kubernetes-group-version-kind"] == gvk
    assert patch["x-kubernetes-action"] == "patch"
    assert patch["operationId"] == "patchAppsV1NamespacedDeployment"


def test_either_types_are_as_published(v3: dict[str, Any]) -> None:
    either = v3["api/v1"]["components"]["schemas"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]
    assert either["format"] == "int-or-string"
    assert either["oneOf"] == [{"type": "integer"}, {"type": "string"}]


def test_operation_ids_are_unique(v3: dict[str, Any]) -> None:
    ids = [n["operationId"] for doc in v3.values() for n in nodes(doc["paths"]) if "operationId" in n]
    assert len(ids) == len(set(ids)) > 500


def test_v2_protobuf_says_the_same_as_v2_json() -> None:
    doc = json.loads(openapi.v2().plain())
    pb = openapi.v2(protobuf=True)
    assert "@" not in pb.media_type
    data = pb.plain()
    assert sub(data, 1) == [b"2.0"]
    definitions = {sub(d, 1)[0].decode(): sub(d, 2)[0] for d in sub(sub(data, 9)[0], 1)}
    assert set(definitions) == set(doc["definitions"])
    pod = definitions["io.k8s.api.core.v1.Pod"]
    fields = {sub(p, 1)[0].decode() for p in sub(sub(pod, 25)[0], 1)}
    assert fields == {"apiVersion", "kind", "metadata", "spec", "status"}
    extension = {sub(e, 1)[0]: sub(sub(e, 2)[0], 2)[0] for e in sub(pod, 31)}
    gvk = json.loads(extension[b"x-kubernetes-group-version-kind"])
    assert gvk == [{"group": "", "kind": "Pod", "version": "v1"}]
    assert {sub(p, 1)[0].decode() for p in sub(sub(data, 8)[0], 2)} == set(doc["paths"])


def test_aggregated_discovery_answers_everything_at_once() -> None:
    core = json.loads(discovery.builtin("/api", "v2") or b"")
    pods = next(r for r in core["items"][0]["versions"][0]["resources"] if r["resource"] == "pods")
    assert (pods["shortNames"], pods["categories"], pods["scope"]) == (["po"], ["all"], "Namespaced")
    eviction = next(s for s in pods["subresources"] if s["subresource"] == "eviction")
    assert eviction["responseKind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
    groups = [g["metadata"]["name"] for g in discovery.aggregated_apis()["items"]]
    assert groups[:2] == ["apiregistration.k8s.io", "apps"]


def test_plain_discovery() -> None:
    listed = json.loads(discovery.builtin("/apis/autoscaling", "plain") or b"")
    assert listed["preferredVersion"] == {"groupVersion": "autoscaling/v2", "version": "v2"}
    apps = discovery.api_resource_list("apps", "v1")
    assert apps is not None
    scale = next(r for r in apps["resources"] if r["name"] == "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    assert discovery.api_resource_list("nonsense", "v1") is None
    assert discovery.builtin("/apis/nonsense/v1", "plain") is None
