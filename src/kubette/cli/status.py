"""``kubette status``: whether a cluster runs, and what of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from kubette.cli.common import data_dir_option, name_option, need_root, output_option, says_why, state


@click.command("status")
@name_option
@output_option
@data_dir_option
@says_why
def command(name: str, output: str, data_root: Path) -> None:
    """Say whether a cluster runs. Exits 0 when all of it does, else 1."""
    from kubette.cluster import lifecycle, status

    need_root()
    found = status.read(lifecycle.require(name, data_root))
    if output == "json":
        click.echo(json.dumps(asdict(found)))
    else:
        click.echo(f"cluster {found.name}: {state(found.state, good=found.state == 'running')}")
        click.echo(f"API server   {found.server}   context {found.context}")
        click.echo(f"cluster DNS  {state('answers' if found.dns else 'does not answer', good=found.dns)}")
        for node, condition in found.nodes.items():
            shown = state(condition, good=condition == "Ready")
            click.echo(f"{node:<12} {found.addresses.get(node, ''):<15} {shown}")
        dead = [c for c, pid in found.processes.items() if not pid and found.nodes.get(c) != "Off"]
        if dead and found.state != "stopped":
            click.echo(f"not running: {', '.join(dead)}; kubette up --name {found.name} starts what is missing")
    if found.state != "running":
        raise SystemExit(1)
