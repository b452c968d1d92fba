"""The user's kubeconfig: our context in and out, everything else untouched."""

from __future__ import annotations

import copy
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubette.cluster import contexts, kubeconfig
from kubette.clusterspec import ClusterError, ClusterSpec

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
    kubeconfig.remove(path, "kubette-a", "kubette-a-admin", "work")
    left = yaml.safe_load(path.read_text())
    assert {k: left[k] for k in THEIRS} == THEIRS


def test_the_user_is_never_switched_to_another_cluster() -> None:
    merged = kubeconfig.merge(THEIRS, ours())
    assert kubeconfig.without(merged, "kubette-a", "kubette-a-admin")["current-context"] == ""
    assert kubeconfig.without(merged, "kubette-a", "kubette-a-admin", "gone")["current-context"] == ""
    chosen = {**merged, "current-context": "work"}
    assert kubeconfig.without(chosen, "kubette-a", "kubette-a-admin", "gone")["current-context"] == "work"


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "is not a kubeconfig"),
        ("contexts: 5\n", "is not a kubeconfig"),
        ("contexts: [a]\n", "is not a kubeconfig"),
        ("a: b\nc: [\n", r"is not YAML \(line 3\)"),
    ],
)
def test_what_is_no_kubeconfig_is_left_alone(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    for act in (kubeconfig.check, lambda path: kubeconfig.add(path, ours())):
        with pytest.raises(ClusterError, match=message) as caught:
            act(path)
        assert "\n" not in str(caught.value)
    assert path.read_text() == text


def test_of_several_files_the_one_that_kubectl_would_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("KUBECONFIG", f":{first}:{second}")
    assert kubeconfig.default_path() == second
    second.touch()
    assert kubeconfig.default_path() == second
    first.touch()
    assert kubeconfig.default_path() == first
    monkeypatch.setenv("KUBECONFIG", "")
    assert kubeconfig.default_path() == Path.home() / ".kube" / "config"


def spec(root: Path) -> ClusterSpec:
    made = ClusterSpec("a", "172.29.0.0/24", {"node-1": "172.29.0.11"}, data_root=root)
    made.save()
    return made


def test_a_context_goes_from_every_file_that_was_given_it(tmp_path: Path) -> None:
    cluster, mine, other = spec(tmp_path / "data"), tmp_path / "mine", tmp_path / "other"
    mine.write_text(yaml.safe_dump(THEIRS))
    for path in (mine, other, mine):
        contexts.enter(cluster, path, ours())
    assert yaml.safe_load(mine.read_text())["current-context"] == "kubette-a"
    contexts.leave(cluster, tmp_path / "a-third-that-is-not-there")
    assert yaml.safe_load(mine.read_text())["current-context"] == "work"
    assert not other.exists()


def test_what_the_user_chose_meanwhile_is_given_back(tmp_path: Path) -> None:
    cluster, path = spec(tmp_path / "data"), tmp_path / "config"
    path.write_text(yaml.safe_dump({**THEIRS, "current-context": ""}))
    contexts.enter(cluster, path, ours())
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "current-context": "work"}))
    contexts.enter(cluster, path, ours())
    contexts.leave(cluster, path)
    assert yaml.safe_load(path.read_text())["current-context"] == "work"


def test_a_lock_that_another_holds_is_waited_for_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "_LOCK_SECONDS", 0.0)
    (tmp_path / "config.lock").touch()
    with pytest.raises(ClusterError, match=r"config\.lock"):
        kubeconfig.add(tmp_path / "config", ours())
    assert not (tmp_path / "config").exists()


def test_sudo_writes_the_calling_users_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root alone can give files away."""
    if os.geteuid() != 0:
        pytest.skip("only root runs under sudo")
    home = tmp_path / "home"
    home.mkdir()
    caller = pwd.struct_passwd(("ann", "x", 4711, 4712, "", str(home), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {4711: caller}[uid])
    monkeypatch.setenv("SUDO_UID", "4711")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    path = kubeconfig.default_path()
    assert path == home / ".kube" / "config"
    kubeconfig.add(path, ours())
    for made in (path, path.parent):
        assert (made.stat().st_uid, made.stat().st_gid) == (4711, 4712)
    assert path.stat().st_mode & 0o777 == 0o600 and home.stat().st_uid == 0
    monkeypatch.setenv("SUDO_UID", "0")
    assert kubeconfig.default_path() == Path.home() / ".kube" / "config"
    monkeypatch.setenv("SUDO_UID", "99999")  # not in passwd
    assert kubeconfig.default_path() == Path.home() / ".kube" / "config"
