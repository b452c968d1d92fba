"""What must not be accepted: each gets what upstream's API server or kubelet would say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubette.testing.local import LocalCluster, until

Obj = dict[str, Any]


def service(name: str = "bad", **spec: Any) -> Obj:
    port = {"port": 80, **spec.pop("port", {})}
    body = {"selector": {"app": "bad"}, "ports": [port], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def config_map(name: str = "bad", **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def create(made: LocalCluster, namespace: str, obj: Obj, *options: str) -> str:
    """What kubectl says to a creation that must fail."""
    done = made.run(
        made.kubectl_path, "create", "-n", namespace, "-f", "-", *options, stdin=yaml.safe_dump(obj), check=False
    )
    assert done.returncode != 0, done.stdout
    return done.stderr


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (
            service(port={"port": 70000}),
            "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            service(type="NodePort", port={"nodePort": 80}),
            "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
            "The range of valid ports is 30000-32767",
        ),
        (
            service(clusterIP="10.43.0.10"),
            'spec.clusterIPs: Invalid value: ["10.43.0.10"]: failed to allocate IP 10.43.0.10: '
            "provided IP is already allocated",
        ),
        (
            service(clusterIP="10.99.0.1"),
            'spec.clusterIPs: Invalid value: ["10.99.0.1"]: failed to allocate IP 10.99.0.1: '
            "the provided IP (10.99.0.1) is not in the valid range. The range of valid IPs is 10.43.0.0/16",
        ),
        (
            service(name="Bad_Name"),
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'",
        ),
        (
            {"apiVersion": "v1", "kind": "Nonsense", "metadata": {"name": "x"}},
            'no matches for kind "Nonsense" in version "v1"',
        ),
    ],
    ids=["port", "nodePort-range", "clusterIP-taken", "clusterIP-range", "name", "kind"],
)  # fmt: skip
def test_refused(two_nodes: LocalCluster, namespace: str, obj: Obj, message: str) -> None:
    said = create(two_nodes, namespace, obj)
    assert message in said, said
    assert two_nodes.get("svc", "-n", namespace)["items"] == []


def test_a_taken_node_port(two_nodes: LocalCluster, namespace: str) -> None:
    obj = service("first", type="NodePort", port={"nodePort": 30999})
    two_nodes.kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(obj))
    said = create(two_nodes, namespace, service("second", type="NodePort", port={"nodePort": 30999}))
    assert "spec.ports[0].nodePort: Invalid value: 30999: provided port is already allocated" in said
    said = create(two_nodes, namespace, obj)
    assert "provided port is already allocated" in said or 'services "first" already exists' in said, said


def test_a_second_object_of_the_same_name(two_nodes: LocalCluster, namespace: str) -> None:
    two_nodes.kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(config_map()))
    said = create(two_nodes, namespace, config_map())
    assert "(AlreadyExists)" in said and 'configmaps "bad" already exists' in said


def test_a_stale_resource_version(two_nodes: LocalCluster, namespace: str) -> None:
    two_nodes.kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(config_map(a="1")))
    old = two_nodes.get("cm", "bad", "-n", namespace)
    two_nodes.kubectl("patch", "cm", "bad", "-n", namespace, "-p", '{"data":{"a":"2"}}')
    old["data"]["a"] = "3"
    said = two_nodes.kubectl("replace", "-n", namespace, "-f", "-", stdin=json.dumps(old), check=False)
    assert (
        'Operation cannot be fulfilled on configmaps "bad": the object has been modified; '
        "please apply your changes to the latest version and try again" in said
    )
    assert two_nodes.get("cm", "bad", "-n", namespace)["data"] == {"a": "2"}


def test_wrong_types(two_nodes: LocalCluster, namespace: str) -> None:
    rc = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "x"}, "spec": {"replicas": "two"}}
    said = create(two_nodes, namespace, rc, "--validate=false")
    assert 'ReplicationController in version "v1" cannot be handled as a ReplicationController' in said, said
    assert "cannot unmarshal string into Go struct field ReplicationControllerSpec.spec.replicas of type int32" in said


def test_malformed(two_nodes: LocalCluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for body in ("{", "kind: [", "\x00\x01", "[]", '"text"'):
        said = two_nodes.kubectl("create", "--raw", path, "-f", "-", stdin=body, check=False)
        assert "error" in said.lower() and "created" not in said, (body, said)
    said = two_nodes.kubectl("create", "-n", namespace, "-f", "-", stdin="kind: [\n", check=False)
    assert "error parsing STDIN: error converting YAML to JSON" in said


def test_a_body_that_is_too_large(two_nodes: LocalCluster, namespace: str) -> None:
    said = create(two_nodes, namespace, config_map(a="x" * (3 * 1024 * 1024 + 1)), "--validate=false")
    assert "equest entity too large: limit is 3145728" in said, said
    assert two_nodes.kubectl("get", "cm", "bad", "-n", namespace, "--ignore-not-found") == ""


def test_a_target_port_that_no_pod_names(two_nodes: LocalCluster, namespace: str) -> None:
    two_nodes.kubectl("run", "bad", "-n", namespace, "--image=luksa/kubia", "--labels=app=bad")
    two_nodes.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/bad", "--timeout=30s")
    obj = service(port={"targetPort": "nosuch"})
    two_nodes.kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(obj))
    until(
        "an empty Endpoints object",
        lambda: "<none>" in two_nodes.kubectl("get", "endpoints", "bad", "-n", namespace),
    )
    ip = two_nodes.get("svc", "bad", "-n", namespace)["spec"]["clusterIP"]
    done = two_nodes.kubette("node", "exec", "node-1", "--", "curl", "-s", "--max-time", "5", ip, check=False)
    assert done.returncode == 7  # refused at once


def test_an_archive_that_is_no_image(two_nodes: LocalCluster, tmp_path: Path) -> None:
    file = tmp_path / "text.tar"
    file.write_text("not an archive")
    done = two_nodes.kubette("image", "load", str(file), check=False)
    assert done.returncode == 1 and "is not an image archive" in done.stderr and "Traceback" not in done.stderr


def test_two_hundred_containers(two_nodes: LocalCluster, namespace: str) -> None:
    containers = [{"name": f"c{i}", "image": "luksa/kubia", "command": ["sleep", "1000"]} for i in range(200)]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "many"}, "spec": {"containers": containers}}
    two_nodes.kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(pod))
    two_nodes.kubectl("run", "other", "-n", namespace, "--image=luksa/kubia")
    two_nodes.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/other", "--timeout=30s")
    two_nodes.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/many", "--timeout=110s", timeout=120)
    two_nodes.kubectl("delete", "-n", namespace, "pod/many", "--grace-period=1", timeout=120)
    containers.append(containers[0])
    assert 'spec.containers[200].name: Duplicate value: "c0"' in create(two_nodes, namespace, pod)
