"""exec, attach, port-forward, cp and logs, by both kubectls: WebSocket for one, SPDY for the other."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kubette.testing.local import LocalCluster, until


@pytest.fixture
def with_kubectl(two_nodes: LocalCluster, each_kubectl: str) -> Iterator[LocalCluster]:
    """The shared cluster, asked by one of the kubectls."""
    before, two_nodes.kubectl_path = two_nodes.kubectl_path, each_kubectl
    yield two_nodes
    two_nodes.kubectl_path = before


@pytest.fixture
def pod(with_kubectl: LocalCluster, namespace: str) -> Iterator[str]:
    """``kubia`` in ``namespace``, and ``cat``, which reads its standard input."""
    cat = {"name": "cat", "image": "luksa/kubia", "command": ["cat"], "stdin": True}
    spec = {"containers": [{"name": "main", "image": "luksa/kubia"}, cat]}
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kubia"}, "spec": spec}
    with_kubectl.kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(obj))
    with_kubectl.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/kubia", "--timeout=30s")
    yield "kubia"
    with_kubectl.kubectl("delete", "-n", namespace, "pod/kubia", "--grace-period=0", "--force", check=False)


def test_exec(with_kubectl: LocalCluster, namespace: str, pod: str) -> None:
    base = (with_kubectl.kubectl_path, "exec", pod, "-c", "main", "-n", namespace)
    done = with_kubectl.run(*base, "--", "sh", "-c", "echo out; echo err >&2; exit 42", check=False)
    assert (done.returncode, done.stdout) == (42, "out\n") and done.stderr.startswith("err\n")
    text = "line\n" * 100_000
    echoed = with_kubectl.run(*base, "-i", "--", "cat", stdin=text)
    assert echoed.stdout == text


def test_debug(two_nodes: LocalCluster, namespace: str) -> None:
    """An ephemeral container that sees the processes of its target."""
    if "--profile" not in two_nodes.kubectl("debug", "--help"):
        pytest.skip("kubectl 1.20 debugs by an API that Kubernetes has given up")
    two_nodes.kubectl("run", "-n", namespace, "kubia", "--image=luksa/kubia", "--restart=Never")
    two_nodes.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/kubia", "--timeout=30s")
    look = ("--image=luksa/kubia", "--target=kubia", "--profile=general", "-c", "look")
    command = ("sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline; exit 3")
    two_nodes.kubectl("debug", "-n", namespace, "kubia", *look, "--", *command)

    def ended() -> bool:
        path = "{.status.ephemeralContainerStatuses[0].state.terminated.exitCode}"
        return two_nodes.kubectl("get", "-n", namespace, "pod/kubia", "-o", f"jsonpath={path}") == "3"

    until("the debug container has ended", ended)
    assert "kubia.py" in two_nodes.kubectl("logs", "-n", namespace, "kubia", "-c", "look")


def _read(fd: int, pattern: str, seconds: float = 15) -> str:
    """What comes from a terminal until ``pattern`` is in it."""
    got, deadline = "", time.monotonic() + seconds
    while not re.search(pattern, got):
        ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"no {pattern!r} within {seconds:g} s: {got!r}"
        got += os.read(fd, 4096).decode(errors="replace")
    return got


def test_exec_with_a_terminal(with_kubectl: LocalCluster, namespace: str, pod: str) -> None:
    main, child = pty.openpty()
    argv = [with_kubectl.kubectl_path, "exec", "-it", pod, "-c", "main", "-n", namespace, "--", "sh"]
    process = subprocess.Popen(
        argv, stdin=child, stdout=child, stderr=child, env={**os.environ, **with_kubectl.environment}
    )
    os.close(child)
    try:
        os.write(main, b"stty rows 33 cols 99; stty size; tty; echo a$((40+2))\n")
        got = _read(main, "a42")
        assert "33 99" in got and "/dev/pts/" in got, got
        os.write(main, b"exit 3\n")
        assert process.wait(15) == 3
    finally:
        process.kill()
        process.wait()
        os.close(main)


def test_attach(with_kubectl: LocalCluster, namespace: str, pod: str) -> None:
    argv = [with_kubectl.kubectl_path, "attach", "-i", pod, "-c", "cat", "-n", namespace]
    with _running(argv, with_kubectl) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"hello cat\n")
        process.stdin.flush()
        assert "hello cat" in _read(process.stdout.fileno(), "hello cat")


def test_port_forward(with_kubectl: LocalCluster, namespace: str, pod: str) -> None:
    argv = [with_kubectl.kubectl_path, "port-forward", f"pod/{pod}", ":8080", "-n", namespace]
    with _running(argv, with_kubectl) as process:
        assert process.stdout is not None
        line = _read(process.stdout.fileno(), r"127\.0\.0\.1:\d+ -> 8080")
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found is not None
        for _ in range(5):
            with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}", timeout=10) as response:
                assert response.read() == b"You've hit kubia\n"


def test_port_forward_to_where_nobody_listens(with_kubectl: LocalCluster, namespace: str, pod: str) -> None:
    argv = [with_kubectl.kubectl_path, "port-forward", f"pod/{pod}", ":9", "-n", namespace]
    with _running(argv, with_kubectl) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", _read(process.stdout.fileno(), r"127\.0\.0\.1:\d+ -> 9"))
        assert found is not None
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=10) as sock:
            assert sock.recv(1) == b""
        _read(process.stdout.fileno(), "error forwarding port 9.*127.0.0.1:9: connect: connection refused")


def test_copy_there_and_back(with_kubectl: LocalCluster, namespace: str, pod: str, tmp_path: Path) -> None:
    content = os.urandom(1_000_000)
    (tmp_path / "there").write_bytes(content)
    with_kubectl.kubectl("cp", str(tmp_path / "there"), f"{namespace}/{pod}:/tmp/file", "-c", "main")
    with_kubectl.kubectl("cp", f"{namespace}/{pod}:/tmp/file", str(tmp_path / "back"), "-c", "main")
    assert (tmp_path / "back").read_bytes() == content


def test_logs(with_kubectl: LocalCluster, namespace: str, pod: str) -> None:
    base = ("logs", pod, "-c", "main", "-n", namespace)
    until("a line", lambda: with_kubectl.kubectl(*base) == "Kubia server starting...\n", 5)
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z Kubia", with_kubectl.kubectl(*base, "--timestamps", "--tail=1"))
    with _running([with_kubectl.kubectl_path, *base, "-f"], with_kubectl) as process:
        assert process.stdout is not None
        assert _read(process.stdout.fileno(), "starting")
    with_kubectl.kubectl("exec", pod, "-c", "main", "-n", namespace, "--", "sh", "-c", "kill 1", check=False)
    until("the log of the one before", lambda: "Kubia" in with_kubectl.kubectl(*base, "--previous"))


@contextlib.contextmanager
def _running(argv: list[str], made: LocalCluster) -> Iterator[subprocess.Popen[bytes]]:
    """A kubectl that runs until the block ends."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **made.environment},
    ) as process:
        try:
            yield process
        finally:
            process.kill()
