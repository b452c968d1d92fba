"""The public Python clients: list, create, patch, watch, exec, logs, port-forward, delete; and the server killed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
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


REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def answer(sock: Any) -> bytes:
    sock.settimeout(10)
    sock.sendall(REQUEST)
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


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
        forward = stream.portforward(core.connect_get_namespaced_pod_portforward, "a", namespace, ports="8080,8081")
        assert b"You've hit a" in answer(forward.socket(8080))
        assert "error forwarding port 8081" in until("an error", lambda: forward.error(8081), 5)
        labelled = core.patch_namespaced_pod("a", namespace, {"metadata": {"labels": {"more": "yes"}}})
        assert labelled.metadata.labels == {"app": "a", "more": "yes"}
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
    patched = client.patch(Pod, "a", {"metadata": {"labels": {"more": "yes"}}})
    assert patched.metadata is not None and patched.metadata.labels == {"more": "yes"}
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
    async with made.portforward(8080) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        assert b"You've hit a" in await asyncio.wait_for(reader.read(), 10)
        writer.close()
    await made.label(more="yes")
    assert made.labels == {"app": "a", "more": "yes"}
    until("logs", lambda: "Kubia server starting" in two_nodes.kubectl("logs", "a", "-n", namespace), 5)
    lines = [line async for line in made.logs()]
    assert lines[0].startswith("Kubia server starting")
    await made.delete(propagation_policy="Background")
    with pytest.raises(kr8s.NotFoundError):
        await Pod.get("b", namespace=namespace, api=api, timeout=1)


def follow_kubernetes(kubeconfig: str, namespace: str) -> Iterator[str]:
    from kubernetes import client, config, watch

    core = client.CoreV1Api(config.new_client_from_config(kubeconfig))
    listed = core.list_namespaced_config_map(namespace)
    yield from (item.metadata.name for item in listed.items)
    events = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, resource_version=listed.metadata.resource_version
    )
    yield from (event["object"].metadata.name for event in events)


def follow_lightkube(kubeconfig: str, namespace: str) -> Iterator[str]:
    from lightkube import Client, KubeConfig
    from lightkube.resources.core_v1 import ConfigMap
    from lightkube.types import OnErrorAction, OnErrorResult

    client = Client(config=KubeConfig.from_file(kubeconfig), namespace=namespace)
    for _, obj in client.watch(ConfigMap, on_error=lambda error, count: OnErrorResult(OnErrorAction.RETRY, 1)):
        yield obj.metadata.name


def follow_kr8s(kubeconfig: str, namespace: str) -> Iterator[str]:
    import kr8s

    api = kr8s.api(kubeconfig=kubeconfig, namespace=namespace)
    for _, obj in api.watch("configmaps", namespace=namespace):
        yield obj.name


FOLLOW = {"kubernetes": follow_kubernetes, "lightkube": follow_lightkube, "kr8s": follow_kr8s}


def follower(which: str, kubeconfig: str, namespace: str, seen: str) -> None:
    """This file as a process: writes down each name it comes to know; a watch that broke is begun again."""
    while True:
        with contextlib.suppress(Exception), Path(seen).open("a") as out:
            for name in FOLLOW[which](kubeconfig, namespace):
                out.write(name + "\n")
                out.flush()
        time.sleep(0.2)


@contextlib.contextmanager
def following(kubeconfig: Path, namespace: str, directory: Path) -> Iterator[Callable[[set[str]], bool]]:
    """Whether every client knows all of those names. The clients are processes, which end with this."""
    files = {which: directory / which for which in FOLLOW}
    for file in files.values():
        file.touch()
    command = [sys.executable, "-W", "ignore", __file__]
    children = [
        subprocess.Popen([*command, which, str(kubeconfig), namespace, str(file)], stderr=subprocess.DEVNULL)
        for which, file in files.items()
    ]
    try:
        yield lambda names: all(names <= set(file.read_text().split()) for file in files.values())
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_watches_lose_nothing_when_the_server_is_killed(
    two_nodes: LocalCluster, namespace: str, tmp_path: Path
) -> None:
    names: set[str] = set()
    with following(two_nodes.kubeconfig, namespace, tmp_path) as all_know:
        for turn in range(3):
            for n in range(5):
                name = f"m{turn}-{n}"
                two_nodes.kubectl("create", "configmap", name, "-n", namespace)
                names.add(name)
            if turn != 1:  # once the next is written while nobody may be watching yet
                until("everybody knows", lambda: all_know(names), 30)
            os.kill(two_nodes.pid("server"), signal.SIGKILL)
            until("the server is back", lambda: two_nodes.kubectl("get", "--raw", "/readyz", check=False) == "ok", 20)
        until("everybody knows", lambda: all_know(names), 30)
    left = two_nodes.kubectl("get", "configmaps", "-n", namespace, "-o", "name").split()
    assert {line.partition("/")[2] for line in left} - {"kube-root-ca.crt"} == names, "acknowledged is there"


if __name__ == "__main__":
    follower(*sys.argv[1:])
