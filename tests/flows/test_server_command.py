"""``kubette server``: a control plane in the foreground, from its first line to SIGTERM."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubette.api.kinds import resource
from kubette.client.config import ClientConfig
from kubette.client.http import Client

KUBETTE = str(Path(sys.executable).with_name("kubette"))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    words = (KUBETTE, "server", "--data-dir", str(tmp_path / "one"), "--port", str(port))
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            assert line.startswith(f"serving at https://127.0.0.1:{port}; kubectl --kubeconfig {tmp_path}/one/"), line
            yield process, port
        finally:
            process.kill()


async def test_it_serves_who_has_its_kubeconfig(tmp_path: Path, served: tuple[subprocess.Popen[str], int]) -> None:
    process, _ = served
    file = tmp_path / "one" / "admin.kubeconfig"
    assert file.stat().st_mode & 0o777 == 0o600
    async with Client(ClientConfig.load(file)) as client:
        names = {item["metadata"]["name"] for item in (await client.list(resource("namespaces")))["items"]}
    assert {"default", "kube-system"} <= names
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0


def test_what_is_taken_is_told_in_one_sentence(tmp_path: Path, served: tuple[subprocess.Popen[str], int]) -> None:
    _, port = served
    for directory, where, message in (
        ("two", port, "address already in use"),
        ("one", free_port(), "state.db: another process has it open"),
    ):
        words = (KUBETTE, "server", "--data-dir", str(tmp_path / directory), "--port", str(where))
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith(f"kubette: cannot serve at https://127.0.0.1:{where}: ")
