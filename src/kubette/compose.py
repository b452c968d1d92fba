"""The only place that wires components together: which of them share a process, and what each is told.

A component knows the API and its own configuration. What a local cluster makes of them is here: one process
for the control plane, one a node. Each component has its own client with its own identity.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kubette.api import errors
from kubette.api.kinds import by_kind, resource
from kubette.client.config import ClientConfig, ConfigError
from kubette.client.http import Client
from kubette.client.informer import Informer
from kubette.clusterspec import ClusterError, ClusterSpec

if TYPE_CHECKING:
    from kubette.agent import AgentConfig
    from kubette.network.hostports import HostPorts
    from kubette.runtime.images import ImageStore

log = logging.getLogger(__name__)

# A local cluster finds out sooner than upstream's 40 s that a node has gone, and replaces its pods sooner than
# after 300 s: its nodes share one machine, and somebody is watching.
NODE_LEASE_SECONDS, NODE_RENEW_SECONDS, NODE_GRACE_SECONDS = 8, 2.0, 8.0
TOLERATION_SECONDS = 10
LINK = "eth0"


# ---- running -------------------------------------------------------------------------------------------


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


def foreground(kubeconfig: Path | None, component: Callable[[Client], Awaitable[None]]) -> None:
    """Run one component against the cluster of a kubeconfig until it is told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

    async def main() -> None:
        try:
            config = ClientConfig.load(kubeconfig)
        except ConfigError as error:
            raise ClusterError(str(error)) from error
        async with Client(config) as client:
            await component(client)

    _run(main)


def serve(spec: ClusterSpec, notify: int = -1) -> None:
    """A local cluster's control plane. Writes a line to ``notify`` when the API answers."""

    def served() -> None:
        if notify >= 0:
            with contextlib.suppress(OSError):
                os.write(notify, b"api\n")
            os.close(notify)

    plane = ControlPlane(
        pki=spec.pki_dir,
        data_dir=spec.data_dir / "server",
        url=spec.server_url,
        pod_cidr=spec.pod_cidr,
        service_cidr=spec.service_cidr,
        domain=spec.domain,
        load_balancer_pool=spec.load_balancer_pool,
        grace_seconds=NODE_GRACE_SECONDS,
        toleration_seconds=TOLERATION_SECONDS,
        addons=tuple(spec.addons),
        dns_ip=spec.dns_ip,
        routes_to_pods=True,
    )
    _run(lambda: control_plane(plane, served))


def serve_control_plane(
    data_dir: Path, url: str, pod_cidr: str, service_cidr: str, pool: str, served: Callable[[], None] = lambda: None
) -> None:
    """A control plane by itself, in the foreground. ``served`` is called when the API answers."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    plane = ControlPlane(data_dir / "pki", data_dir, url, pod_cidr, service_cidr, load_balancer_pool=pool)
    _run(lambda: control_plane(plane, served))


def serve_node(spec: ClusterSpec, node: str, pull_netns: Path) -> None:
    """A local cluster's node: agent, service proxy and the node network; in the node's network namespace.
    ``pull_netns``: the host's, from which registries are reached."""
    _run(lambda: local_node(spec, node, pull_netns))


# ---- control plane -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """What API server, controllers and scheduler of one cluster are told, in one place. ``pki`` is the directory."""

    pki: Path
    data_dir: Path
    url: str
    pod_cidr: str
    service_cidr: str
    domain: str = "cluster.local"
    load_balancer_pool: str = ""
    grace_seconds: float = 40.0
    toleration_seconds: int = 300
    addons: tuple[str, ...] = ()
    dns_ip: str = ""
    routes_to_pods: bool = False  # this network namespace is ours: routes to the nodes' pods belong into it


def identity(pki: Path, url: str, name: str) -> ClientConfig:
    """A client with one of the identities in a PKI directory."""
    ca, cert, key = (pki / file for file in ("ca.crt", f"{name}.crt", f"{name}.key"))
    return ClientConfig(url, ca.read_text(), cert.read_text(), key.read_text())


