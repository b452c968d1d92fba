"""The watched objects, indexed for planning, and what has changed since the last plan."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from kubette.api.meta import Object
from kubette.ingress import routing, slots, tls
from kubette.ingress.config import IngressConfig
from kubette.ingress.model import Certificate, Ingress, IngressClass, Name, Service, Slice, certificate
from kubette.ingress.routing import Backend, Plan, Problem

T = TypeVar("T")


def checked_certificate(obj: Object) -> Certificate | str:
    """An informer's transform: the pair, or why it cannot be used."""
    found = certificate(obj)
    return found if isinstance(found, str) else tls.check(found)


@dataclass(frozen=True, slots=True)
class Inputs:
    """An Ingress without its status, and what its Secrets hold, in the order of ``spec.tls``."""

    ingress: Ingress
    certificates: tuple[Certificate | str | None, ...]


class State:
    """Subscribe its ``on_`` methods to informers. ``changed`` is set by relevant changes only: ``structure`` says
    that the routes may have changed, ``moved`` names Services whose endpoints have."""

    def __init__(self, config: IngressConfig) -> None:
        self.config = config
        self.changed = asyncio.Event()
        self.status_changed = asyncio.Event()
        self.structure = True
        self.moved: set[Name] = set()
        self._ingresses: dict[Name, Ingress] = {}
        self._classes: dict[Name, IngressClass] = {}
        self._services: dict[Name, Service] = {}
        self._slices: dict[Name, dict[Name, Slice]] = {}
        self._certificates: dict[Name, Certificate | str] = {}
        self._used: set[Name] = set()  # Services that a served Ingress names
        self._secrets: set[Name] = set()

    def on_ingress(self, key: Name, old: Ingress | None, new: Ingress | None) -> None:
        _put(self._ingresses, key, new)
        if old is None or new is None or replace(old, status=()) != replace(new, status=()):
            self._restructure()
        self.status_changed.set()

    def on_class(self, key: Name, _old: IngressClass | None, new: IngressClass | None) -> None:
        _put(self._classes, key, new)
        self._restructure()
        self.status_changed.set()

    def on_service(self, key: Name, old: Service | None, new: Service | None) -> None:
        _put(self._services, key, new)
        if key in self._used and (old is None or new is None or (old.external, old.ports) != (new.external, new.ports)):
            self._restructure()
        if key == self.config.publish_service:
            self.status_changed.set()

    def on_certificate(self, key: Name, _old: Certificate | str | None, new: Certificate | str | None) -> None:
        _put(self._certificates, key, new)
        if key in self._secrets:
            self._restructure()

    def on_slice(self, key: Name, old: Slice | None, new: Slice | None) -> None:
        for gone in (old,) if old else ():
            rows = self._slices.get(gone.service, {})
            rows.pop(key, None)
            if not rows:
                self._slices.pop(gone.service, None)
        if new:
            self._slices.setdefault(new.service, {})[key] = new
        for service in {s.service for s in (old, new) if s} & self._used:
            self.moved.add(service)
            self.changed.set()

    def _restructure(self) -> None:
        self.structure = True
        self.changed.set()

    def served(self) -> list[Ingress]:
        classes = list(self._classes.values())
        return [i for i in self._ingresses.values() if routing.served(i, classes, self.config.controller)]

    def inputs(self, ingress: Ingress) -> Inputs:
        """All that HAProxy's configuration has from one tenant's Ingress."""
        pairs = tuple(self._certificates.get((ingress.name[0], t.secret)) for t in ingress.tls)
        return Inputs(replace(ingress, status=()), pairs)

    def subplan(self, ingresses: Iterable[Ingress]) -> Plan:
        """The plan for these Ingresses only."""
        return routing.plan(ingresses, self._services, self._certificates)[0]

    def plan(self, without: Collection[Name] = ()) -> tuple[Plan, tuple[Problem, ...]]:
        """Routes as they should be now, ``without`` some Ingresses. Clears ``structure``."""
        self.structure = False
        ingresses = self.served()
        targets = [(i.name[0], p.target.service) for i in ingresses for r in i.rules for p in r.paths]
        targets += [(i.name[0], i.default.service) for i in ingresses if i.default]
        self._used = set(targets)
        self._secrets = {(i.name[0], t.secret) for i in ingresses for t in i.tls}
        kept = [i for i in ingresses if i.name not in without]
        return routing.plan(kept, self._services, self._certificates)

    def endpoints(self, backend: Backend) -> tuple[slots.Endpoint, ...]:
        return slots.endpoints(self._slices.get(backend.service, {}).values(), backend.port)

    def reference(self, name: Name) -> Object | None:
        """An ObjectReference to the Ingress, while there is one."""
        found = self._ingresses.get(name)
        return dict(found.reference) if found else None

    def addresses(self) -> list[Object] | None:
        """What every served Ingress's status should say; None where there is no Service to take it from."""
        service = self._services.get(self.config.publish_service)
        if service is None:
            return None
        return [{k: row[k] for k in ("ip", "hostname") if row.get(k)} for row in service.load_balancer]


def _put(table: dict[Name, T], key: Name, value: T | None) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
