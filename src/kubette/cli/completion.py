"""``kubette completion``: the script by which a shell completes commands, clusters, nodes and pods."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a completion script for SHELL. For bash, put into ~/.bashrc: source <(kubette completion bash)

    zsh: the same line in ~/.zshrc, with zsh for bash. fish: kubette completion fish | source
    """
    completer = get_completion_class(shell)
    assert completer is not None  # click ships all three
    click.echo(completer(ctx.find_root().command, {}, "kubette", "_KUBETTE_COMPLETE").source())
