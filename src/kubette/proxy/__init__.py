"""The service proxy: Services and EndpointSlices in, an nftables table out. Alone it runs against any cluster.

    state         API objects → ServicePort, Endpoint            policy    which endpoints may serve, from here
    contribution  frontends → map elements                       table     the table: hooks, chains, maps
    program       what changed → one transaction                 health    healthCheckNodePort
    routes        the service CIDR's route                       service   informers, event loop, kernel
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubette.proxy.config import ProxyConfig

if TYPE_CHECKING:
    from kubette.client.http import Client

__all__ = ["ProxyConfig", "cleanup", "run"]


async def run(client: Client, config: ProxyConfig) -> None:
    """Serve until cancelled; see ``service``."""
    from kubette.proxy.service import run as serve

    await serve(client, config)


def cleanup(config: ProxyConfig) -> None:
    """Remove the proxy's tables and routes from this network namespace."""
    from kubette.proxy.service import cleanup as clean

    clean(config)
