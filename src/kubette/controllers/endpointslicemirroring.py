"""Mirrors Endpoints made by hand, for a Service without selector, to EndpointSlices: proxies read only those.

``mirrored`` decides purely. Source: https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors.
"""

from __future__ import annotations

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers import slices
from kubette.controllers.base import Controller, Index, Key, kind
from kubette.controllers.servicepods import Port, family
from kubette.controllers.slices import MANAGED_BY, SERVICE_NAME, Group
from kubette.controllers.writes import Create, Delete, Update

SKIP = "endpointslice.kubernetes.io/skip-mirror"
_OURS = "endpointslicemirroring-controller.k8s.io"
_PER_SUBSET = 1000
_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    "endpoints.kubernetes.io/last-change-trigger-time",
    "endpoints.kubernetes.io/over-capacity",
}


def wanted(endpoints: Object, service: Object | None) -> bool:
    """The Service has no selector, so that its Endpoints are somebody's own."""
    if service is None or service["spec"].get("selector"):
        return False
    if meta.labels(endpoints).get(SKIP) == "true":
        return False
    return "control-plane.alpha.kubernetes.io/leader" not in meta.annotations(endpoints)


def mirrored(endpoints: Object) -> dict[Group, list[Object]]:
    """The endpoints by family and ports."""
    out: dict[Group, list[Object]] = {}
    for subset in endpoints.get("subsets") or ():
        ports = tuple(
            sorted(
                Port(p.get("name", ""), p["port"], p.get("protocol", "TCP"), p.get("appProtocol", ""))
                for p in subset.get("ports") or ()
            )
        )
        rows = [(a, True) for a in subset.get("addresses") or ()]
        rows += [(a, False) for a in subset.get("notReadyAddresses") or ()]
        for address, ready in rows[:_PER_SUBSET]:
            group = out.setdefault((family(address["ip"]), ports), [])
            group.append(_endpoint(address, ready))
    return out


def _endpoint(address: Object, ready: bool) -> Object:
    out: Object = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    for field in ("hostname", "nodeName", "targetRef"):
        if address.get(field):
            out[field] = address[field]
    return out


def decide(endpoints: Object, present: list[Object]) -> list[Create | Update | Delete]:
    labels = {**meta.labels(endpoints), SERVICE_NAME: meta.name(endpoints), MANAGED_BY: _OURS}
    template: Object = {
        "generateName": meta.name(endpoints) + "-",
        "namespace": meta.namespace(endpoints),
        "labels": labels,
        "ownerReferences": [meta.owner_reference(endpoints)],
    }
    if annotations := {k: v for k, v in meta.annotations(endpoints).items() if k not in _NOT_COPIED}:
        template["annotations"] = annotations
    return slices.reconcile(template, mirrored(endpoints), present)


def ours(slice_: Object) -> tuple[str, ...]:
    labels = meta.labels(slice_)
    if labels.get(MANAGED_BY) != _OURS or SERVICE_NAME not in labels:
        return ()
    return (f"{meta.namespace(slice_)}/{labels[SERVICE_NAME]}",)


class EndpointSliceMirroring(Controller[Key]):
    name = "endpointslicemirroring-controller"

    def watch(self) -> None:
        self.services, self.endpoints = self.cluster.informer("services"), self.cluster.informer("endpoints")
        informer = self.cluster.informer("endpointslices.discovery.k8s.io")
        self.slices = Index(informer, ours)
        for source in (self.services, self.endpoints):
            source.subscribe(lambda key, old, new: self.queue.add(key))
        informer.subscribe(self._slice_changed)

    def _slice_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        for obj in (old, new):
            for owner in ours(obj) if obj is not None else ():
                namespace, _, name = owner.partition("/")
                self.queue.add((namespace, name))

    async def reconcile(self, key: Key) -> float | None:
        endpoints, present = self.endpoints.items.get(key), self.slices.get("/".join(key))
        present = [s for s in present if not meta.deleting(s)]
        if endpoints is None or not wanted(endpoints, self.services.items.get(key)):
            await self.carry_out([Delete(kind("endpointslices.discovery.k8s.io"), s) for s in present])
        else:
            await self.carry_out(decide(endpoints, present))
        return None
