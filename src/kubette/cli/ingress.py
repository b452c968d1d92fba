"""``kubette ingress``: the ingress controller in the foreground, in a pod or against any cluster."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubette.ingress import IngressConfig

if TYPE_CHECKING:
    from kubette.client.config import ClientConfig

_DEFAULT = IngressConfig()


@click.command("ingress")
@click.option("--kubeconfig", type=click.Path(dir_okay=False, path_type=Path), help="Default: as kubectl looks for it.")
@click.option("--publish-service", default="/".join(_DEFAULT.publish_service), show_default=True, metavar="NS/NAME",
              help="The Service whose load-balancer address goes into every Ingress's status.")  # fmt: skip
@click.option("--controller", default=_DEFAULT.controller, show_default=True,
              help="Serve the IngressClasses that name this controller.")  # fmt: skip
@click.option("--address", default="", help="Where to listen; default: every address.")
@click.option("--http-port", default=_DEFAULT.http_port, show_default=True)
@click.option("--https-port", default=_DEFAULT.https_port, show_default=True)
@click.option("--health-port", default=_DEFAULT.health_port, show_default=True, help="Of /healthz.")
@click.option("--max-connections", default=_DEFAULT.max_connections, show_default=True)
@click.option("--haproxy", default=_DEFAULT.haproxy, show_default=True, help="The HAProxy to run, 2.6 or later.")
def command(
    kubeconfig: Path | None, publish_service: str, controller: str, address: str, http_port: int, https_port: int,
    health_port: int, max_connections: int, haproxy: str,
) -> None:  # fmt: skip
    """Serve Ingresses by a HAProxy of its own. SIGTERM drains it, a second one stops it at once."""
    namespace, slash, name = publish_service.partition("/")
    if not (namespace and slash and name):
        raise click.BadParameter("it must be NAMESPACE/NAME", param_hint="--publish-service")
    config = IngressConfig(
        (namespace, name), controller, address, http_port, https_port, health_port, max_connections, haproxy
    )
    from kubette.client.config import ClientConfig, ConfigError
    from kubette.ingress.process import HaproxyFailure

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        where = ClientConfig.load(kubeconfig)
        asyncio.run(_run(where, config))
    except (ConfigError, HaproxyFailure) as error:
        raise click.ClickException(str(error)) from error


async def _run(where: ClientConfig, config: IngressConfig) -> None:
    from kubette.client.http import Client
    from kubette.ingress import run

    async with Client(where) as client:
        serving = asyncio.create_task(run(client, config), name="ingress")
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        try:
            await serving
        except asyncio.CancelledError:
            logging.info("drained")
