"""``kubette ls``: the clusters of this machine."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kubette.cli.common import data_dir_option, need_root, output_option, says_why, state


@click.command("ls")
@output_option
@data_dir_option
@says_why
def command(output: str, data_root: Path) -> None:
    """List the clusters of this machine."""
    from kubette import clusterspec as spec
    from kubette.cluster import supervisor

    need_root()
    rows = [
        {
            "name": s.name,
            "state": "running" if supervisor.running(s) else "stopped",
            "nodes": len(s.nodes),
            "server": s.server_url,
        }
        for s in spec.known(data_root)
    ]
    if output == "json":
        click.echo(json.dumps(rows))
        return
    if not rows:
        click.echo("no clusters; make one with: kubette up")
        return
    width = max(20, *(len(str(row["name"])) for row in rows))
    click.echo(f"{'NAME':<{width}} {'STATE':<10} {'NODES':<6} SERVER")
    for row in rows:
        shown = state(f"{row['state']:<10}", good=row["state"] == "running")
        click.echo(f"{row['name']:<{width}} {shown} {row['nodes']:<6} {row['server']}")
