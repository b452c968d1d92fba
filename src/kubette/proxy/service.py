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

from kubette.api.endpointslices import EndpointSlice, Name
from kubette.api.ip import Family, family_of
from kubette.api.meta import Object
from kubette.client.clusterview import ClusterView
from kubette.client.http import Client
from kubette.network import upkeep
from kubette.network.disturbance import Disturbance
from kubette.nft.flows import FlowCleaner
from kubette.nft.socket import Kernel
from kubette.nft.transaction import remove
from kubette.proxy import routes
from kubette.proxy.config import ProxyConfig
from kubette.proxy.health import HealthChecks
from kubette.proxy.program import Program
from kubette.proxy.state import by_port, service

log = logging.getLogger(__name__)
_RETRY = 0.5  # seconds after the kernel refused
_POD_LINKS = "kp"  # their coming and going takes no route of ours away


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
            self._resources = stack.pop_all()
        self.health = HealthChecks(config.nodeport_addresses or config.node_ips, self.program.local_endpoints)
        self._loop = asyncio.get_running_loop()
        self._scheduled: asyncio.Handle | None = None
        self._started = False

    def start(self) -> None:
        """Write the whole table and keep it from now on."""
        self._started = True
        for live in self.program.tables.values():
            self._resources.callback(live.watch(self._loop, self._repaired))
        self._write()

    def close(self) -> None:
        """Stop; tables and routes stay."""
        if self._scheduled is not None:
            self._scheduled.cancel()
        self._started = False
        self._resources.close()

    def on_service(self, key: Name, _old: Object | None, new: Object | None) -> None:
        """An informer's event."""
        narrowed = service(new) if new is not None else None
        self.program.set_service(key, narrowed)
        self.health.set(key, narrowed)
        self._schedule(0)

    def on_slice(self, key: Name, _old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        """An informer's event."""
        self.program.set_slice(key, by_port(new))
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


async def run(client: Client, config: ProxyConfig, view: ClusterView | None = None) -> None:
    """Serve until cancelled. Nothing is written before both collections are known, so no service blinks.

    ``view``: informers that run already, where this process has some."""
    followed = view or ClusterView(client)
    proxy = Proxy(config)
    followed.services.subscribe(proxy.on_service)
    followed.slices.subscribe(proxy.on_slice)
    try:
        async with asyncio.TaskGroup() as group:
            for informer in (followed.services, followed.slices) if view is None else ():
                group.create_task(informer.run(), name=f"informer-{informer.kind.plural}")
            group.create_task(_keep_routes(config), name="proxy routes")
            await followed.services.wait_synced()
            await followed.slices.wait_synced()
            proxy.start()
            await proxy.health.run()
    finally:
        followed.services.unsubscribe(proxy.on_service)
        followed.slices.unsubscribe(proxy.on_slice)
        proxy.close()


async def _keep_routes(config: ProxyConfig) -> None:
    """Until cancelled: the service CIDRs' routes, whatever others take away."""

    def add() -> None:
        for cidr, source in _routes(config):
            routes.add(cidr, source)

    with contextlib.closing(Disturbance(lambda link: not link.startswith(_POD_LINKS))) as disturbance:
        await upkeep.keep({"routes to Services": add}, disturbance)


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
