"""``kubette node``: run a command on a node, and turn nodes off and on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import click

from kubette.cli import completions
from kubette.cli.common import data_dir_option, name_option, need_root, says_why
from kubette.clusterspec import ClusterError


@click.group("node")
def command() -> None:
    """Work with the nodes of a local cluster."""


@command.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@name_option
@data_dir_option
@click.argument("node", shell_complete=completions.nodes)
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD...")
@says_why
def exec_(name: str, data_root: Path, node: str, argv: tuple[str, ...]) -> None:
    """Run CMD on NODE: in its network, with this machine's files. The exit code is CMD's."""
    from kubette.cluster import lifecycle
    from kubette.network import local, netns

    need_root()
    argv = argv[1:] if argv[0] == "--" else argv
    if not argv:
        raise ClusterError("there is no command to run: kubette node exec NODE -- CMD")
    spec = lifecycle.require(name, data_root)
    if node not in spec.nodes:
        raise ClusterError(f"cluster {name} has no node {node!r}; it has {', '.join(spec.nodes)}")
    path = local.namespace(name, node)
    if not path.exists():
        raise ClusterError(f"cluster {name} is stopped; start it with: kubette start --name {name}")
    netns.enter(path)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)
    except FileNotFoundError:
        click.echo(f"kubette: {argv[0]}: there is no such program", err=True)
        raise SystemExit(127) from None  # as a shell says it
    except OSError as error:
        click.echo(f"kubette: {argv[0]} cannot be run: {error.strerror}", err=True)
        raise SystemExit(126) from None


@command.command("stop")
@name_option
@data_dir_option
@click.argument("node", shell_complete=completions.nodes)
@says_why
def stop(name: str, data_root: Path, node: str) -> None:
    """Turn NODE off, as if its power had gone."""
    from kubette.cluster import lifecycle

    need_root()
    lifecycle.node_stop(lifecycle.require(name, data_root), node)
    click.echo(f"node {node} is off")


@command.command("start")
@name_option
@data_dir_option
@click.argument("node", shell_complete=completions.nodes)
@says_why
def start(name: str, data_root: Path, node: str) -> None:
    """Turn NODE on again."""
    from kubette.cluster import lifecycle

    need_root()
    lifecycle.node_start(lifecycle.require(name, data_root), node)
    click.echo(f"node {node} is on")
