"""The objects that a path depends on, as the API has them at one moment, and how to find them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubette.api import meta
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.api.selectors import from_map
from kubette.client.interface import Api
from kubette.nft.types import family_of

KINDS = ("services", "endpointslices.discovery.k8s.io", "pods", "nodes", "namespaces", "ingresses.networking.k8s.io")


@dataclass(frozen=True, slots=True)
class World:
    """``outside_ip``: the address of a client outside the cluster. CIDRs are text."""

    services: Sequence[Object] = ()
    slices: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    nodes: Sequence[Object] = ()
    namespaces: Sequence[Object] = ()
    ingresses: Sequence[Object] = ()
    pod_cidrs: tuple[str, ...] = ("10.42.0.0/16",)
    service_cidrs: tuple[str, ...] = ("10.43.0.0/16",)
    domain: str = "cluster.local"
    outside_ip: str = "192.0.2.1"

    def pod(self, namespace: str, name: str) -> Object | None:
        return _find(self.pods, namespace, name)

    def node(self, name: str) -> Object | None:
        return _find(self.nodes, "", name)

    def service(self, namespace: str, name: str) -> Object | None:
        return _find(self.services, namespace, name)

    def ingress(self, namespace: str, name: str) -> Object | None:
        return _find(self.ingresses, namespace, name)

    def pod_at(self, ip: str) -> Object | None:
        """The running pod that has the address. Pods on the host's network have none of their own."""
        for pod in self.pods:
            status = pod.get("status") or {}
            if status.get("phase") in ("Succeeded", "Failed") or (pod.get("spec") or {}).get("hostNetwork"):
                continue
            if ip in ips_of(pod):
                return pod
        return None

    def node_at(self, ip: str) -> Object | None:
        return next((n for n in self.nodes if ip in node_ips(n)), None)

    def selected(self, service: Object) -> Iterator[Object]:
        """The pods that a Service's selector matches."""
        selector = from_map((service.get("spec") or {}).get("selector"))
        for pod in self.pods:
            if meta.namespace(pod) == meta.namespace(service) and selector.matches(meta.labels(pod)):
                yield pod


async def read(client: Api, **settings: Any) -> World:
    """Read all of ``KINDS`` at once. ``settings`` are World's other fields. Raises ApiError."""
    lists = await asyncio.gather(*(client.list(resource(kind)) for kind in KINDS))
    return World(*(found["items"] for found in lists), **settings)


def _find(objects: Sequence[Object], namespace: str, name: str) -> Object | None:
    return next((o for o in objects if meta.name(o) == name and meta.namespace(o) == namespace), None)


def ips_of(pod: Mapping[str, Any]) -> list[str]:
    status = pod.get("status") or {}
    return [p["ip"] for p in status.get("podIPs") or ()] or ([status["podIP"]] if status.get("podIP") else [])


def node_ips(node: Mapping[str, Any]) -> list[str]:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return [a["address"] for a in addresses if a.get("type") in ("InternalIP", "ExternalIP")]


def of_family(addresses: Sequence[str], like: str) -> str:
    """The first address of the same family, or ""."""
    return next((a for a in addresses if family_of(a) is family_of(like)), "")
