"""Ingress: Ingresses, Services and EndpointSlices in, a running HAProxy out. Alone it runs against any cluster.

model    API objects → the fields needed             routing  Ingresses → routes and backends
slots    endpoints in server slots                    text     plan → HAProxy's files and commands
tls      whether a certificate fits its key           process  HAProxy as a child
state    the watched objects, indexed                 report   statuses and events
service  informers, reloads, draining                 isolation  which Ingresses HAProxy refuses
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubette.ingress.config import IngressConfig

if TYPE_CHECKING:
    from kubette.client.interface import Api

__all__ = ["IngressConfig", "run"]


async def run(client: Api, config: IngressConfig) -> None:
    """Serve until cancelled; see ``service``."""
    from kubette.ingress.service import run as serve

    await serve(client, config)
