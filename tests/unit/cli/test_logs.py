"""``kubette logs``: lines whole and in order, across rotation."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from kubette.cli.logs import Tail
from kubette.cli.main import main
from kubette.clusterspec import ClusterSpec


def test_only_whole_lines_are_given(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    tail = Tail(log)
    assert list(tail.new()) == []  # there is no file yet
    log.write_text("one\ntw")
    assert list(tail.new()) == ["one"]
    with log.open("a") as file:
        file.write("o\nthree\n")
    assert list(tail.new()) == ["two", "three"]


@pytest.mark.parametrize("rotate", ["renamed", "truncated"])
def test_a_rotated_file_is_read_from_its_start(tmp_path: Path, rotate: str) -> None:
    log = tmp_path / "server.log"
    log.write_text("a long first line\n")
    tail = Tail(log)
    assert list(tail.past(None)) == ["a long first line"]
    if rotate == "renamed":
        log.rename(tmp_path / "server.log.1")
    log.write_text("new\n")
    assert list(tail.new()) == ["new"]
    assert list(Tail(log).past(2)) == (["a long first line", "new"] if rotate == "renamed" else ["new"])
    assert list(Tail(log).past(1)) == ["new"]
    assert list(Tail(log).past(0)) == []


def test_the_last_lines_before_a_rotation_are_followed(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("one\n")
    tail = Tail(log)
    assert list(tail.new()) == ["one"]
    with log.open("a") as file:
        file.write("two\n")
    log.rename(tmp_path / "server.log.1")
    log.write_text("three\n")
    assert list(tail.new()) == ["two", "three"]


def test_each_line_names_its_component(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubette.cli.logs.need_root", lambda: None)
    spec = ClusterSpec("a", "172.29.9.0/24", {"node-1": "172.29.9.11"}, tmp_path)
    spec.save()
    spec.logs_dir.mkdir()
    (spec.logs_dir / "server.log").write_text("serving\n")
    (spec.logs_dir / "node-1.log").write_text("ready\n")
    words = ["logs", "--name", "a", "--data-dir", str(tmp_path)]
    assert CliRunner().invoke(main, words).output == "server     | serving\nnode-1     | ready\n"
    assert CliRunner().invoke(main, [*words, "node-1"]).output == "ready\n"
    wrong = CliRunner().invoke(main, [*words, "node-2"])
    assert wrong.exit_code == 1
    assert wrong.stderr == "kubette: cluster a has no component 'node-2'; it has supervisor, server, node-1\n"
