"""The API server's process: opens the datastore, makes what a cluster starts with, serves over TLS.

``run`` is the whole of it and ends when it is cancelled, with everything acknowledged on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl

from kubette.api.kinds import all_kinds
from kubette.apiserver import bootstrap, expiry, registry
from kubette.apiserver.app import App
from kubette.apiserver.config import ServerConfig
from kubette.apiserver.edge import Edge
from kubette.apiserver.objects import is_sound
from kubette.apiserver.registry import RegistryConfig, strategy_for
from kubette.apiserver.registry.base import Strategy
from kubette.store import SqliteLog, Store
from kubette.store.log import StoreError

_log = logging.getLogger(__name__)
_TICK_SECONDS = 30.0
_DRAIN_SECONDS = 0.3


async def run(config: ServerConfig, ready: asyncio.Event | None = None) -> None:
    """Serve until cancelled. ``ready`` is set once requests are answered. OSError when the address is taken, or
    the datastore cannot be opened."""
    try:
        store = Store(SqliteLog(config.data_dir / "state.db"), sound=is_sound)
    except StoreError as error:
        raise OSError(f"datastore {error}") from error
    try:
        await store.start()
        for key in store.damaged:
            _log.error("the stored object %s is damaged and is not served: delete it", "/".join(filter(None, key)))
        app = App(config, store)
        await _restore(app)
        await bootstrap.run(app.objects, config)
        await _serve(app, ready)
    finally:
        store.close()


async def _restore(app: App) -> None:
    """Strategies learn of the cluster, and rebuild what they had allocated."""
    config = app.config
    registry.configure(
        RegistryConfig(
            service_cidrs=tuple(config.service_cidr.split(",")),
            node_ports=config.node_port_range,
            api_audiences=(config.issuer,),
            sign_token=app.tokens.sign,
        )
    )
    for kind in all_kinds():
        strategy = strategy_for(kind)
        if type(strategy).restore is not Strategy.restore:
            strategy.restore(app.objects.list(kind))


async def _serve(app: App, ready: asyncio.Event | None) -> None:
    config = app.config
    loop = asyncio.get_running_loop()
    handler = Edge(app.handle, config.edge)
    listener = await loop.create_server(
        handler, config.address, config.port, ssl=tls(config), reuse_address=True, backlog=1024,
        ssl_handshake_timeout=config.edge.handshake_seconds,
    )  # fmt: skip
    tasks = [
        asyncio.create_task(bootstrap.keep(app.objects, config), name="system-objects"),
        asyncio.create_task(_tick(app.objects.store), name="store-compaction"),
        asyncio.create_task(expiry.run(app.objects), name="event-expiry"),
    ]
    try:
        if ready is not None:
            ready.set()
        await asyncio.gather(*tasks)
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await handler.shutdown(_DRAIN_SECONDS)
        await app.nodes.close()
        app.load.close()


def tls(config: ServerConfig) -> ssl.SSLContext:
    """Clients may show a certificate of the cluster's CA; those who don't must bring a token."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(config.ca_cert))
    context.load_cert_chain(config.server_cert, config.server_key)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _tick(store: Store) -> None:
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        store.tick()
