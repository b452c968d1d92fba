"""``kubette kubeconfig``: print a cluster's kubeconfig."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kubette.cli.common import data_dir_option, name_option, need_root, says_why


@click.command("kubeconfig")
@name_option
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", help="How to print it.")
@data_dir_option
@says_why
def command(name: str, output: str, data_root: Path) -> None:
    """Print a kubeconfig for the cluster's admin, with everything in it."""
    from kubette.cluster import lifecycle

    need_root()
    document = lifecycle.user_kubeconfig(lifecycle.require(name, data_root))
    if output == "json":
        click.echo(json.dumps(document))
    else:
        import yaml

        click.echo(yaml.safe_dump(document, sort_keys=False), nl=False)
