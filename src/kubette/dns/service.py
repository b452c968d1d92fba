"""The DNS server as a process: watch, keep the zone, answer, until cancelled.

Questions are answered as soon as the sockets are there; those about the cluster with SERVFAIL until everything has
been listed once, for a client would believe an NXDOMAIN.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from kubette.api.kinds import resource
from kubette.client.informer import Informer, Source
from kubette.dns import objects, wire
from kubette.dns.config import DnsConfig
from kubette.dns.forward import Forwarder, servers_of
from kubette.dns.resolver import Resolver
from kubette.dns.server import Server
from kubette.dns.status import StatusServer, metrics
from kubette.dns.zone import Zone

log = logging.getLogger(__name__)
_RCODES = {wire.NOERROR: "NOERROR", wire.FORMERR: "FORMERR", wire.SERVFAIL: "SERVFAIL", wire.NXDOMAIN: "NXDOMAIN",
           wire.NOTIMP: "NOTIMP", wire.REFUSED: "REFUSED"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Running:
    """What ``serving`` gives: where it listens, and when it knows everything."""

    port: int
    status_port: int
    zone: Zone
    synced: asyncio.Event


async def run(client: Source, config: DnsConfig) -> None:
    """Serve until cancelled. OSError when an address cannot be listened on, ValueError for a wrong config."""
    async with serving(client, config) as running:
        await running.synced.wait()
        log.info("ready: %s on port %d", config.domain, running.port)
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def serving(client: Source, config: DnsConfig) -> AsyncIterator[Running]:
    """The server while the context lasts; an informer that fails ends it."""
    zone = Zone(config.domain, config.cidrs, ttl=config.ttl, negative_ttl=config.negative_ttl)
    forwarder = _forwarder(config)
    resolver = Resolver(zone, forwarder)
    server = Server(resolver)
    informers = _informers(client, zone, resolver)
    status = StatusServer(lambda: zone.ready, lambda: _metrics(zone, resolver, server, forwarder))
    synced = asyncio.Event()

    async def watch() -> None:
        for informer in informers:
            await informer.wait_synced()
        zone.ready = True
        synced.set()

    async with contextlib.AsyncExitStack() as stack:
        if forwarder is not None:
            stack.push_async_callback(forwarder.close)
        stack.push_async_callback(server.close)
        await server.start(config.listen, config.port)
        if config.status_port >= 0:
            stack.push_async_callback(status.close)
            await status.start(_available(config.listen), config.status_port)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(i.run(), name=f"dns-{i.kind.plural}") for i in informers]
            tasks.append(group.create_task(watch(), name="dns-ready"))
            try:
                yield Running(server.port, status.port, zone, synced)
            finally:
                for task in tasks:
                    task.cancel()


def _available(addresses: tuple[str, ...]) -> list[str]:
    """Without ``::`` where the machine lacks IPv6."""
    import socket

    def works(address: str) -> bool:
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind((address, 0))
        except OSError:
            return False
        return True

    return [a for a in addresses if a != "::" or works(a)]


def _forwarder(config: DnsConfig) -> Forwarder | None:
    given = tuple(u if isinstance(u, tuple) else (u, 53) for u in config.upstreams)
    servers = given or servers_of(config.resolv_conf, listening_on_53=config.port == 53)
    if not servers:
        return None
    return Forwarder(servers, timeout=config.upstream_timeout, max_ttl=config.max_cache_ttl)


def _informers(client: Source, zone: Zone, resolver: Resolver) -> list[Informer[Any]]:
    services = Informer(client, resource("services"), transform=objects.service)
    slices = Informer(client, resource("endpointslices.discovery.k8s.io"), transform=objects.endpoint_slice)
    namespaces = Informer(client, resource("namespaces"), transform=lambda _: True)
    services.subscribe(lambda key, _, new: resolver.ready.forget(zone.set_service(key, new)))
    slices.subscribe(lambda key, _, new: resolver.ready.forget(zone.set_slice(key, new)))

    def namespace(key: tuple[str, str], old: bool | None, new: bool | None) -> None:
        if bool(old) != bool(new):
            zone.set_namespace(key[1], bool(new))
            resolver.ready.clear()

    namespaces.subscribe(namespace)
    return [services, slices, namespaces]


def _metrics(zone: Zone, resolver: Resolver, server: Server, forwarder: Forwarder | None) -> str:
    made = {f'rcode="{_RCODES.get(i, i)}"': n for i, n in enumerate(resolver.rcodes) if n}
    rows = [
        ("kubette_dns_questions_total", "counter", "Questions received.",
         {'proto="udp"': server.ready_hits + server.udp, 'proto="tcp"': server.tcp}),
        ("kubette_dns_ready_answers_total", "counter", "Questions answered from ready bytes.", {"": server.ready_hits}),
        ("kubette_dns_made_answers_total", "counter", "Answers that had to be made, by rcode.", made),
        ("kubette_dns_ready", "gauge", "Whether everything has been read from the API.", {"": int(zone.ready)}),
    ]  # fmt: skip
    if forwarder is not None:
        rows += [
            ("kubette_dns_upstream_questions_total", "counter", "Questions to other servers.", {"": forwarder.asked}),
            ("kubette_dns_upstream_cached_total", "counter", "Answered from their cache.", {"": forwarder.cached}),
            ("kubette_dns_upstream_failed_total", "counter", "Unanswered by any.", {"": forwarder.failed}),
        ]
    return metrics(rows)
