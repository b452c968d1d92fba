"""The user's kubeconfig: our context in and out, everything else untouched."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubette.cluster import kubeconfig
from kubette.clusterspec import ClusterError

THEIRS: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "work", "cluster": {"server": "https://work"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "current-context": "work",
}


def ours(server: str = "https://one") -> dict[str, Any]:
    return {
        "clusters": [{"name": "kubette-a", "cluster": {"server": server}}],
        "users": [{"name": "kubette-a-admin", "user": {}}],
        "contexts": [{"name": "kubette-a", "context": {"cluster": "kubette-a", "user": "kubette-a-admin"}}],
        "current-context": "kubette-a",
    }


def test_in_and_out_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(THEIRS))
    kubeconfig.add(path, ours())
    merged = yaml.safe_load(path.read_text())
    assert [c["name"] for c in merged["contexts"]] == ["work", "kubette-a"]
    assert merged["current-context"] == "kubette-a"
    assert path.stat().st_mode & 0o777 == 0o600
    kubeconfig.remove(path, "kubette-a", "kubette-a-admin")
    left = yaml.safe_load(path.read_text())
    assert {k: left[k] for k in THEIRS} == THEIRS


def test_a_second_time_replaces() -> None:
    before = copy.deepcopy(THEIRS)
    twice = kubeconfig.merge(kubeconfig.merge(THEIRS, ours()), ours("https://two"))
    assert [c["cluster"]["server"] for c in twice["clusters"]] == ["https://work", "https://two"]
    assert before == THEIRS


def test_a_file_of_our_own_goes_with_us(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    kubeconfig.add(path, ours())
    kubeconfig.remove(path, "kubette-a", "kubette-a-admin")
    assert not path.exists()
    assert list(path.parent.iterdir()) == []


def test_what_is_no_kubeconfig_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("- a\n")
    with pytest.raises(ClusterError, match="is no kubeconfig"):
        kubeconfig.add(path, ours())
    assert path.read_text() == "- a\n"


def test_a_lock_that_another_holds_is_waited_for_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "_LOCK_SECONDS", 0.0)
    (tmp_path / "config.lock").touch()
    with pytest.raises(ClusterError, match=r"config\.lock"):
        kubeconfig.add(tmp_path / "config", ours())
    assert not (tmp_path / "config").exists()
