"""``kubette stop``: end a cluster's processes and keep its data."""

from __future__ import annotations

from pathlib import Path

import click

from kubette.cli.common import Progress, data_dir_option, name_option, need_root, says_why


@click.command("stop")
@name_option
@data_dir_option
@says_why
def command(name: str, data_root: Path) -> None:
    """Stop a cluster. Objects, ClusterIPs and node IPs are kept for `kubette start`."""
    from kubette.cluster import lifecycle

    need_root()
    spec = lifecycle.require(name, data_root)
    lifecycle.stop(spec, Progress())
    click.echo(f"cluster {name} is stopped; start it with: kubette start --name {name}")
