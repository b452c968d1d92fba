"""The command itself: what it lists, how it fails, and that it loads no more than it needs."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kubette import __version__
from kubette.cli import common
from kubette.cli.main import COMMANDS, main
from kubette.clusterspec import ClusterError


def test_an_unknown_command_is_one_clear_error() -> None:
    result = CliRunner().invoke(main, ["nonsense"])
    assert result.exit_code == 2
    assert "No such command 'nonsense'" in result.output


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["stats"], "one of: 'start', 'status'"),
        (["nod"], "'node'"),
        (["image", "lod"], "'load'"),
        (["node", "strat"], "'start'"),
    ],
)
def test_a_mistyped_command_gets_a_suggestion(words: list[str], near: str) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2 and f"Did you mean {near}" in result.output


def test_version_option() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"kubette {__version__}\n"


def test_version_names_the_kubernetes_it_speaks() -> None:
    assert json.loads(CliRunner().invoke(main, ["version", "-o", "json"]).output)["kubernetes"] == "v1.36.0"


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


EVERY = list(commands(main))


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(path) for path, _ in EVERY])
def test_every_command_has_help(path: tuple[str, ...], command: click.Command) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0 and result.output.startswith("Usage: ") and command.help
    assert all(o.help or o.metavar or o.show_default for o in command.params if isinstance(o, click.Option))


def test_help_lists_every_command_and_loads_none() -> None:
    code = (
        "import sys; from kubette.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(sorted(m for m in sys.modules if m.startswith('kubette.') or m == 'asyncio'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['kubette.cli', 'kubette.cli.main']"
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ClusterError("there is no cluster 'a'"), "there is no cluster 'a'"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/a"), "no space left on device: /x/a"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/a"), "permission denied: /x/a; run it as root"),
        (OSError("no free /24 is left"), "no free /24 is left"),
    ],
)
def test_what_may_fail_fails_in_one_sentence(error: Exception, sentence: str) -> None:
    @click.command()
    @common.says_why
    def command() -> None:
        raise error

    result = CliRunner().invoke(command)
    assert (result.exit_code, result.stderr) == (1, f"kubette: {sentence}\n")


def test_what_is_asked_wrongly_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubette.cli.doctor.missing", lambda: None)
    kubeconfig, broken = tmp_path / "config", tmp_path / "broken"
    broken.write_text("[")
    for words, message in (
        (["--nodes", "0"], "a local cluster has 1 to 100 nodes, not 0"),
        (["--nodes", "-1"], "a local cluster has 1 to 100 nodes, not -1"),
        (["--name", "A"], "cluster name 'A' must be"),
        (["--name", "a-node-1"], "must not end like a node"),
        (["--resolv-conf", str(tmp_path / "none")], "there is no file"),
        (["--kubeconfig", str(broken)], "is not YAML"),
        (["--data-dir", str(broken / "below")], "ot a directory"),
    ):
        given = ["up", "--name", "wrong", "--data-dir", str(tmp_path / "data"), "--kubeconfig", str(kubeconfig)]
        result = CliRunner().invoke(main, [*given, *words])
        *progress, sentence = result.stderr.splitlines()  # others may hold the machine's lock: that is said before
        assert result.exit_code == 1 and message in sentence, result.output
        assert all("waiting for another kubette command" in line for line in progress), result.output
    assert sorted(tmp_path.iterdir()) == [broken]
