"""``kubette dns``: cluster DNS in the foreground, for this cluster or any other.

In a pod it finds the API by its ServiceAccount; elsewhere by a kubeconfig. Imports are kept few: start-up
time and memory of this process are part of every cluster's.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubette.dns.config import DnsConfig

if TYPE_CHECKING:
    from kubette.client.config import ClientConfig

_DEFAULT = DnsConfig()


@click.command("dns")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Which cluster; a pod's own without it.")
@click.option("--domain", default="cluster.local", show_default=True, help="The cluster domain.")
@click.option("--listen", multiple=True, help="Address for UDP and TCP; repeatable.  [default: all]")
@click.option("--port", type=click.IntRange(0, 65535), default=53, show_default=True)
@click.option(
    "--status-port",
    type=click.IntRange(-1, 65535),
    default=8181,
    show_default=True,
    help="HTTP port of /healthz, /readyz and /metrics; -1 for none.",
)
@click.option("--cidr", multiple=True, help="Pod or service CIDR: its reverse names are ours alone; repeatable.")
@click.option("--upstream", multiple=True, help="ADDRESS[:PORT] to ask for other names; repeatable.")
@click.option(
    "--resolv-conf",
    type=click.Path(path_type=Path),
    default="/etc/resolv.conf",
    show_default=True,
    help="Where upstream servers are read from when none is given.",
)
@click.option("--ttl", type=click.IntRange(0, 3600), default=5, show_default=True, help="Seconds.")
@click.option(
    "--linger",
    type=click.FloatRange(0, 300),
    default=0.0,
    show_default=True,
    help="Seconds to go on answering after SIGTERM, until clients are led elsewhere.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say what goes on.")
def command(
    kubeconfig: Path | None, domain: str, listen: tuple[str, ...], port: int, status_port: int,
    cidr: tuple[str, ...], upstream: tuple[str, ...], resolv_conf: Path, ttl: int, linger: float, verbose: bool,
) -> None:  # fmt: skip
    """Serve cluster DNS (Kubernetes DNS specification 1.1.0) in the foreground."""
    from kubette.client.config import ClientConfig, ConfigError

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level="DEBUG" if verbose else "INFO")
    try:
        client = ClientConfig.load(kubeconfig)
        config = DnsConfig(
            domain=domain,
            listen=listen or _DEFAULT.listen,
            port=port,
            status_port=status_port,
            cidrs=cidr or _DEFAULT.cidrs,
            upstreams=tuple(_server(u) for u in upstream),
            resolv_conf=resolv_conf,
            ttl=ttl,
        )
        asyncio.run(_serve(client, config, linger))
    except (ConfigError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot serve: {error.strerror or error}") from error


async def _serve(client: ClientConfig, config: DnsConfig, linger: float) -> None:
    from kubette import dns
    from kubette.client.reader import Reader

    task = asyncio.current_task()
    assert task is not None
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: loop.call_later(linger, stop))
    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        await dns.run(Reader(client), config)
    except asyncio.CancelledError:
        if not stopped:
            raise
        print("stopped", file=sys.stderr)


def _server(text: str) -> tuple[str, int]:
    """``10.0.0.1``, ``10.0.0.1:5353``, ``fd00::1``, ``[fd00::1]:5353``."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    if not host or (port and not (port.isdigit() and 0 < int(port) < 65536)):
        raise ValueError(f"{text!r} is not ADDRESS[:PORT]")
    return host, int(port or 53)