async def control_plane(plane: ControlPlane, served: Callable[[], None] = lambda: None) -> None:
    """Until cancelled. ``served`` is called when the API answers."""
    from kubette import controllers, scheduler
    from kubette.agent import neighbours
    from kubette.apiserver.config import ServerConfig
    from kubette.apiserver.server import run as run_server

    pki, where = plane.pki, urlsplit(plane.url)
    server = ServerConfig(
        data_dir=plane.data_dir,
        ca_cert=pki / "ca.crt",
        ca_key=pki / "ca.key",
        server_cert=pki / "server.crt",
        server_key=pki / "server.key",
        sa_signing_key=pki / "sa.key",
        kubelet_client_cert=pki / "kubelet-client.crt",
        kubelet_client_key=pki / "kubelet-client.key",
        address=where.hostname or "",
        port=where.port or 6443,
        service_cidr=plane.service_cidr,
        dns_domain=plane.domain,
        toleration_seconds=plane.toleration_seconds,
    )
    control = controllers.ControllersConfig(
        root_ca=(pki / "ca.crt").read_text(),
        signing_cert=pki / "ca.crt",
        signing_key=pki / "ca.key",
        token_key=pki / "sa.key",
        pod_cidrs=(plane.pod_cidr,),
        load_balancer_pool=(plane.load_balancer_pool,) if plane.load_balancer_pool else (),
        node_grace_seconds=plane.grace_seconds,
    )
    ready = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(run_server(server, ready), name="apiserver")
        await ready.wait()
        served()
        manager, binder, admin = [
            await stack.enter_async_context(Client(identity(pki, plane.url, name)))
            for name in ("controller-manager", "scheduler", "admin")
        ]
        group.create_task(controllers.run(manager, control), name="controllers")
        group.create_task(scheduler.run(binder, scheduler.SchedulerConfig()), name="scheduler")
        if plane.routes_to_pods:
            group.create_task(neighbours.keep_routes(manager), name="pod-routes")
        group.create_task(keep_addons(admin, plane), name="addons")
        await asyncio.Event().wait()


async def keep_addons(client: Client, plane: ControlPlane) -> None:
    """Create the packaged add-ons, or bring them up to date; tried again until it works, and again on SIGHUP,
    by which ``up`` asks for what is missing."""
    from kubette import addons

    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)

    params = {"cluster_ip": plane.dns_ip, "domain": plane.domain}
    params |= {"pod_cidr": plane.pod_cidr, "service_cidr": plane.service_cidr}
    manifests = addons.manifests(plane.addons, **params)
    while True:
        asked.clear()
        await _apply_until_it_works(client, manifests)
        await asked.wait()


async def _apply_until_it_works(client: Client, manifests: Sequence[dict[str, Any]]) -> None:
    for pause in chain((0.1, 0.5), repeat(5.0)):
        try:
            await apply(client, manifests)
            return
        except errors.ApiError as error:
            log.warning("add-ons: %s; again in %.1f s", error, pause)
        await asyncio.sleep(pause)


async def apply(client: Client, manifests: Iterable[dict[str, Any]]) -> None:
    """Create each object, or merge it into the one that is there; its lists are replaced (a strategic merge tells a
    Service's ports by number alone, and DNS has two of the same)."""
    for obj in manifests:
        group, _, version = obj["apiVersion"].rpartition("/")
        kind = by_kind(group, version, obj["kind"])
        if kind is None:
            raise ValueError(f"no such kind: {obj['apiVersion']} {obj['kind']}")
        meta = obj["metadata"]
        try:
            await client.create(kind, obj)
        except errors.AlreadyExists:
            await client.patch(kind, meta["name"], obj, meta.get("namespace"), type="merge")


# ---- nodes ---------------------------------------------------------------------------------------------


