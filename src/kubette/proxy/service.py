"""The proxy as a process: watch services and endpoints, keep the kernel's table, until cancelled.

Events are taken in as they come and written once per turn of the event loop, so a burst is one transaction and a single
change waits for nobody. Tables and routes stay when the proxy goes: connections outlive an upgrade.
``cleanup`` removes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from kubette.api.kinds import resource
from kubette.client.http import Client
from kubette.client.informer import Informer
from kubette.network.disturbance import Disturbance
from kubette.nft.expr import Family
from kubette.nft.flows import FlowCleaner
from kubette.nft.socket import Kernel
from kubette.nft.transaction import remove
from kubette.nft.types import family_of
from kubette.proxy import routes
from kubette.proxy.config import ProxyConfig
from kubette.proxy.health import HealthChecks
from kubette.proxy.program import Program
from kubette.proxy.state import Name, Service, Slice, endpoint_slice, service

log = logging.getLogger(__name__)
_RETRY = 0.5  # seconds after the kernel refused


class Proxy:
    """Program, kernel and event loop tied together. Use in one thread, the namespace it was made in."""

    def __init__(self, config: ProxyConfig) -> None:
        self.config = config
        families = {family_of(ip) for ip in config.node_ips}
        with contextlib.ExitStack() as stack:
            kernels = {}
            for family in families:
                kernels[family] = stack.enter_context(contextlib.closing(Kernel()))
            self.flows = stack.enter_context(
                contextlib.closing(FlowCleaner(config.nodeport_addresses or config.node_ips))
            )
            self.program = Program(config, kernels)
            self._disturbance = stack.enter_context(contextlib.closing(Disturbance()))
            self._resources = stack.pop_all()
        self.health = HealthChecks(config.nodeport_addresses or config.node_ips, self.program.local_endpoints)
        self._loop = asyncio.get_running_loop()
        self._scheduled: asyncio.Handle | None = None
        self._rerouting: asyncio.Handle | None = None
        self._started = False

    def start(self) -> None:
        """Write the whole table and keep it from now on."""
        self._route()
        self._loop.add_reader(self._disturbance.fileno(), self._disturbed)
        self._resources.callback(self._loop.remove_reader, self._disturbance.fileno())
        self._started = True
        for live in self.program.tables.values():
            self._resources.callback(live.watch(self._loop, self._repaired))
        self._write()

    def close(self) -> None:
        """Stop; tables and routes stay."""
        for handle in (self._scheduled, self._rerouting):
            if handle is not None:
                handle.cancel()
        self._started = False
        self._resources.close()

    def on_service(self, key: Name, _old: Service | None, new: Service | None) -> None:
        """An informer's event."""
        self.program.set_service(key, new)
        self.health.set(key, new)
        self._schedule(0)

    def on_slice(self, key: Name, _old: Slice | None, new: Slice | None) -> None:
        """An informer's event."""
        self.program.set_slice(key, new)
        self._schedule(0)

    def _schedule(self, delay: float) -> None:
        if self._started and self._scheduled is None and self.program.pending:
            later = self._loop.call_later
            self._scheduled = later(delay, self._write) if delay else self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._scheduled = None
        flushed = self.program.flush()
        if flushed.stale:
            self.flows.clean(flushed.stale)
        if flushed.failures:
            log.error("%d parts of the service table are not written; again in %.1f s", flushed.failures, _RETRY)
            self._schedule(_RETRY)

    def _repaired(self) -> None:
        """The table was written anew: flows that began meanwhile were not translated."""
        self.flows.clean(self.program.udp())

    def _route(self) -> None:
        for cidr, source in _routes(self.config):
            routes.add(cidr, source)

    def _disturbed(self) -> None:
        """Somebody took away routes or addresses."""
        if self._disturbance.read():
            self._reroute()

    def _reroute(self) -> None:
        try:
            self._route()
        except OSError as error:  # the node's own address is away
            log.warning("%s; again in %.1f s", error, _RETRY)
            if self._rerouting is not None:
                self._rerouting.cancel()
            self._rerouting = self._loop.call_later(_RETRY, self._reroute)


async def run(client: Client, config: ProxyConfig) -> None:
    """Serve until cancelled. Nothing is written before both collections are known, so no service blinks."""
    services: Informer[Service | None] = Informer(client, resource("services"), transform=service)
    slices: Informer[Slice | None] = Informer(
        client, resource("endpointslices.discovery.k8s.io"), transform=endpoint_slice
    )
    proxy = Proxy(config)
    services.subscribe(proxy.on_service)
    slices.subscribe(proxy.on_slice)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(services.run(), name="proxy services")
            group.create_task(slices.run(), name="proxy endpointslices")
            await services.wait_synced()
            await slices.wait_synced()
            proxy.start()
            await proxy.health.run()
    finally:
        proxy.close()


def cleanup(config: ProxyConfig) -> None:
    """Remove tables and routes from this network namespace."""
    kernel = Kernel()
    try:
        for family in Family:
            kernel.commit(remove(family, config.table_name))
    finally:
        kernel.close()
    for cidr, source in _routes(config):
        routes.remove(cidr, source)


def _routes(config: ProxyConfig) -> Iterator[tuple[str, str]]:
    if not config.add_route:
        return
    for cidr in config.service_cidrs:
        source = next((ip for ip in config.node_ips if family_of(ip) is family_of(cidr)), None)
        if source is not None:
            yield cidr, source
