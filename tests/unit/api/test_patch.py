"""What the three kinds of PATCH make of an object, as kubectl relies on."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubette.api.errors import BadRequest, Invalid
from kubette.api.patch import json_patch, merge_patch, strategic_merge

POD = "io.k8s.api.core.v1.Pod"
DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "p", "finalizers": ["a", "b"]}, "spec": {"containers": list(containers)}}


def names(patched: dict[str, Any]) -> list[str]:
    return [c["name"] for c in patched["spec"]["containers"]]


def test_set_image_merges_containers_by_name() -> None:
    old = pod({"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "b:1"})
    kept = copy.deepcopy(old)
    new = strategic_merge(POD, old, {"spec": {"containers": [{"name": "a", "image": "a:2"}, {"name": "c"}]}})
    assert new["spec"]["containers"][0] == {"name": "a", "image": "a:2", "env": [{"name": "X", "value": "1"}]}
    assert names(new) == ["a", "c", "b"], "a new element comes before the server's own that follow"
    assert old == kept, "the original is left alone"


def test_directives_delete_and_replace() -> None:
    old = pod({"name": "a"}, {"name": "b"})
    gone = strategic_merge(POD, old, {"spec": {"containers": [{"$patch": "delete", "name": "a"}]}})
    assert names(gone) == ["b"]
    only = strategic_merge(POD, old, {"spec": {"containers": [{"$patch": "replace"}, {"name": "z"}]}})
    assert names(only) == ["z"]
    assert strategic_merge(POD, old, {"spec": {"$patch": "replace", "nodeName": "n"}})["spec"] == {"nodeName": "n"}
    assert "spec" not in strategic_merge(POD, old, {"spec": None})


def test_order_and_primitive_lists() -> None:
    old = pod({"name": "a"}, {"name": "b"})
    patch = {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
                      "containers": [{"name": "c"}]}}  # fmt: skip
    assert names(strategic_merge(POD, old, patch)) == ["c", "b", "a"]
    new = strategic_merge(
        POD, old, {"metadata": {"finalizers": ["c", "a"], "$deleteFromPrimitiveList/finalizers": ["b"]}}
    )
    assert new["metadata"]["finalizers"] == ["c", "a"]


@pytest.mark.parametrize(
    ("server", "patch", "order", "merged"),
    [
        ("a b", "c", None, "c a b"),
        ("a b", "b c", None, "a b c"),
        ("a b c", "c a", None, "b c a"),
        ("a b c", "x b y", None, "x a b y c"),
        ("", "b a", None, "b a"),
        ("a b c", "", "c a", "b c a"),
        ("a b c", "d", "d c", "d a b c"),
        ("a b c", "d c", "a d c", "a d b c"),
        ("", "a b", "b a", "b a"),
    ],
)
def test_the_order_of_merged_lists_is_upstreams(server: str, patch: str, order: str | None, merged: str) -> None:
    """Elements that the patch names come in its order (or in $setElementOrder's), the server's own in theirs."""
    containers: dict[str, Any] = {"containers": [{"name": n} for n in patch.split()]} if patch else {}
    finalizers: dict[str, Any] = {"finalizers": patch.split()} if patch else {}
    if order is not None:
        containers["$setElementOrder/containers"] = [{"name": n} for n in order.split()]
        finalizers["$setElementOrder/finalizers"] = order.split()
    old = {"metadata": {"finalizers": server.split()}, "spec": {"containers": [{"name": n} for n in server.split()]}}
    new = strategic_merge(POD, old, {"metadata": finalizers, "spec": containers})
    assert names(new) == merged.split()
    assert new["metadata"]["finalizers"] == merged.split()


def test_retain_keys_change_the_strategy_of_a_deployment() -> None:
    old = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    # As kubectl apply sends it: what goes is null besides.
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": None, "type": "Recreate"}}}
    assert strategic_merge(DEPLOYMENT, old, patch) == {"spec": {"strategy": {"type": "Recreate"}}}


@pytest.mark.parametrize(
    "patch",
    [[], {"spec": {"containers": ["a"]}}, {"spec": {"containers": [{"image": "x"}]}}, {"spec": {"$patch": "no"}}],
)
def test_a_malformed_strategic_patch_is_a_bad_request(patch: Any) -> None:
    with pytest.raises(BadRequest):
        strategic_merge(POD, pod({"name": "a"}), patch)


def test_merge_patch_is_rfc_7396() -> None:
    assert merge_patch({"a": {"b": 1, "c": [1]}}, {"a": {"b": None, "c": [2], "d": {"e": None}}}) == {
        "a": {"c": [2], "d": {}}
    }


def test_json_patch_applies_whole_or_not_at_all() -> None:
    old = {"a": 1}
    assert json_patch(old, [{"op": "add", "path": "/b", "value": 2}]) == {"a": 1, "b": 2}
    with pytest.raises(Invalid):
        json_patch(old, [{"op": "add", "path": "/b", "value": 2}, {"op": "test", "path": "/a", "value": 9}])
    with pytest.raises(BadRequest):
        json_patch(old, {"op": "add"})
    with pytest.raises(Invalid, match="Unexpected kind: frobnicate"):
        json_patch(old, [{"op": "frobnicate", "path": "/b"}])
    assert old == {"a": 1}