async def local_node(spec: ClusterSpec, name: str, pull_netns: Path) -> None:
    """A node of a local cluster. Until cancelled; pods go on running then."""
    from kubette import agent, proxy
    from kubette.network import local
    from kubette.runtime.images import ImageStore

    address, pki = spec.nodes[name], spec.pki_dir
    config = agent.AgentConfig(
        node_name=name,
        node_ips=(address,),
        cluster=spec.name,
        data_dir=spec.node_data(name),
        run_dir=spec.node_run(name),
        ca_cert=pki / "ca.crt",
        tls_cert=pki / f"node-{name}-server.crt",
        tls_key=pki / f"node-{name}-server.key",
        cluster_dns=(spec.dns_ip,),
        cluster_domain=spec.domain,
        resolv_conf=Path(spec.resolv_conf),
        lease_seconds=NODE_LEASE_SECONDS,
        lease_renew_seconds=NODE_RENEW_SECONDS,
    )

    async def serve_services(client: Client) -> None:
        """As soon as the node's own pod range is known: the proxy tells local pods by it."""
        cidrs = await pod_cidrs(client, name)
        services, cluster = (spec.service_cidr,), (spec.pod_cidr,)
        await proxy.run(client, proxy.ProxyConfig(name, (address,), cidrs, services, cluster))

    async with (
        Client(identity(pki, spec.server_url, f"node-{name}")) as kubelet,
        Client(identity(pki, spec.server_url, "proxy")) as proxying,
        asyncio.TaskGroup() as group,
    ):
        images = ImageStore(spec.images_dir, pull_netns)
        restore = functools.partial(local.restore, spec.subnet, address)
        running = node(kubelet, config, images, spec.pod_cidr, LINK, restore, network=proxying)
        group.create_task(running, name="node")
        group.create_task(serve_services(proxying), name="proxy")


async def node(
    client: Client,
    config: AgentConfig,
    images: ImageStore,
    cluster_cidr: str,
    link: str,
    restore_link: Callable[[], None] = lambda: None,
    network: Client | None = None,
) -> None:
    """An agent with everything that it runs on, and the node's part in the network between nodes.

    ``restore_link`` brings back the link's own address and routes where those are ours to keep. ``network``: the
    identity that follows nodes and endpoints (default: ``client``); a node's own may read neither of others."""
    from kubette import agent
    from kubette.agent import neighbours
    from kubette.network.pods import PodNetwork, hold_gateway
    from kubette.runtime import kernel
    from kubette.runtime.oci import OciRuntime

    def restore() -> None:
        hold_gateway()
        restore_link()

    address = config.node_ips[0]
    kernel.keep_off_disk(config.pods_run_dir)
    runtime = OciRuntime(config.node_name, config.cluster, config.data_dir, config.run_dir, images)
    async with node_tables(address, cluster_cidr) as ports, asyncio.TaskGroup() as group:
        running = agent.run(client, config, runtime, images, PodNetwork(address), host_ports=ports)
        group.create_task(running, name="agent")
        following = neighbours.keep(network or client, config.node_name, address, link, restore)
        group.create_task(following, name="neighbours")


@contextlib.asynccontextmanager
async def node_tables(address: str, cluster_cidr: str) -> AsyncIterator[HostPorts]:
    """The node's tables beside the proxy's, repaired when others meddle: egress, and host ports, which is given."""
    from kubette.network import hostnft
    from kubette.network.hostports import HostPorts
    from kubette.nft.flows import FlowCleaner
    from kubette.nft.socket import Kernel

    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(contextlib.closing(Kernel())) for _ in range(2))
        flows = stack.enter_context(contextlib.closing(FlowCleaner((address,))))
        ports = HostPorts.open(one, flows, (address,))
        stack.callback(ports.watch(loop))
        stack.callback(hostnft.egress(other, address, (cluster_cidr,)).watch(loop))
        yield ports


async def pod_cidrs(client: Client, name: str) -> tuple[str, ...]:
    """The node's pod CIDRs, as soon as the controllers have given it some."""
    own: Informer[tuple[str, ...]] = Informer(
        client,
        resource("nodes"),
        field_selector=f"metadata.name={name}",
        transform=lambda n: tuple((n.get("spec") or {}).get("podCIDRs") or ()),
    )
    known: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
    own.subscribe(lambda key, old, new: known.set_result(new) if new and not known.done() else None)
    following = asyncio.create_task(own.run(), name="informer-own-node")
    try:
        return await known
    finally:
        following.cancel()
