"""``kubette up``: start a local cluster, or what is missing of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from kubette.cli.common import Progress, data_dir_option, kubeconfig_option, name_option, says_why
from kubette.clusterspec import ClusterError

NO_KUBECTL = (
    "kubette: there is no kubectl in PATH. Install one, such as Debian's: apt-get install kubernetes-client. "
    "Client libraries need none."
)


@click.command("up")
@name_option
@click.option("--nodes", type=int, default=None, metavar="K", help="How many nodes [default: 1, or as it is].")
@click.option("--wait/--no-wait", default=True, help="Return when it is ready, or when the API answers.")
@click.option("--ingress/--no-ingress", default=None, help="With the Ingress add-on [default: with].")
@click.option(
    "--resolv-conf",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    envvar="KUBETTE_RESOLV_CONF",
    show_envvar=True,
    help="The nodes' own resolv.conf [default: /etc/resolv.conf].",
)
@data_dir_option
@kubeconfig_option
@says_why
def command(
    name: str,
    nodes: int | None,
    wait: bool,
    ingress: bool | None,
    resolv_conf: Path | None,
    data_root: Path,
    kubeconfig: Path | None,
) -> None:
    """Start a local cluster. Ready means: the API answers, every node is Ready, cluster DNS resolves.

    Run it again to start what is missing. With another --nodes, a cluster that exists grows, or drains and removes the
    nodes with the highest numbers. A second cluster needs only another --name.
    """
    from kubette.cli.doctor import missing
    from kubette.cluster import lifecycle

    if lack := missing():
        raise ClusterError(lack)
    options = lifecycle.Options(nodes, ingress, resolv_conf, wait, kubeconfig)
    spec = lifecycle.up(name, data_root, options, Progress())
    if shutil.which("kubectl") is None:
        click.echo(NO_KUBECTL, err=True)
    click.echo(f"cluster {spec.name} is {'ready' if wait else 'starting'}: kubectl --context {spec.context} get nodes")
