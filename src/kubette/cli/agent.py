"""``kubette agent``: a node in the foreground; the node is this machine, or the namespace that it runs in."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from kubette.cli.common import need_root, says_why
from kubette.clusterspec import DATA_ROOT, RUN_ROOT, images_dir


@click.command("agent")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Which cluster.  [default: as kubectl]")
@click.option("--node-name", default=socket.gethostname, show_default="the host name", help="The node's name.")
@click.option("--node-ip", required=True, help="The node's address, on which its node API listens.")
@click.option("--ca", type=click.Path(path_type=Path), required=True, help="CA of the node API's clients.")
@click.option("--tls-cert", type=click.Path(path_type=Path), required=True, help="The node API's certificate.")
@click.option("--tls-key", type=click.Path(path_type=Path), required=True, help="Its key.")
@click.option("--cluster-dns", default="10.43.0.10", show_default=True)
@click.option("--cluster-domain", default="cluster.local", show_default=True)
@click.option("--cluster-cidr", default="10.42.0.0/16", show_default=True, help="The cluster's pods.")
@click.option("--resolv-conf", type=click.Path(path_type=Path), default="/etc/resolv.conf", show_default=True)
@click.option("--link", default="eth0", show_default=True, help="The interface towards the other nodes.")
@click.option("--data-dir", type=click.Path(path_type=Path), default=DATA_ROOT / "agent", show_default=True)
@click.option(
    "--pull-netns", type=click.Path(path_type=Path), default="/proc/self/ns/net", show_default="the agent's own",
    help="Network namespace to pull images in.",
)
@says_why
def command(
    kubeconfig: Path | None,
    node_name: str,
    node_ip: str,
    ca: Path,
    tls_cert: Path,
    tls_key: Path,
    cluster_dns: str,
    cluster_domain: str,
    cluster_cidr: str,
    resolv_conf: Path,
    link: str,
    data_dir: Path,
    pull_netns: Path,
) -> None:
    """Run a node's agent in the foreground. Its service proxy is `kubette proxy`."""
    from kubette import agent, compose
    from kubette.runtime.images import ImageStore

    need_root()
    config = agent.AgentConfig(
        node_name=node_name,
        node_ips=(node_ip,),
        cluster="agent",
        data_dir=data_dir,
        run_dir=RUN_ROOT / "agent" / node_name,
        ca_cert=ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
        cluster_dns=(cluster_dns,),
        cluster_domain=cluster_domain,
        resolv_conf=resolv_conf,
    )
    images = ImageStore(images_dir(data_dir.parent), pull_netns)
    compose.foreground(kubeconfig, lambda client: compose.node(client, config, images, cluster_cidr, link))
