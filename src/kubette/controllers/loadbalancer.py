"""Gives Services of type LoadBalancer an address from the pool: the cluster's own answer to a cloud's.

``decide`` is pure. An address stays with its Service until that is gone or wants none; no two share one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers.base import Controller, Key, kind
from kubette.controllers.ranges import Address, Pool, family_of
from kubette.controllers.servicepods import families
from kubette.controllers.writes import Action, Note, status_patch


def wants(service: Object) -> bool:
    """Ours to serve: a class would name another implementation."""
    spec = service["spec"]
    return bool(spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerClass") and not meta.deleting(service))


def held(service: Object) -> list[Address]:
    rows = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return [ipaddress.ip_address(row["ip"]) for row in rows if row.get("ip")]


def decide(service: Object, pool: Pool, taken: Collection[Address]) -> list[Action]:
    """``taken``: what other Services hold. The status, and events where it changes or cannot be had."""
    status = dict(service.get("status") or {})
    mine = held(service)
    if not wants(service):
        if service["spec"].get("loadBalancerClass") or not mine:
            return []
        note = Note(service, "DeletedLoadBalancer", "Deleted load balancer")
        return [*status_patch(kind("services"), service, {**status, "loadBalancer": {}}), note]
    try:
        chosen = _choose(service, pool, mine, set(taken))
    except LookupError as error:
        words = f"Error syncing load balancer: failed to ensure load balancer: {error.args[0]}"
        return [Note(service, "SyncLoadBalancerFailed", words, "Warning")]
    if chosen == mine:
        return []
    status["loadBalancer"] = {"ingress": [{"ip": str(a), "ipMode": "VIP"} for a in chosen]}
    return [
        Note(service, "EnsuringLoadBalancer", "Ensuring load balancer"),
        *status_patch(kind("services"), service, status),
        Note(service, "EnsuredLoadBalancer", "Ensured load balancer"),
    ]


def _choose(service: Object, pool: Pool, mine: Iterable[Address], taken: set[Address]) -> list[Address]:
    asked = service["spec"].get("loadBalancerIP")
    wanted = ipaddress.ip_address(asked) if asked else None
    out: list[Address] = []
    for family in families(service):
        if wanted is not None and family_of(wanted) == family:
            if wanted not in pool:
                raise LookupError(f"the requested address {wanted} is not in the pool")
            if wanted in taken:
                raise LookupError(f"the requested address {wanted} is in use")
            out.append(wanted)
            continue
        kept = next((a for a in mine if family_of(a) == family and a in pool and a not in taken), None)
        address = kept or pool.free(family, taken)
        if address is None:
            raise LookupError(f"the pool has no free {family} address")
        out.append(address)
    return out


class LoadBalancer(Controller[Key]):
    name = "service-controller"
    concurrency = 1  # one hand gives out

    def watch(self) -> None:
        self.pool = Pool(self.config.load_balancer_pool)
        self.services = self.cluster.informer("services")
        self._waiting: set[Key] = set()  # Services that found no address
        self._held: dict[Key, list[Address]] = {}  # of the few that hold some
        self.services.subscribe(self._changed)

    def _changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        before, now = self._held.pop(key, []), held(new) if new is not None else []
        if now:
            self._held[key] = now
        if now or before or (new is not None and wants(new)):
            self.queue.add(key)
        if before and now != before:
            for waiting in self._waiting:
                self.queue.add(waiting)

    async def reconcile(self, key: Key) -> float | None:
        service = self.services.items.get(key)
        self._waiting.discard(key)
        if service is None or not self.config.load_balancer_pool:
            return None
        mine = set(held(service))
        # Of two that hold the same address, which only a hand can bring about, the first by name keeps it.
        taken = {
            a
            for other, addresses in self._held.items()
            for a in addresses
            if other != key and (a not in mine or other < key)
        }
        actions = decide(service, self.pool, taken)
        if any(isinstance(a, Note) and a.type == "Warning" for a in actions):
            self._waiting.add(key)
        await self.carry_out(actions)
        return None
