"""What a node does for its neighbours on the link: routes to their pods, and answers for load-balancer IPs.

Beside the agent proper, which knows only its own node. Objects are narrowed to what is needed, and the
kernel is told off the event loop, one change after another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from kubette.api import meta
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.client.informer import Informer
from kubette.client.interface import Api
from kubette.network import announce, peers
from kubette.network.disturbance import Disturbance

log = logging.getLogger(__name__)
_RETRY = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Peer:
    """A node as its neighbours see it."""

    name: str
    ip: str
    pod_cidrs: tuple[str, ...]
    ready: bool
    announces: bool  # not labelled node.kubernetes.io/exclude-from-external-load-balancers


@dataclass(frozen=True, slots=True)
class Balanced:
    """A Service's load-balancer addresses; ``local``: only nodes with endpoints may answer for them."""

    addresses: tuple[str, ...]
    local: bool


def narrow_node(node: Object) -> Peer:
    status = node.get("status") or {}
    addresses = status.get("addresses") or []
    ip = next((a["address"] for a in addresses if a.get("type") == "InternalIP"), "")
    spec = node.get("spec") or {}
    cidrs = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    ready = (meta.condition(node, "Ready") or {}).get("status") == "True"
    excluded = "node.kubernetes.io/exclude-from-external-load-balancers" in meta.labels(node)
    return Peer(meta.name(node), ip, tuple(cidrs), ready, not excluded)


def narrow_service(service: Object) -> Balanced:
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    spec = service.get("spec") or {}
    return Balanced(
        tuple(i["ip"] for i in ingress if i.get("ip") and ":" not in i["ip"]),
        spec.get("externalTrafficPolicy") == "Local",
    )


def narrow_slice(slice_: Object) -> tuple[str, frozenset[str]]:
    """(service name, nodes with a ready endpoint)."""
    ready = (e for e in slice_.get("endpoints") or () if (e.get("conditions") or {}).get("ready") is not False)
    service = meta.labels(slice_).get("kubernetes.io/service-name", "")
    return service, frozenset(e["nodeName"] for e in ready if e.get("nodeName"))


def routes(own: str, nodes: Iterable[Peer]) -> dict[str, str]:
    """Pod CIDR → next hop, of all nodes but ``own``."""
    return {c: n.ip for n in nodes if n.name != own and n.ip and ":" not in n.ip for c in n.pod_cidrs if ":" not in c}


def announced(
    own: str,
    nodes: Iterable[Peer],
    services: Mapping[tuple[str, str], Balanced],
    slices: Iterable[tuple[str, str, frozenset[str]]],
) -> set[str]:
    """The addresses that ``own`` answers for. ``slices``: (namespace, service, nodes with endpoints)."""
    candidates = [n.name for n in nodes if n.ready and n.announces]
    holders: dict[tuple[str, str], set[str]] = {}
    for namespace, service, names in slices:
        holders.setdefault((namespace, service), set()).update(names)
    mine: set[str] = set()
    for key, service_ in services.items():
        able = candidates
        if service_.local:
            able = [n for n in candidates if n in holders.get(key, ())]
        mine.update(a for a in service_.addresses if announce.announcer(a, able) == own)
    return mine


async def keep_routes(client: Api, own: str = "") -> None:
    """Until cancelled: routes to the pods of every node but ``own`` (none: the control plane)."""
    nodes: Informer[Peer] = Informer(client, resource("nodes"), transform=narrow_node)
    await _keep([nodes], lambda: peers.apply(routes(own, nodes.items.values())))


async def keep(client: Api, own: str, own_ip: str, link: str, restore: Callable[[], None]) -> None:
    """Until cancelled: routes to the neighbours' pods, and this node's share of load-balancer addresses.

    ``restore`` brings back what those stand on; called first, and again whenever others have meddled."""
    nodes: Informer[Peer] = Informer(client, resource("nodes"), transform=narrow_node)
    services: Informer[Balanced] = Informer(client, resource("services"), transform=narrow_service)
    slices = Informer(client, resource("endpointslices.discovery.k8s.io"), transform=narrow_slice)

    def act() -> None:
        restore()
        everybody = list(nodes.items.values())
        peers.apply(routes(own, everybody))
        places = [(key[0], service, names) for key, (service, names) in list(slices.items.items())]
        mine = announced(own, everybody, dict(services.items), places)
        announce.apply(link, mine, None, (own_ip,))

    await _keep([nodes, services, slices], act, ("lo", link))


async def _keep(informers: list[Informer[Any]], act: Callable[[], None], links: Collection[str] | None = None) -> None:
    """``act`` when an object has changed, or one of the ``links`` (None: any)."""
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        for informer in informers:
            group.create_task(informer.run(), name=f"informer-{informer.kind.plural}")
        for informer in informers:
            await informer.wait_synced()
            informer.subscribe(lambda key, old, new: changed.set() if old != new else None)
        with contextlib.closing(Disturbance(links)) as disturbance:
            loop.add_reader(disturbance.fileno(), lambda: changed.set() if disturbance.read() else None)
            try:
                changed.set()
                while True:
                    await changed.wait()
                    changed.clear()
                    try:
                        await asyncio.to_thread(act)
                    except (OSError, NetlinkError) as error:
                        log.warning("the link towards the other nodes: %s; again in %.0f s", error, _RETRY)
                        await asyncio.sleep(_RETRY)
                        changed.set()
            finally:
                loop.remove_reader(disturbance.fileno())
