"""The ``kubette`` command. Loads a subcommand's module only when that subcommand is asked for: ``--help``
and ``version`` must not pay for the API server's imports."""

from __future__ import annotations

import importlib

import click

# command → module that defines it, as ``command``
COMMANDS = {
    "up": "kubette.cli.up",
    "down": "kubette.cli.down",
    "stop": "kubette.cli.stop",
    "start": "kubette.cli.start",
    "status": "kubette.cli.status",
    "ls": "kubette.cli.ls",
    "kubeconfig": "kubette.cli.kubeconfig",
    "node": "kubette.cli.node",
    "server": "kubette.cli.server",
    "agent": "kubette.cli.agent",
    "proxy": "kubette.cli.proxy",
    "image": "kubette.cli.image",
    "ingress": "kubette.cli.ingress",
    "dns": "kubette.cli.dns",
    "doctor": "kubette.cli.doctor",
    "version": "kubette.cli.version",
}


class Commands(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[name]).command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A whole Kubernetes in one pip install."""


if __name__ == "__main__":  # local images run it so
    main()
