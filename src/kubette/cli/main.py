"""The ``kubette`` command. Loads a subcommand's module only when that subcommand is asked for: ``--help``
and ``version`` must not pay for the API server's imports."""

from __future__ import annotations

import importlib
import os

import click

from kubette import __version__

# command → what it does, as ``--help`` lists it; module ``kubette.cli.NAME`` defines it, as ``command``
COMMANDS = {
    "up": "Start a local cluster, or what is missing of it.",
    "down": "Remove a cluster and every trace of it.",
    "stop": "Stop a cluster; its data is kept.",
    "start": "Start a stopped cluster: same objects, same addresses.",
    "status": "Say whether a cluster runs.",
    "ls": "List the clusters of this machine.",
    "logs": "Print the logs of a cluster's components.",
    "kubeconfig": "Print a kubeconfig for the cluster's admin.",
    "node": "Run a command on a node; turn nodes off and on.",
    "trace": "Explain how a client reaches a pod, or why it does not.",
    "image": "Load, pull, list and remove images.",
    "doctor": "Say what this machine lacks, and how to get it.",
    "completion": "Print a completion script for your shell.",
    "version": "Print the versions.",
    "server": "The control plane in the foreground.",
    "agent": "A node in the foreground.",
    "proxy": "The service proxy in the foreground.",
    "dns": "Cluster DNS in the foreground.",
    "ingress": "The ingress controller in the foreground.",
}


class Commands(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"kubette.cli.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:  # click knows only commands that are loaded
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="kubette", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """A whole Kubernetes in one pip install. Begin with: kubette up"""
    if os.environ.get("NO_COLOR"):  # https://no-color.org; without a terminal click drops colours by itself
        ctx.color = False


if __name__ == "__main__":  # local images run it so
    main()
