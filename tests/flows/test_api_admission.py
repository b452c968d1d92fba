"""What the server adds to an object, and what it makes at its start, against a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kubette.testing.apiserver import Api, serving

V1, NS = "/api/v1", "/api/v1/namespaces/default"
CLASSES, CLAIMS = "/apis/storage.k8s.io/v1/storageclasses", f"{NS}/persistentvolumeclaims"
MERGE = "application/merge-patch+json"
ZONE = {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r"}
Object = dict[str, Any]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        await api.ok("POST", f"{NS}/serviceaccounts", {"metadata": {"name": "default"}})
        yield api


async def test_the_range_of_services_is_an_object_that_is_ready(api: Api) -> None:
    found = await api.ok("GET", "/apis/networking.k8s.io/v1/servicecidrs/kubernetes")
    assert found["spec"] == {"cidrs": ["10.43.0.0/16"]}
    assert [(c["type"], c["status"]) for c in found["status"]["conditions"]] == [("Ready", "True")]


async def test_a_new_node_is_tainted_until_it_is_ready(api: Api) -> None:
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    for name, taints in (("a", []), ("b", [taint]), ("c", [{"key": "k", "effect": "NoExecute"}])):
        made = await api.ok("POST", f"{V1}/nodes", {"metadata": {"name": name}, "spec": {"taints": taints}})
        assert [t["key"] for t in made["spec"]["taints"]] == [t["key"] for t in taints if t != taint] + [taint["key"]]
    emptied = await api.ok("PATCH", f"{V1}/nodes/a", {"spec": {"taints": None}}, content_type=MERGE)
    assert "taints" not in emptied["spec"]


async def test_a_pod_on_a_node_has_its_zone_and_region(api: Api) -> None:
    await api.ok("POST", f"{V1}/nodes", {"metadata": {"name": "n", "labels": {**ZONE, "other": "x"}}})
    spec = {"containers": [{"name": "c", "image": "i"}]}
    stale = {"app": "a", "topology.kubernetes.io/zone": "old"}
    made = await api.ok("POST", f"{NS}/pods", {
        "metadata": {"name": "placed", "labels": stale}, "spec": {**spec, "nodeName": "n"},
    })  # fmt: skip
    assert made["metadata"]["labels"] == {"app": "a", **ZONE}
    made = await api.ok("POST", f"{NS}/pods", {"metadata": {"name": "bound"}, "spec": spec})
    assert "labels" not in made["metadata"]
    binding = {"metadata": {"labels": {"by": "me"}}, "target": {"kind": "Node", "name": "n"}}
    await api.ok("POST", f"{NS}/pods/bound/binding", binding)
    assert (await api.ok("GET", f"{NS}/pods/bound"))["metadata"]["labels"] == {"by": "me", **ZONE}


def claim(name: str, **spec: Any) -> Object:
    resources = {"requests": {"storage": "1Gi"}}
    return {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": resources, **spec}}


async def storage_class(api: Api, name: str, **fields: Any) -> None:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    await api.ok("POST", CLASSES, {"metadata": {"name": name, "annotations": default}, "provisioner": "p", **fields})


async def test_a_claim_without_a_class_gets_the_default(api: Api) -> None:
    assert "storageClassName" not in (await api.ok("POST", CLAIMS, claim("before")))["spec"]
    await storage_class(api, "std")
    assert (await api.ok("POST", CLAIMS, claim("a")))["spec"]["storageClassName"] == "std"
    assert (await api.ok("POST", CLAIMS, claim("b", storageClassName="")))["spec"]["storageClassName"] == ""
    assert (await api.ok("POST", CLAIMS, claim("c", storageClassName="x")))["spec"]["storageClassName"] == "x"


async def test_only_a_bound_claim_of_a_class_that_allows_it_grows(api: Api) -> None:
    await storage_class(api, "fixed")
    await storage_class(api, "elastic", allowVolumeExpansion=True)
    more = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    for name in ("fixed", "elastic"):
        await api.ok("POST", CLAIMS, claim(name, storageClassName=name))
        bound = {"spec": {"volumeName": f"pv-{name}"}}
        await api.ok("PATCH", f"{CLAIMS}/{name}", bound, content_type=MERGE)
        status, _ = await api.call("PATCH", f"{CLAIMS}/{name}", more, content_type=MERGE)
        assert status in (403, 422), "not bound"
        state = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
        await api.ok("PATCH", f"{CLAIMS}/{name}/status", state, content_type=MERGE)
    status, answer = await api.call("PATCH", f"{CLAIMS}/fixed", more, content_type=MERGE)
    assert status == 403 and answer["message"] == (
        'persistentvolumeclaims "fixed" is forbidden: only dynamically provisioned pvc can be resized and the '
        "storageclass that provisions the pvc must support resize"
    )
    assert (await api.call("PATCH", f"{CLAIMS}/elastic", more, content_type=MERGE))[0] == 200
