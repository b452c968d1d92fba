"""``kubette kubeconfig``: print a cluster's kubeconfig."""

from __future__ import annotations

from pathlib import Path

import click

from kubette.cli.common import data_dir_option, name_option, says_why


@click.command("kubeconfig")
@name_option
@data_dir_option
@says_why
def command(name: str, data_root: Path) -> None:
    """Print a kubeconfig for the cluster's admin, with everything in it."""
    import yaml

    from kubette.cluster import lifecycle

    spec = lifecycle.require(name, data_root)
    click.echo(yaml.safe_dump(lifecycle.user_kubeconfig(spec), sort_keys=False), nl=False)
