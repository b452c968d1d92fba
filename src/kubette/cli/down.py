"""``kubette down``: remove a cluster and every trace of it."""

from __future__ import annotations

from pathlib import Path

import click

from kubette.cli.common import Progress, data_dir_option, kubeconfig_option, name_option, need_root, says_why


@click.command("down")
@name_option
@data_dir_option
@kubeconfig_option
@says_why
def command(name: str, data_root: Path, kubeconfig: Path | None) -> None:
    """Remove a cluster with its data: no process, link, namespace, mount, table or context is left."""
    from kubette.cluster import lifecycle

    need_root()
    gone = lifecycle.down(name, data_root, kubeconfig, Progress())
    click.echo(f"cluster {name} is gone" if gone else f"there is no cluster {name}; kubette ls lists them")
