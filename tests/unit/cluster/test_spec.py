"""What a local cluster may be called, which addresses it has, and that its file says the same when read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubette import clusterspec as specs
from kubette.clusterspec import ClusterError, ClusterSpec


def make(root: Path, name: str = "a", subnet: str = "172.29.3.0/24", nodes: int = 2) -> ClusterSpec:
    return ClusterSpec(name, subnet, specs.new_nodes(subnet, nodes), data_root=root)


def test_addresses(tmp_path: Path) -> None:
    spec = make(tmp_path)
    assert spec.nodes == {"node-1": "172.29.3.11", "node-2": "172.29.3.12"}
    assert spec.server_url == "https://172.29.3.2:6443"
    assert spec.kubernetes_ip == "10.43.0.1"
    assert spec.load_balancer_pool == "172.29.3.200-172.29.3.250"
    assert spec.context == "kubette-a"


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    spec = make(tmp_path)
    spec.save()
    make(tmp_path, "b", "172.29.4.0/24").save()
    assert specs.load("a", tmp_path) is not None
    assert [s.name for s in specs.known(tmp_path)] == ["a", "b"]
    loaded = specs.load("a", tmp_path)
    assert loaded is not None and (loaded.nodes, loaded.subnet) == (spec.nodes, spec.subnet)
    assert specs.load("missing", tmp_path) is None


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for text in ("{", "[]", "{}", '{"name": "a"}'):
        (tmp_path / "a" / "cluster.json").write_text(text)
        with pytest.raises(ClusterError, match=r"cluster\.json does not describe a cluster"):
            specs.load("a", tmp_path)


def test_only_its_owner_may_look_into_a_cluster(tmp_path: Path) -> None:
    spec = make(tmp_path)
    spec.save()
    assert spec.data_dir.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["", "A", "_images", "a/b", "..", "-a", "a-", "x" * 41, "a b", "a-node-1"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="cluster name"):
        specs.check_name(name)


@pytest.mark.parametrize("count", [0, -1, 101])
def test_how_many_nodes(count: int) -> None:
    with pytest.raises(ClusterError, match="1 to 100 nodes"):
        specs.new_nodes("172.29.0.0/24", count)
