"""What a node does for its neighbours on the link: routes to their pods, and answers for load-balancer IPs.

Beside the agent proper, which knows only its own node. What should be is worked out anew only when an object changes
it; what others take away in the kernel is put back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from kubette.api.endpointslices import EndpointSlice, Name
from kubette.api.ip import Family, family_of
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.client.clusterview import ClusterView, NodeView, narrow_node
from kubette.client.informer import Informer
from kubette.client.interface import Api
from kubette.network import announce, peers, upkeep
from kubette.network.disturbance import Disturbance

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Balanced:
    """A Service's load-balancer addresses; ``local``: only nodes with endpoints may answer for them."""

    addresses: tuple[str, ...]
    local: bool


_NOWHERE = Balanced((), False)


def balanced(service: Object | None) -> Balanced:
    if service is None:
        return _NOWHERE
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    addresses = tuple(i["ip"] for i in ingress if i.get("ip") and family_of(i["ip"]) is Family.IPV4)
    return Balanced(addresses, bool(addresses) and service["spec"].get("externalTrafficPolicy") == "Local")


def ready_nodes(found: EndpointSlice | None) -> frozenset[str]:
    """The nodes with a ready endpoint."""
    return frozenset(e.node for e in found.endpoints if e.ready and e.node) if found is not None else frozenset()


def routes(own: str, nodes: Iterable[NodeView]) -> dict[str, str]:
    """Pod CIDR → next hop, of all nodes but ``own``."""
    others = (n for n in nodes if n.name != own and n.ip)
    return {c: n.ip for n in others for c in n.pod_cidrs if family_of(c) is Family.IPV4}


def announced(
    own: str, nodes: Iterable[NodeView], services: Mapping[Name, Balanced], slices: Iterable[EndpointSlice | None]
) -> frozenset[str]:
    """The addresses that ``own`` answers for."""
    candidates = [n.name for n in nodes if n.ready and n.announces]
    holders: dict[Name, set[str]] = {name: set() for name, service in services.items() if service.local}
    for found in slices if holders else ():
        if found is not None and found.service in holders:
            holders[found.service] |= ready_nodes(found)
    mine: set[str] = set()
    for name, service in services.items():
        able = [n for n in candidates if n in holders[name]] if service.local else candidates
        mine.update(a for a in service.addresses if announce.announcer(a, able) == own)
    return frozenset(mine)


async def keep_routes(client: Api, restore: Callable[[], None] = lambda: None) -> None:
    """Until cancelled: routes to the pods of every node, for the control plane. ``restore``: see ``keep``."""
    nodes: Informer[NodeView] = Informer(client, resource("nodes"), transform=narrow_node)
    changed = asyncio.Event()

    def apply() -> None:
        if nodes.synced:
            peers.apply(routes("", list(nodes.items.values())))

    nodes.subscribe(lambda key, old, new: changed.set() if old != new else None)
    with contextlib.closing(Disturbance()) as disturbance:
        async with asyncio.TaskGroup() as group:
            group.create_task(nodes.run(), name="informer-nodes")
            acts = {"the control plane's link": restore, "routes to pods": apply}
            group.create_task(upkeep.keep(acts, disturbance, changed), name="routes")
            await nodes.wait_synced()
            changed.set()  # also where there is no node


class _Latest(Generic[T]):
    """A value that a thread works out from what informers hold, after the loop said that it is stale."""

    def __init__(self, work_out: Callable[[], T]) -> None:
        self._work_out = work_out
        self._version = 0
        self._held: tuple[int, T] | None = None

    def stale(self) -> None:
        self._version += 1

    def get(self) -> T:
        version = self._version  # read before the objects are: a change meanwhile makes it stale again
        if self._held is None or self._held[0] != version:
            self._held = (version, self._work_out())
        return self._held[1]


class Neighbours:
    """One node's part. The informers of ``view`` run elsewhere."""

    def __init__(self, view: ClusterView, own: str, own_ip: str, link: str) -> None:
        self._view = view
        self._own, self._own_ip, self._link = own, own_ip, link
        self._changed = asyncio.Event()
        self._routes = _Latest(self._wanted_routes)
        self._announced = _Latest(self._wanted_addresses)

    async def keep(self, acts: upkeep.Acts, disturbance: Disturbance) -> None:
        """Until cancelled. ``acts`` bring back what routes and addresses stand on; they come first."""
        view = self._view
        every = {**acts, "routes to pods": self._apply_routes, "load-balancer addresses": self._apply_addresses}
        view.nodes.subscribe(self._on_node)
        view.services.subscribe(self._on_service)
        view.slices.subscribe(self._on_slice)
        async with asyncio.TaskGroup() as group:
            group.create_task(upkeep.keep(every, disturbance, self._changed), name="upkeep")
            for informer in (view.nodes, view.services, view.slices):
                await informer.wait_synced()
                self._changed.set()  # also where there is no object

    def _on_node(self, key: Name, old: NodeView | None, new: NodeView | None) -> None:
        if old != new:
            self._routes.stale()
            self._announced.stale()
            self._changed.set()

    def _on_service(self, key: Name, old: Object | None, new: Object | None) -> None:
        if balanced(old) != balanced(new):
            self._announced.stale()
            self._changed.set()

    def _on_slice(self, key: Name, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if ready_nodes(old) == ready_nodes(new) and (old and old.service) == (new and new.service):
            return
        services = self._view.services.items
        if any(found is not None and balanced(services.get(found.service)).local for found in (old, new)):
            self._announced.stale()
            self._changed.set()

    # -- in the upkeep's thread ----------------------------------------------------------------------

    def _wanted_routes(self) -> dict[str, str]:
        return routes(self._own, list(self._view.nodes.items.values()))

    def _wanted_addresses(self) -> frozenset[str]:
        view = self._view
        found = {name: balanced(service) for name, service in list(view.services.items.items())}
        services = {name: service for name, service in found.items() if service.addresses}
        nodes, slices = list(view.nodes.items.values()), list(view.slices.items.values())
        return announced(self._own, nodes, services, slices)

    def _apply_routes(self) -> None:
        if self._view.nodes.synced:
            peers.apply(self._routes.get())

    def _apply_addresses(self) -> None:
        view = self._view
        if view.nodes.synced and view.services.synced and view.slices.synced:
            announce.apply(self._link, self._announced.get(), None, (self._own_ip,))
