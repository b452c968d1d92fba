"""A host name as a pod's resolver and cluster DNS see it: the names that are tried, and the addresses that come out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field

from kubette.api import meta
from kubette.api.meta import Object
from kubette.dns import objects, wire
from kubette.dns.zone import Zone
from kubette.trace.world import World

_CLUSTER_FIRST = ("ClusterFirst", "ClusterFirstWithHostNet")
_NDOTS = 5
_MAX_CNAMES = 8


@dataclass(slots=True)
class Resolved:
    """``tried``: names and what became of each, in order. ``name`` is the one that had ``addresses``."""

    name: str = ""
    addresses: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)


def uses_cluster_dns(pod: Object) -> bool:
    """By dnsPolicy; a pod on the host's network has the node's resolvers unless it says otherwise."""
    spec = pod.get("spec") or {}
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    return policy in _CLUSTER_FIRST and not (policy == "ClusterFirst" and spec.get("hostNetwork"))


def resolve(world: World, namespace: str, host: str) -> Resolved:
    """What a pod of the namespace, with cluster DNS, gets for ``host``. ValueError when it can be no name."""
    zone, out = _zone(world), Resolved()
    for candidate in _candidates(world, namespace, host):
        if _ask(zone, candidate, out):
            out.name = candidate
            break
    return out


def service_of(world: World, namespace: str, host: str) -> tuple[str, str] | None:
    """The Service that a name would mean in the cluster: ``x``, ``x.ns``, ``x.ns.svc`` or all of it."""
    short = host.rstrip(".").removesuffix(f".{world.domain}").removesuffix(".svc")
    name, _, where = short.partition(".")
    found = world.service(where or namespace, name)
    return meta.key(found) if found else None


def _candidates(world: World, namespace: str, host: str) -> Iterator[str]:
    """In the order of resolv.conf(5) with the search list and ndots:5 that pods have."""
    if host.endswith("."):
        yield host.rstrip(".")
        return
    searches = [f"{host}.{s}" for s in (f"{namespace}.svc.{world.domain}", f"svc.{world.domain}", world.domain)]
    yield from (searches if host.count(".") < _NDOTS else [host])
    yield from ([host] if host.count(".") < _NDOTS else searches)


def _zone(world: World) -> Zone:
    zone = Zone(world.domain, (*world.pod_cidrs, *world.service_cidrs))
    for service in world.services:
        zone.set_service(meta.key(service), objects.service(service))
    for slice_ in world.slices:
        zone.set_slice(meta.key(slice_), objects.endpoint_slice(slice_))
    for namespace in world.namespaces:
        zone.set_namespace(meta.name(namespace), True)
    return zone


def _ask(zone: Zone, candidate: str, out: Resolved) -> bool:
    """Whether the name has addresses; they, and what became of it, go into ``out``."""
    name = wire.name(candidate)
    for _ in range(_MAX_CNAMES):
        answers = [zone.answer(name, type_) for type_ in (wire.A, wire.AAAA)]
        if any(a is None for a in answers):
            out.tried.append(f"{wire.text(name)[:-1]}: not the cluster's; asked of the node's own servers")
            return False
        found = [a for a in answers if a is not None]
        if cname := next((a.cname for a in found if a.cname), b""):
            out.tried.append(f"{wire.text(name)[:-1]}: another name for {wire.text(cname)[:-1]}")
            name = cname
            continue
        rows = [row for a in found for row in a.answers]
        out.addresses = [str(ipaddress.ip_address(row[12:])) for row in rows]
        if out.addresses:
            out.tried.append(f"{wire.text(name)[:-1]}: {', '.join(out.addresses)}")
            return True
        missing = all(a.rcode == wire.NXDOMAIN for a in found)
        out.tried.append(f"{wire.text(name)[:-1]}: {'no such name' if missing else 'there, and has no address'}")
        return False
    return False
