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
    "--kubeconfig", type=click.Path(dir_okay=False, path_type=Path),
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

    FROM is pod/NAME, node/NAME or outside; TO is svc/NAME[:PORT], a URL, a name[:port] or an ip[:port]. Nothing is
    sent: the packet walks the tables that the node's service proxy makes of the cluster's objects, and on a local
    cluster the node's kernel is asked whether it has them. Exits 0 when somebody there may answer, else 1.
    """
    from kubette import trace
    from kubette.trace import text

    spec = None if kubeconfig else _local(name, data_root)
    config, settings = _cluster(spec, kubeconfig)
    try:
        asked = trace.parse_source(source, namespace), trace.parse_target(target, namespace)
        told = trace.explain(_read(config, settings), *asked, _PROTOCOLS["udp" if udp else "tcp"])
    except trace.TraceError as error:
        raise ClusterError(str(error)) from error
    told.target = target
    if spec is not None:
        _ask_kernels(spec, told)
    click.echo(json.dumps(text.document(told)) if output == "json" else "\n".join(text.lines(told)))
    if not told.arrives:
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
    """Whom to ask, and what the objects do not tell."""
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


def _ask_kernels(spec: ClusterSpec, told: Trace) -> None:
    """Compare the tables that were walked with those of the nodes' kernels."""
    import contextlib
    from functools import partial

    from kubette.network import local, netns
    from kubette.nft.socket import Kernel
    from kubette.trace.kernel import differences

    for node, table in told.tables.items():
        path = local.namespace(spec.name, node)
        if not path.exists():
            continue
        with contextlib.closing(netns.inside(path, Kernel)) as kernel:
            found = differences(table, partial(kernel.elements, table.family, table.name))
        told.add(node, found[0] if found else "the node's kernel has this table")
        told.because(*found)
