"""Endpoints: the older form of what stands behind a Service, which ``kubectl get endpoints`` shows.

``subsets`` decides purely. Endpoints made by hand for a Service without selector are left alone.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers import pods as podlib
from kubette.controllers.base import Key, kind
from kubette.controllers.servicepods import (
    HEADLESS,
    Port,
    ServicePods,
    counts,
    families,
    family,
    headless,
    hostname_in,
    pod_ips,
    pod_reference,
    ports_in,
    selects,
)
from kubette.controllers.triggertime import annotate
from kubette.controllers.writes import Action, Create, Delete, Update

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
_OURS = "endpoint-controller"
_CAPACITY = 1000


def subsets(service: Object, pods: Iterable[Object]) -> tuple[list[Object], bool]:
    """The subsets, packed as upstream's ``RepackSubsets``, and whether some addresses had to be left out.

    An address stands at each of its ports; ports with the same addresses share a subset."""
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    wanted = families(service)[0]
    at: dict[Port | None, dict[tuple[str, str], tuple[Object, bool]]] = {}
    for pod in pods:
        ip = next((ip for ip in pod_ips(pod) if family(ip) == wanted), None)
        if ip is None or not counts(pod, terminating=publish):
            continue
        address = _address(pod, service, ip)
        ready = publish or podlib.ready(pod)
        ports: Iterable[Port | None] = ports_in(pod, service)
        if not service["spec"].get("ports"):
            ports = (None,) if headless(service) else ()
        for port in ports:
            at.setdefault(port, {})[ip, meta.uid(pod)] = (address, ready)
    grouped: dict[tuple[tuple[tuple[str, str], bool], ...], list[Port | None]] = {}
    for port, rows in at.items():
        members = tuple(sorted((who, ready) for who, (_, ready) in rows.items()))
        grouped.setdefault(members, []).append(port)
    out = []
    for members, ports_ in sorted(grouped.items(), key=lambda g: [p or Port("", 0, "") for p in g[1]]):
        rows = at[ports_[0]]
        ordered = sorted(members, key=lambda m: ipaddress.ip_address(m[0][0]).packed)
        subset: Object = {
            "addresses": [rows[who][0] for who, ready in ordered if ready],
            "notReadyAddresses": [rows[who][0] for who, ready in ordered if not ready],
            "ports": [p.as_json() for p in sorted(p for p in ports_ if p is not None)],
        }
        out.append(subset)
    cut = _truncate(out)
    return [{k: v for k, v in subset.items() if v} for subset in out], cut


def _truncate(packed: list[Object]) -> bool:
    """Leave out what exceeds the capacity: those that are not ready first, from each subset its share."""
    ready, unready = (sum(len(s[f]) for s in packed) for f in ("addresses", "notReadyAddresses"))
    if ready + unready <= _CAPACITY:
        return False
    field, total, room = "notReadyAddresses", unready, _CAPACITY - ready
    if ready > _CAPACITY:
        field, total, room = "addresses", ready, _CAPACITY
        for subset in packed:
            subset["notReadyAddresses"] = []
    left = room
    for subset in packed:
        share = min(left, math.ceil(len(subset[field]) * room / total))
        subset[field] = subset[field][:share]
        left -= len(subset[field])
    return True


def _address(pod: Object, service: Object, ip: str) -> Object:
    out: Object = {"ip": ip}
    if hostname := hostname_in(pod, service):
        out["hostname"] = hostname
    if node := pod["spec"].get("nodeName"):
        out["nodeName"] = node
    out["targetRef"] = pod_reference(pod)
    return out


def decide(service: Object, pods: Iterable[Object], present: Object | None, trigger: str = "") -> list[Action]:
    """The write, if one is needed, that makes the Endpoints of a Service with a selector right.

    ``trigger``: when what makes it necessary happened."""
    wanted, cut = subsets(service, pods)
    labels = {**meta.labels(service), MANAGED_BY: _OURS}
    labels.pop(HEADLESS, None)
    if headless(service):
        labels[HEADLESS] = ""
    annotations = dict(meta.annotations(present)) if present else {}
    if cut:
        annotations[OVER_CAPACITY] = "truncated"
    else:
        annotations.pop(OVER_CAPACITY, None)
    m: Object = {**meta.metadata(present or {}), "name": meta.name(service), "namespace": meta.namespace(service)}
    m["labels"] = labels
    if annotations:
        m["annotations"] = annotations
    else:
        m.pop("annotations", None)
    out: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": annotate(m, trigger)}
    if wanted:
        out["subsets"] = wanted
    if present is None:
        return [Create(kind("endpoints"), out)]
    if (present.get("subsets") or []) == wanted and present["metadata"] == m:
        return []
    return [Update(kind("endpoints"), out)]


class Endpoints(ServicePods):
    name = "endpoint-controller"

    def watch(self) -> None:
        self.endpoints = self.cluster.informer("endpoints")
        super().watch()
        self.endpoints.subscribe(lambda key, old, new: self.queue.add(key))

    async def reconcile(self, key: Key) -> float | None:
        service, present = self.services.items.get(key), self.endpoints.items.get(key)
        if service is None:
            self.triggers.forget(key)
            if present is not None and meta.labels(present).get(MANAGED_BY) == _OURS:
                await self.carry_out([Delete(kind("endpoints"), present)])
            return None
        if selects(service):
            pods = self.selected(service)
            await self.carry_out(decide(service, pods, present, self.triggers.since_last(service, pods)))
        return None
