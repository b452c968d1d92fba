"""What a node follows of the whole cluster, once: one informer for each kind serves agent, proxy and neighbours.

Objects are narrowed as they come in, so that a node holds little of each, and an event that changes nothing of that (a
heartbeat of another node) ends here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubette.api import endpointslices, meta
from kubette.api.endpointslices import EndpointSlice
from kubette.api.ip import family_of
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.client.informer import Informer, Source

_NO_BALANCING = "node.kubernetes.io/exclude-from-external-load-balancers"


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as others see it. ``announces``: it may answer for load-balancer addresses. ``own``: the whole object, of
    the node that looks."""

    name: str
    ip: str  # IPv4; empty without
    pod_cidrs: tuple[str, ...]
    ready: bool
    announces: bool
    own: Object | None = None


def narrow_node(node: Object, own: str = "") -> NodeView:
    status, spec = node.get("status") or {}, node.get("spec") or {}
    ips = (a["address"] for a in status.get("addresses") or () if a.get("type") == "InternalIP")
    return NodeView(
        meta.name(node),
        next((ip for ip in ips if family_of(ip).api_name == "IPv4"), ""),
        tuple(spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else ())),
        (meta.condition(node, "Ready") or {}).get("status") == "True",
        _NO_BALANCING not in meta.labels(node),
        node if own and meta.name(node) == own else None,
    )


def narrow_service(service: Mapping[str, Any]) -> Object:
    """The Service without what nobody on a node reads."""
    metadata = service.get("metadata") or {}
    kept = {key: metadata[key] for key in ("namespace", "name", "labels") if key in metadata}
    return {"metadata": kept, "spec": service.get("spec") or {}, "status": service.get("status") or {}}


class ClusterView:
    """Informers of nodes, Services and EndpointSlices. Keep ``run()`` as a task, or run those that are needed."""

    def __init__(self, client: Source, own_node: str = "", *, alone: bool = False) -> None:
        """``alone``: of the nodes, follow ``own_node`` only, which is all that a node's identity may read."""
        self.nodes: Informer[NodeView] = Informer(
            client,
            resource("nodes"),
            field_selector=f"metadata.name={own_node}" if alone else None,
            transform=lambda node: narrow_node(node, own_node),
        )
        self.services: Informer[Object] = Informer(client, resource("services"), transform=narrow_service)
        self.slices: Informer[EndpointSlice | None] = Informer(
            client, resource("endpointslices.discovery.k8s.io"), transform=endpointslices.narrow
        )

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in (self.nodes, self.services, self.slices):
                group.create_task(informer.run(), name=f"informer-{informer.kind.plural}")

    async def pod_cidrs(self, node: str) -> tuple[str, ...]:
        """The pod CIDRs of a node, as soon as the controllers have given it some."""
        found: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()

        def look(key: tuple[str, str], old: NodeView | None, new: NodeView | None) -> None:
            if new is not None and new.name == node and new.pod_cidrs and not found.done():
                found.set_result(new.pod_cidrs)

        self.nodes.subscribe(look)
        try:
            return await found
        finally:
            self.nodes.unsubscribe(look)
