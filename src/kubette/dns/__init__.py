"""Cluster DNS: Services, EndpointSlices and Namespaces in, DNS answers out. Alone it runs against any cluster.

    objects    API objects → Service, Slice                   records    a service → its resource records
    zone       what exists, and the answer to a question      resolver   a message → a message; ready answers
    wire       the message format                             forward    names outside the cluster, with a cache
    server     sockets: UDP, TCP                              status     /healthz, /readyz, /metrics
    ready      ready answers, bounded in bytes                connections  TCP connections, bounded per client
    service    informers, tied to all of these

A repeated question is answered from ready wire bytes: receive, look up, prepend the ID, send.
Source: the Kubernetes DNS specification 1.1.0, https://github.com/kubernetes/dns/blob/master/docs/specification.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubette.dns.config import DnsConfig

if TYPE_CHECKING:
    from kubette.client.informer import Source

__all__ = ["DnsConfig", "run"]


async def run(client: Source, config: DnsConfig) -> None:
    """Serve until cancelled; see ``service``."""
    from kubette.dns.service import run as serve

    await serve(client, config)
