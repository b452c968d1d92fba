"""``kubette trace``: explain how a client reaches a pod, or why it does not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubette.cli import completions
from kubette.cli.common import data_dir_option, name_option, need_root, output_option, says_why
from kubette.clusterspec import ClusterError, ClusterSpec

if TYPE_CHECKING:
    from kubette.client.config import ClientConfig
    from kubette.trace import Trace, World

_PROTOCOLS = {"tcp": 6, "udp": 17}


@click.command("trace")
@click.argument("source", metavar="FROM", shell_complete=completions.sources)
@click.argument("target", metavar="TO", shell_complete=completions.targets)
@click.option("-n", "--namespace", default="default", show_default=True, help="Where short names are looked for.")
@click.option("--udp", is_flag=True, help="A UDP packet, not a TCP connection.")
@click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Any cluster with kubette's service proxy.  [default: the local cluster --name]",
)
@name_option
@output_option
@data_dir_option
@says_why
def command(
    source: str,
    target: str,
    namespace: str,
    udp: bool,
    kubeconfig: Path | None,
    name: str,
    output: str,
    data_root: Path,
) -> None:
    """Explain the path from FROM to TO, step by step.

    FROM is pod/NAME, node/NAME or outside. TO is svc/NAME[:PORT], pod/NAME[:PORT], ingress/NAME[:PORT], an http or
    https URL, a name[:port] or an ip[:port]. NAME may be NAMESPACE/NAME. Nothing is sent: the packet walks the tables
    that the node's service proxy makes of the cluster's objects. On a local cluster, the node's kernel is asked
    whether it has them, and the pod's whether a process listens on the port. Exits 0 when every end may answer, else 1.
    """
    from kubette import trace
    from kubette.trace import text

    spec = None if kubeconfig else _local(name, data_root)
    config, settings = _cluster(spec, kubeconfig)
    proto = _PROTOCOLS["udp" if udp else "tcp"]
    try:
        asked = trace.parse_source(source, namespace), trace.parse_target(target, namespace)
        world = _read(config, settings)
        found = trace.explain(world, *asked, proto)
    except trace.TraceError as error:
        raise ClusterError(str(error)) from error
    found.target = target
    if spec is not None:
        _compare_tables(spec, found)
        _check_listening(spec, world, found, proto)
    click.echo(json.dumps(text.document(found)) if output == "json" else "\n".join(text.lines(found)))
    if not found.arrives:
        raise SystemExit(1)


def _local(name: str, data_root: Path) -> ClusterSpec:
    from kubette.cluster import lifecycle
    from kubette.network import local

    need_root()
    spec = lifecycle.require(name, data_root)
    if not local.namespace(name).exists():  # without its supervisor a cluster goes on
        raise ClusterError(f"cluster {name} is stopped; start it with: kubette start --name {name}")
    return spec


def _cluster(spec: ClusterSpec | None, kubeconfig: Path | None) -> tuple[ClientConfig, dict[str, Any]]:
    """How to reach the API server, and the settings that are in no object."""
    from kubette import compose
    from kubette.client.config import ClientConfig, ConfigError

    if spec is None:
        try:
            return ClientConfig.load(kubeconfig), {}
        except ConfigError as error:
            raise ClusterError(str(error)) from error
    settings = {
        "pod_cidrs": (spec.pod_cidr,),
        "service_cidrs": (spec.service_cidr,),
        "domain": spec.domain,
        "outside_ip": spec.host_ip,
    }
    return compose.identity(spec.pki_dir, spec.server_url, "admin"), settings


def _read(config: ClientConfig, settings: dict[str, Any]) -> World:
    from kubette import trace
    from kubette.api.errors import ApiError
    from kubette.client.http import Client

    async def read() -> World:
        async with Client(config) as client:
            return await trace.read(client, **settings)

    try:
        return asyncio.run(read())
    except ApiError as error:
        raise ClusterError(f"the API server does not answer: {error}") from error


def _compare_tables(spec: ClusterSpec, found: Trace) -> None:
    """Compare the tables that were walked with those of the nodes' kernels."""
    import contextlib
    from functools import partial

    from kubette.network import local, netns
    from kubette.nft.socket import Kernel
    from kubette.trace.kernel import differences

    for node, table in found.tables.items():
        path = local.namespace(spec.name, node)
        if not path.exists():
            continue
        with contextlib.closing(netns.inside(path, Kernel)) as kernel:
            rows = differences(table, partial(kernel.elements, table.family, table.name))
        found.add(node, rows[0] if rows else "the node's kernel has this table")
        found.because(*rows)


def _check_listening(spec: ClusterSpec, world: World, found: Trace, proto: int) -> None:
    """Look into the network namespaces of the ends: does a process listen there?"""
    from functools import partial

    from kubette.api import meta
    from kubette.network import local, netns
    from kubette.runtime.layout import pod_netns
    from kubette.trace import listening
    from kubette.trace.report import Landing

    def sockets(end: Landing) -> list[listening.Socket] | None:
        path = local.namespace(spec.name, end.node)
        if end.pod:
            pod = world.pod(*end.pod.split("/", 1))
            if pod is None:
                return None
            path = pod_netns(spec.node_run(end.node), meta.uid(pod))
        try:
            return netns.inside(path, partial(listening.sockets, proto))
        except OSError:  # the node is stopped, or the pod has just ended
            return None

    listening.check(found, proto, sockets)
