"""``kubette server``: the control plane in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from kubette.cli.common import says_why
from kubette.clusterspec import ClusterError


@click.command("server")
@click.option("--data-dir", type=click.Path(path_type=Path), required=True, help="Datastore and certificates.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Where the API listens.")
@click.option("--port", type=click.IntRange(1, 65535), default=6443, show_default=True)
@click.option("--pod-cidr", default="10.42.0.0/16", show_default=True)
@click.option("--service-cidr", default="10.43.0.0/16", show_default=True)
@click.option("--load-balancer-pool", default="", help="Addresses for load balancers: FROM-TO or a CIDR.")
@says_why
def command(
    data_dir: Path, address: str, port: int, pod_cidr: str, service_cidr: str, load_balancer_pool: str
) -> None:
    """Run API server, controllers and scheduler in the foreground.

    The admin's kubeconfig is written to DATA_DIR/admin.kubeconfig.
    """
    import ipaddress
    import json

    from kubette import compose
    from kubette.apiserver import pki

    try:
        first = str(ipaddress.ip_network(service_cidr)[1])
    except ValueError as error:
        raise ClusterError(f"--service-cidr: {error}") from error
    files = pki.ensure_pki(data_dir / "pki", [address, first])
    url = f"https://{address}:{port}"
    config = pki.kubeconfig(url, files.ca.cert, files.client("admin"))
    pki.write_private(data_dir / "admin.kubeconfig", json.dumps(config).encode())

    def served() -> None:
        click.echo(f"serving at {url}; kubectl --kubeconfig {data_dir}/admin.kubeconfig get namespaces", err=True)

    try:
        compose.serve_control_plane(data_dir, url, pod_cidr, service_cidr, load_balancer_pool, served)
    except ExceptionGroup as group:  # not except*, which wraps what is raised in it into another group
        if (refused := group.subgroup(OSError)) is None:
            raise
        raise ClusterError(f"cannot serve at {url}: {_first(refused)}") from group


def _first(group: BaseException) -> BaseException:
    """The first exception in a group of groups."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
