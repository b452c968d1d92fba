"""``kubette proxy``: the service proxy alone, in the foreground, for this cluster or any other."""

from __future__ import annotations

from pathlib import Path

import click

from kubette.cli.common import need_root, says_why


@click.command("proxy")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Which cluster.  [default: as kubectl]")
@click.option("--node-name", required=True, help="The node that this is, as the API knows it.")
@click.option("--node-ip", "node_ips", multiple=True, required=True, help="The node's address; repeatable.")
@click.option("--pod-cidr", "pod_cidrs", multiple=True, help="This node's pods; repeatable.")
@click.option("--cluster-cidr", "cluster_cidrs", multiple=True, default=("10.42.0.0/16",), show_default=True)
@click.option("--service-cidr", "service_cidrs", multiple=True, default=("10.43.0.0/16",), show_default=True)
@click.option("--cleanup", is_flag=True, help="Remove what a proxy left in this network namespace, and end.")
@says_why
def command(
    kubeconfig: Path | None,
    node_name: str,
    node_ips: tuple[str, ...],
    pod_cidrs: tuple[str, ...],
    cluster_cidrs: tuple[str, ...],
    service_cidrs: tuple[str, ...],
    cleanup: bool,
) -> None:
    """Run the service proxy of a node in the foreground: Services into nftables."""
    from kubette import compose, proxy

    need_root()
    config = proxy.ProxyConfig(
        node_name=node_name,
        node_ips=node_ips,
        pod_cidrs=pod_cidrs,
        cluster_cidrs=cluster_cidrs,
        service_cidrs=service_cidrs,
    )
    if cleanup:
        proxy.cleanup(config)
    else:
        compose.foreground(kubeconfig, lambda client: proxy.run(client, config))
