"""``kubette start``: start a stopped cluster with what it had."""

from __future__ import annotations

from pathlib import Path

import click

from kubette.cli.common import Progress, data_dir_option, kubeconfig_option, name_option, says_why
from kubette.clusterspec import ClusterError


@click.command("start")
@name_option
@click.option("--wait/--no-wait", default=True, help="Return when it is ready, or when the API answers.")
@data_dir_option
@kubeconfig_option
@says_why
def command(name: str, wait: bool, data_root: Path, kubeconfig: Path | None) -> None:
    """Start a stopped cluster: same objects, same addresses."""
    from kubette.cli.doctor import missing
    from kubette.cluster import lifecycle

    if lack := missing():
        raise ClusterError(lack)
    lifecycle.require(name, data_root)
    spec = lifecycle.up(name, data_root, lifecycle.Options(wait=wait, kubeconfig=kubeconfig), Progress())
    click.echo(f"cluster {spec.name} is {'ready' if wait else 'starting'}")
