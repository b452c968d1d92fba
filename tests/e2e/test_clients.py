"""The public Python clients: list, create, watch, exec, logs."""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from kubette.testing.local import LocalCluster, until

# Their own warnings are theirs to mend.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What they leave open is closed here, not in somebody else's test."""
    yield
    gc.collect()


def pod(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "luksa/kubia"}]},
    }


def test_kubernetes(two_nodes: LocalCluster, namespace: str) -> None:
    from kubernetes import client, config, stream, watch

    api_client = config.new_client_from_config(str(two_nodes.kubeconfig))
    with contextlib.closing(api_client):
        core = client.CoreV1Api(api_client)
        assert {n.metadata.name for n in core.list_node().items} == {"node-1", "node-2"}
        core.create_namespaced_pod(namespace, pod("a"))
        phases = []
        for event in watch.Watch().stream(core.list_namespaced_pod, namespace, timeout_seconds=30):
            phases.append(event["object"].status.phase)
            if phases[-1] == "Running":
                break
        assert phases[0] == "Pending" and phases[-1] == "Running"
        out = stream.stream(
            core.connect_get_namespaced_pod_exec, "a", namespace, command=["echo", "hi"],
            stdout=True, stderr=True, stdin=False, tty=False,
        )  # fmt: skip
        assert out == "hi\n"
        until("logs", lambda: "Kubia server starting" in core.read_namespaced_pod_log("a", namespace), 5)
        core.delete_namespaced_pod("a", namespace, grace_period_seconds=0)
        with pytest.raises(client.ApiException) as error:
            core.read_namespaced_pod("b", namespace)
        assert error.value.status == 404 and 'pods \\"b\\" not found' in error.value.body


def test_lightkube(two_nodes: LocalCluster, namespace: str) -> None:
    from lightkube import ApiError, Client, KubeConfig
    from lightkube.models.core_v1 import Container, PodSpec
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import Node, Pod

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = Client(config=KubeConfig.from_file(str(two_nodes.kubeconfig)), namespace=namespace)
    assert {n.metadata.name for n in client.list(Node)} == {"node-1", "node-2"}
    client.create(
        Pod(metadata=ObjectMeta(name="a"), spec=PodSpec(containers=[Container(name="main", image="luksa/kubia")]))
    )
    for _, obj in client.watch(Pod, server_timeout=30):
        if obj.status.phase == "Running":
            break
    else:
        pytest.fail("the watch ended before the pod ran")
    until("logs", lambda: "Kubia server starting" in "".join(client.log("a")), 5)
    client.delete(Pod, "a", grace_period=0)
    with pytest.raises(ApiError) as error:
        client.get(Pod, "b")
    assert error.value.status.reason == "NotFound"


async def test_kr8s(two_nodes: LocalCluster, namespace: str) -> None:
    import kr8s
    from kr8s.asyncio.objects import Pod

    api = await kr8s.asyncio.api(kubeconfig=str(two_nodes.kubeconfig), namespace=namespace)
    assert {n.name async for n in api.get("nodes")} == {"node-1", "node-2"}
    made = await Pod(pod("a"), namespace=namespace, api=api)
    await made.create()
    async for _, obj in api.watch("pods", namespace=namespace):
        if obj.status.get("phase") == "Running":
            break
    done = await made.exec(["echo", "hi"])
    assert done.stdout == b"hi\n"
    until("logs", lambda: "Kubia server starting" in two_nodes.kubectl("logs", "a", "-n", namespace), 5)
    lines = [line async for line in made.logs()]
    assert lines[0].startswith("Kubia server starting")
    await made.delete(propagation_policy="Background")
    with pytest.raises(kr8s.NotFoundError):
        await Pod.get("b", namespace=namespace, api=api, timeout=1)
