"""Images from an archive and from a registry on loopback, and pods that run from them."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubette.testing.local import KUBETTE, LocalCluster, until

BUSYBOX = shutil.which("busybox", path="/bin:/usr/bin")
pytestmark = [
    pytest.mark.skipif(BUSYBOX is None, reason="needs busybox-static"),
    pytest.mark.skipif(shutil.which("docker-registry") is None, reason="needs docker-registry"),
]


def _tar(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return out.getvalue()


def docker_archive(file: Path, reference: str) -> None:
    """A docker-archive as ``docker save`` writes it, made by hand: busybox, which says hello and sleeps."""
    assert BUSYBOX is not None
    names = ("sh", "sleep", "cat", "echo", "env")
    layer = _tar({"bin/busybox": Path(BUSYBOX).read_bytes()}, {f"bin/{name}": "busybox" for name in names})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin", "GREETING=hello"], "Cmd": ["/bin/sh", "-c", "echo $GREETING; sleep 1000"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    body = json.dumps(config).encode()
    name = f"{hashlib.sha256(body).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    file.write_bytes(_tar({"manifest.json": json.dumps(manifest).encode(), name: body, "layer.tar": layer}))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """host:port of a registry that holds ``hello:v1``."""
    with tempfile.TemporaryDirectory(prefix="kubette-registry-") as directory:
        address = f"127.0.0.1:{_free_port()}"
        config = Path(directory, "config.yml")
        config.write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {directory}/data}}}}\nhttp: {{addr: '{address}'}}\n"
        )
        archive = Path(directory, "hello.tar")
        docker_archive(archive, "example.com/hello:v1")
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            copy = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--retry-times=5"]
            source, target = f"docker-archive:{archive}", f"docker://{address}/hello:v1"
            subprocess.run([*copy, source, target], check=True, timeout=60)
            yield address
        finally:
            process.terminate()
            process.wait(10)


def pod(made: LocalCluster, namespace: str, name: str, image: str, **container: Any) -> None:
    spec = {"containers": [{"name": "main", "image": image, **container}], "terminationGracePeriodSeconds": 0}
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    made.kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(obj))


def says_hello(made: LocalCluster, namespace: str, name: str) -> None:
    made.kubectl("wait", "-n", namespace, "--for=condition=Ready", f"pod/{name}", "--timeout=10s", check=False)
    assert "1/1" in made.kubectl("get", "pod", name, "-n", namespace), made.kubectl(
        "describe", "pod", name, "-n", namespace
    )
    until("hello in its log", lambda: made.kubectl("logs", name, "-n", namespace) == "hello\n", 5)


def test_load(two_nodes: LocalCluster, namespace: str, tmp_path: Path) -> None:
    docker_archive(tmp_path / "hello.tar", "example.com/loaded:v1")
    done = two_nodes.kubette("image", "load", str(tmp_path / "hello.tar"))
    assert done.stdout == "loaded example.com/loaded:v1\n"
    pod(two_nodes, namespace, "loaded", "example.com/loaded:v1")
    says_hello(two_nodes, namespace, "loaded")
    references = [i["references"] for i in json.loads(two_nodes.kubette("image", "ls", "-o", "json").stdout)]
    assert ["example.com/loaded:v1"] in references
    assert "in use by a container" in two_nodes.kubette("image", "rm", "example.com/loaded:v1", check=False).stderr
    two_nodes.kubectl("delete", "pod", "loaded", "-n", namespace)
    until("removable", lambda: not two_nodes.kubette("image", "rm", "example.com/loaded:v1", check=False).returncode)


def test_load_from_a_pipe(two_nodes: LocalCluster, tmp_path: Path) -> None:
    docker_archive(tmp_path / "piped.tar", "example.com/piped:v1")
    load = [KUBETTE, "image", "load", "--data-dir", str(two_nodes.data), "-"]
    with (tmp_path / "piped.tar").open("rb") as archive, subprocess.Popen(
        ["cat"], stdin=archive, stdout=subprocess.PIPE
    ) as cat:
        done = subprocess.run(load, stdin=cat.stdout, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "loaded example.com/piped:v1\n"), done.stderr
    two_nodes.kubette("image", "rm", "example.com/piped:v1")
    empty = subprocess.run(load, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert empty.returncode == 1 and empty.stderr.startswith("kubette: standard input is not an image archive: ")
    assert not list((two_nodes.data / "_images").glob(".stdin-*"))


def test_pull(two_nodes: LocalCluster, namespace: str, registry: str) -> None:
    two_nodes.kubette("image", "pull", f"{registry}/hello:v1")
    pod(two_nodes, namespace, "always", f"{registry}/hello:v1", imagePullPolicy="Always")
    says_hello(two_nodes, namespace, "always")
    status = two_nodes.get("pod", "always", "-n", namespace)["status"]["containerStatuses"][0]
    digest = status["imageID"].rpartition("@")[2]
    assert status["imageID"].startswith(registry) and digest.startswith("sha256:"), status["imageID"]
    pod(two_nodes, namespace, "digest", f"{registry}/hello@{digest}")
    says_hello(two_nodes, namespace, "digest")
    events = two_nodes.kubectl("get", "events", "-n", namespace)
    assert f'Pulling image "{registry}/hello:v1"' in events and "Successfully pulled image" in events


def test_an_image_that_does_not_exist(two_nodes: LocalCluster, namespace: str, registry: str) -> None:
    pod(two_nodes, namespace, "none", f"{registry}/none:v1")

    def waiting() -> str:
        statuses = two_nodes.get("pod", "none", "-n", namespace)["status"].get("containerStatuses") or [{}]
        return str(statuses[0].get("state", {}).get("waiting", {}).get("reason"))

    until("ErrImagePull or ImagePullBackOff", lambda: waiting() in ("ErrImagePull", "ImagePullBackOff"))
    until("ImagePullBackOff", lambda: waiting() == "ImagePullBackOff")
    events = two_nodes.kubectl("get", "events", "-n", namespace)
    assert f'Failed to pull image "{registry}/none:v1"' in events and "Error: ErrImagePull" in events
    assert f'Back-off pulling image "{registry}/none:v1"' in events
    pod(two_nodes, namespace, "never", f"{registry}/other:v1", imagePullPolicy="Never")
    until("ErrImageNeverPull", lambda: "ErrImageNeverPull" in two_nodes.kubectl("get", "pod", "-n", namespace))
    done = two_nodes.kubette("image", "pull", f"{registry}/none:v1", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
