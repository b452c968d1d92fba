"""The only place that wires components together: which of them share a process, and what each is told.

A component knows the API and its own configuration. What a local cluster makes of them is here: one process
for the control plane, one a node. Each component has its own client with its own identity.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterable
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from kubette.api import errors
from kubette.api.kinds import by_kind
from kubette.client.config import ClientConfig
from kubette.client.http import Client
from kubette.cluster.spec import ClusterSpec

log = logging.getLogger(__name__)

NODE_LEASE_SECONDS, NODE_RENEW_SECONDS, NODE_GRACE_SECONDS = 8, 2.0, 8.0
LINK = "eth0"


def _config(spec: ClusterSpec, identity: str) -> ClientConfig:
    """A client of the local cluster with one of the identities in its PKI directory."""
    pki = spec.pki_dir
    return ClientConfig(
        server=spec.server_url,
        ca=(pki / "ca.crt").read_text(),
        cert=(pki / f"{identity}.crt").read_text(),
        key=(pki / f"{identity}.key").read_text(),
    )


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run until done or SIGTERM, on uvloop."""
    import uvloop

    async def until_signal() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await main()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_signal())


def serve(spec: ClusterSpec, notify: int = -1) -> None:
    """The control plane: API server, controllers, scheduler, add-ons. Writes a line to ``notify`` when it serves."""
    _run(lambda: control_plane(spec, notify))


def serve_node(spec: ClusterSpec, node: str) -> None:
    """A node: agent, service proxy and its part in the node network; in the node's network namespace."""
    _run(lambda: node_components(spec, node))


async def control_plane(spec: ClusterSpec, notify: int = -1) -> None:
    from kubette import controllers, scheduler
    from kubette.agent import neighbours
    from kubette.apiserver.config import ServerConfig
    from kubette.apiserver.server import run as run_server

    pki = spec.pki_dir
    config = ServerConfig(
        data_dir=spec.data_dir / "server",
        ca_cert=pki / "ca.crt",
        ca_key=pki / "ca.key",
        server_cert=pki / "server.crt",
        server_key=pki / "server.key",
        sa_signing_key=pki / "sa.key",
        kubelet_client_cert=pki / "kubelet-client.crt",
        kubelet_client_key=pki / "kubelet-client.key",
        address=spec.control_plane_ip,
        port=spec.api_port,
        service_cidr=spec.service_cidr,
        dns_domain=spec.domain,
    )
    controllers_config = controllers.ControllersConfig(
        root_ca=(pki / "ca.crt").read_text(),
        pod_cidrs=(spec.pod_cidr,),
        load_balancer_pool=(spec.load_balancer_pool,),
        node_grace_seconds=NODE_GRACE_SECONDS,
    )
    ready = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(run_server(config, ready), name="apiserver")
        await ready.wait()
        if notify >= 0:
            with contextlib.suppress(OSError):
                os.write(notify, b"api\n")
            os.close(notify)
        manager = await stack.enter_async_context(Client(_config(spec, "controller-manager")))
        binder = await stack.enter_async_context(Client(_config(spec, "scheduler")))
        admin = await stack.enter_async_context(Client(_config(spec, "admin")))
        group.create_task(controllers.run(manager, controllers_config), name="controllers")
        group.create_task(scheduler.run(binder, scheduler.SchedulerConfig()), name="scheduler")
        group.create_task(neighbours.keep_routes(manager), name="pod-routes")
        group.create_task(keep_addons(admin, spec), name="addons")
        await asyncio.Event().wait()


async def keep_addons(client: Client, spec: ClusterSpec) -> None:
    """Create the packaged add-ons, or bring them up to date; tried again until it works."""
    from kubette import addons

    manifests = addons.manifests(spec.addons, cluster_ip=spec.dns_ip, domain=spec.domain)
    for pause in chain((0.1, 0.5), repeat(5.0)):
        try:
            await apply(client, manifests)
            break
        except errors.ApiError as error:
            log.warning("add-ons: %s; again in %.1f s", error, pause)
        await asyncio.sleep(pause)


async def apply(client: Client, manifests: Iterable[dict[str, Any]]) -> None:
    """Create each object, or merge it into the one that is there."""
    for obj in manifests:
        group, _, version = obj["apiVersion"].rpartition("/")
        kind = by_kind(group, version, obj["kind"])
        if kind is None:
            raise ValueError(f"no such kind: {obj['apiVersion']} {obj['kind']}")
        meta = obj["metadata"]
        try:
            await client.create(kind, obj)
        except errors.AlreadyExists:
            await client.patch(kind, meta["name"], obj, meta.get("namespace"), type="strategic")


async def node_components(spec: ClusterSpec, node: str) -> None:
    from kubette import agent, proxy
    from kubette.agent import neighbours
    from kubette.api.kinds import resource
    from kubette.client.informer import Informer
    from kubette.network import hostnft
    from kubette.network.hostports import HostPorts
    from kubette.network.pods import PodNetwork
    from kubette.nft.socket import Kernel
    from kubette.runtime.images import ImageStore
    from kubette.runtime.oci import OciRuntime

    address = spec.nodes[node]
    pki = spec.pki_dir
    agent_config = agent.AgentConfig(
        node_name=node,
        node_ips=(address,),
        cluster=spec.name,
        data_dir=spec.node_data(node),
        run_dir=spec.node_run(node),
        ca_cert=pki / "ca.crt",
        tls_cert=pki / f"node-{node}-server.crt",
        tls_key=pki / f"node-{node}-server.key",
        cluster_dns=(spec.dns_ip,),
        cluster_domain=spec.domain,
        resolv_conf=Path(spec.resolv_conf),
        lease_seconds=NODE_LEASE_SECONDS,
        lease_renew_seconds=NODE_RENEW_SECONDS,
    )
    images = ImageStore(spec.images_dir)
    runtime = OciRuntime(node, spec.name, agent_config.data_dir, agent_config.run_dir, images)
    hostnft.egress(address, (spec.pod_cidr,))
    host_ports = HostPorts.open(Kernel(), (address,))
    host_ports.live.watch(asyncio.get_running_loop())

    async with contextlib.AsyncExitStack() as stack:
        kubelet = await stack.enter_async_context(Client(_config(spec, f"node-{node}")))
        proxying = await stack.enter_async_context(Client(_config(spec, "proxy")))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        running = agent.run(kubelet, agent_config, runtime, images, PodNetwork(address), host_ports=host_ports)
        group.create_task(running, name="agent")
        group.create_task(neighbours.keep(kubelet, node, address, LINK), name="neighbours")

        async def serve_services() -> None:
            """As soon as the node's own pod range is known: the proxy tells local pods by it."""
            own: Informer[tuple[str, ...]] = Informer(
                proxying,
                resource("nodes"),
                field_selector=f"metadata.name={node}",
                transform=lambda n: tuple((n.get("spec") or {}).get("podCIDRs") or ()),
            )
            known: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
            own.subscribe(lambda key, old, new: known.set_result(new) if new and not known.done() else None)
            following = asyncio.create_task(own.run(), name="informer-own-node")
            try:
                cidrs = await known
            finally:
                following.cancel()
            await proxy.run(
                proxying,
                proxy.ProxyConfig(
                    node_name=node,
                    node_ips=(address,),
                    pod_cidrs=cidrs,
                    service_cidrs=(spec.service_cidr,),
                    cluster_cidrs=(spec.pod_cidr,),
                ),
            )

        group.create_task(serve_services(), name="proxy")
