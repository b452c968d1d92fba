"""What the shell is offered, asked as the shell asks: through click's own protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from kubette.cli import completions
from kubette.cli.main import main
from kubette.clusterspec import ClusterSpec


@pytest.fixture
def data(tmp_path: Path) -> str:
    for name, nodes in (("alpha", 2), ("beta", 1)):
        addresses = {f"node-{i}": f"172.29.9.{10 + i}" for i in range(1, nodes + 1)}
        ClusterSpec(name, "172.29.9.0/24", addresses, tmp_path).save()
    return str(tmp_path)


def offered(words: list[str], incomplete: str) -> list[str]:
    shell = ShellComplete(main, {}, "kubette", "_KUBETTE_COMPLETE")
    return [item.value for item in shell.get_completions(words, incomplete)]


def test_commands() -> None:
    assert offered([], "st") == ["stop", "start", "status"]
    assert offered(["image"], "") == ["load", "ls", "pull", "rm"]


def test_clusters_nodes_and_components(data: str) -> None:
    assert offered(["status", "--data-dir", data, "--name"], "") == ["alpha", "beta"]
    assert offered(["node", "stop", "--data-dir", data, "--name", "alpha"], "") == ["node-1", "node-2"]
    assert offered(["logs", "--data-dir", data, "--name", "beta"], "s") == ["supervisor", "server"]
    assert offered(["node", "stop", "--data-dir", data, "--name", "none"], "") == []


def test_what_trace_takes(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Api:
        def __init__(self, spec: ClusterSpec, seconds: float) -> None: ...
        def __enter__(self) -> Api:
            return self

        def __exit__(self, *_: object) -> None: ...
        def get(self, path: str) -> Any:
            kind = path.partition("?")[0].rpartition("/")[2]
            return {"items": [{"metadata": {"name": f"{kind}-of-{'shop' if '/shop/' in path else 'default'}"}}]}

    monkeypatch.setattr("kubette.cluster.adminapi.Api", Api)
    trace = ["trace", "--data-dir", data, "--name", "beta"]
    assert offered(trace, "") == ["outside", "node/node-1", "pod/pods-of-default"]
    assert offered([*trace, "-n", "shop", "outside"], "s") == ["svc/services-of-shop"]


def test_a_cluster_that_does_not_answer_offers_what_is_known(data: str) -> None:
    assert offered(["trace", "--data-dir", data, "--name", "none"], "") == ["outside"]
    assert completions._API_SECONDS <= 1.0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0 and f"_KUBETTE_COMPLETE={shell}_complete" in done.output
