"""What a client sends, what the decoder says to it, and what is kept."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubette.api import schema
from kubette.api.kinds import all_kinds, resource

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "kubia", "labels": {"app": "kubia"}, "creationTimestamp": "2026-01-02T03:04:05Z"},
    "spec": {
        "containers": [
            {
                "name": "kubia",
                "image": "luksa/kubia",
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
            }
        ],
        "terminationGracePeriodSeconds": 30,
    },
}


def service(**port: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubia"}, "spec": {"ports": [port]}}


def checked(plural: str, obj: dict[str, Any], mode: schema.Mode = "Strict") -> schema.SchemaResult:
    return schema.check(resource(plural), obj, mode)


def test_a_good_pod_passes_and_is_left_as_it_is() -> None:
    pod = copy.deepcopy(POD)
    assert checked("pods", pod) == schema.SchemaResult()
    assert pod == POD


def test_every_kind_has_a_definition_with_metadata_or_a_spec() -> None:
    for kind in all_kinds():
        assert schema.fields(kind.schema), kind


def test_strict_names_each_unknown_field_by_its_path() -> None:
    pod = copy.deepcopy(POD)
    pod["spec"]["containers"][0]["ports"][0]["hostport"] = 1
    pod["spec"]["x"] = {}
    result = checked("pods", pod)
    assert result.message == (
        'strict decoding error: unknown field "spec.containers[0].ports[0].hostport", unknown field "spec.x"'
    )


@pytest.mark.parametrize(
    ("mode", "warnings"), [("Warn", ['unknown field "spec.ports[0].prot"']), ("Ignore", [])]
)
def test_warn_and_ignore_prune(mode: schema.Mode, warnings: list[str]) -> None:
    obj = service(port=80, prot="TCP")
    result = checked("services", obj, mode)
    assert (result.errors, result.warnings) == ([], warnings)
    assert obj["spec"]["ports"] == [{"port": 80}]


@pytest.mark.parametrize(
    ("port", "error"),
    [
        ({"port": "80"}, "string into Go struct field ServicePort.spec.ports.port of type int32"),
        (
            {"port": 1.5},
            "number 1.5 into Go struct field ServicePort.spec.ports.port of type int32",
        ),
        ({"name": 1}, "number into Go struct field ServicePort.spec.ports.name of type string"),
        (
            {"targetPort": True},
            "bool into Go struct field ServicePort.spec.ports.targetPort of type int32",
        ),
    ],
)
def test_wrong_types_are_refused_in_every_mode(port: dict[str, Any], error: str) -> None:
    for mode in ("Strict", "Warn", "Ignore"):
        assert checked("services", service(**port), mode).message == "json: cannot unmarshal " + error


def test_wrong_shapes() -> None:
    pod = copy.deepcopy(POD)
    pod["spec"]["containers"] = "kubia"
    assert checked("pods", pod).message == (
        "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container"
    )
    pod = copy.deepcopy(POD)
    pod["metadata"]["labels"]["app"] = 1
    assert checked("pods", pod).message == (
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"
    )
    whole: Any = []
    assert schema.check(resource("pods"), whole).message == (
        "json: cannot unmarshal array into Go value of type v1.Pod"
    )


def test_null_means_absent() -> None:
    pod = copy.deepcopy(POD)
    pod["metadata"]["creationTimestamp"] = None
    pod["metadata"]["annotations"] = None
    pod["metadata"]["labels"]["empty"] = None
    assert checked("pods", pod) == schema.SchemaResult()
    assert pod["metadata"] == {"name": "kubia", "labels": {"app": "kubia", "empty": ""}}


def test_times_become_utc_and_nonsense_is_refused() -> None:
    pod = copy.deepcopy(POD)
    pod["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05.678+01:00"
    assert not checked("pods", pod).errors
    assert pod["metadata"]["creationTimestamp"] == "2026-01-02T02:04:05Z"
    pod["metadata"]["creationTimestamp"] = "yesterday"
    assert checked("pods", pod).message == (
        'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"'
    )


def test_quantities_become_canonical() -> None:
    pytest.importorskip("kubette.api.quantity")
    pod = copy.deepcopy(POD)
    limits = pod["spec"]["containers"][0]["resources"] = {"limits": {"cpu": 0.5, "memory": "1024Mi"}}
    assert not checked("pods", pod).errors
    assert limits == {"limits": {"cpu": "500m", "memory": "1Gi"}}
    limits["limits"]["cpu"] = "lots"
    assert checked("pods", pod).message.startswith("quantities must match the regular expression '^([+-]?")


def test_secret_data_must_be_base64() -> None:
    secret = {"metadata": {"name": "s"}, "data": {"good": "aGk=", "bad": "a!"}}
    assert checked("secrets", secret).message == "illegal base64 data at input byte 1"
    assert not checked("secrets", {"metadata": {"name": "s"}, "data": {"good": "aGk=", "none": ""}}).errors


def test_duplicate_keys_are_found_by_path() -> None:
    body = b'{"kind":"Service","spec":{"ports":[{"port":80,"port":81}],"type":"ClusterIP"},"kind":"Service"}'
    found = schema.find_duplicates(body)
    assert sorted(found) == ["kind", "spec.ports[0].port"]
    result = schema.check(resource("services"), {"kind": "Service"}, "Warn", duplicates=found[:1])
    assert result.warnings == [f'duplicate field "{found[0]}"']
    assert schema.find_duplicates(b'{"a":[{"b":1},{"b":2}]}') == []


def test_free_form_and_recursive_schemas_pass() -> None:
    prop: dict[str, Any] = {"type": "object", "properties": {"size": {"type": "integer", "default": 3}}}
    crd = {
        "metadata": {"name": "pets.zoo"},
        "spec": {
            "group": "zoo", "names": {"plural": "pets", "kind": "Pet"}, "scope": "Namespaced",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": prop}}
            ],
        },
    }
    assert checked("customresourcedefinitions.apiextensions.k8s.io", crd) == schema.SchemaResult()
    deep: dict[str, Any] = prop
    for _ in range(3000):
        deep["properties"]["x"] = deep = {"type": "object", "properties": {}}
    assert checked("customresourcedefinitions.apiextensions.k8s.io", crd).message == "exceeded max depth"


def test_patch_metadata() -> None:
    containers = schema.field_meta("io.k8s.api.core.v1.PodSpec", "containers")
    assert containers == schema.FieldMeta(
        "list", "io.k8s.api.core.v1.Container", ("merge",), "name", "map", ("name",)
    )
    volumes = schema.field_meta("io.k8s.api.core.v1.PodSpec", "volumes")
    assert volumes is not None and volumes.strategies == ("merge", "retainKeys")
    labels = schema.field_meta("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "labels")
    assert labels == schema.FieldMeta("map")
    assert schema.field_meta("io.k8s.api.core.v1.PodSpec", "nonsense") is None
