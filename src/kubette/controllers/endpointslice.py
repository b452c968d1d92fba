"""EndpointSlices: what stands behind a Service, a hundred endpoints a slice, as proxies and DNS read it.

``endpoints`` and ``decide`` are pure. Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers import pods as podlib
from kubette.controllers import slices
from kubette.controllers.base import Index, Key
from kubette.controllers.servicepods import (
    HEADLESS,
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
from kubette.controllers.slices import MANAGED_BY, SERVICE_NAME, Group
from kubette.controllers.writes import Create, Delete, Update

_OURS = "endpointslice-controller.k8s.io"
_ZONE = "topology.kubernetes.io/zone"


def endpoints(service: Object, pods: Iterable[Object], zones: Mapping[str, str]) -> dict[Group, list[Object]]:
    """Endpoints by address family and by the ports that they offer. ``zones``: of nodes."""
    out: dict[Group, list[Object]] = {}
    for pod in pods:
        if not counts(pod, terminating=True):
            continue
        ports = ports_in(pod, service)
        for ip in pod_ips(pod):
            if family(ip) in families(service):
                out.setdefault((family(ip), ports), []).append(_endpoint(service, pod, ip, zones))
    for wanted in families(service):
        if not any(group[0] == wanted for group in out):
            out[wanted, ()] = []  # one slice says that there is nothing
    return out


def _endpoint(service: Object, pod: Object, ip: str, zones: Mapping[str, str]) -> Object:
    serving, terminating = podlib.ready(pod), meta.deleting(pod)
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    out: Object = {
        "addresses": [ip],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": pod_reference(pod),
    }
    if hostname := hostname_in(pod, service):
        out["hostname"] = hostname
    if node := pod["spec"].get("nodeName"):
        out["nodeName"] = node
        if zone := zones.get(node):
            out["zone"] = zone
    return out


def decide(
    service: Object, pods: Iterable[Object], zones: Mapping[str, str], present: Iterable[Object], trigger: str = ""
) -> list[Create | Update | Delete]:
    """The writes that make the Service's slices right. ``present``: the slices that are ours already;
    ``trigger``: when what makes them necessary happened."""
    labels = {k: v for k, v in meta.labels(service).items() if k not in (HEADLESS, SERVICE_NAME, MANAGED_BY)}
    labels |= {SERVICE_NAME: meta.name(service), MANAGED_BY: _OURS}
    if headless(service):
        labels[HEADLESS] = ""
    template = {
        "generateName": meta.name(service) + "-",
        "namespace": meta.namespace(service),
        "labels": labels,
        "ownerReferences": [meta.owner_reference(service)],
    }
    return slices.reconcile(template, endpoints(service, pods, zones), present, trigger)


def ours(slice_: Object) -> tuple[str, ...]:
    """``NAMESPACE/SERVICE`` of a slice that this controller keeps."""
    labels = meta.labels(slice_)
    if labels.get(MANAGED_BY) != _OURS or SERVICE_NAME not in labels:
        return ()
    return (f"{meta.namespace(slice_)}/{labels[SERVICE_NAME]}",)


class EndpointSlice(ServicePods):
    name = "endpointslice-controller"

    def watch(self) -> None:
        informer, self.nodes = self.cluster.informer("endpointslices.discovery.k8s.io"), self.cluster.informer("nodes")
        self.slices = Index(informer, ours)
        super().watch()
        informer.subscribe(self._slice_changed)
        self.nodes.subscribe(self._node_changed)

    def _slice_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        for obj in (old, new):
            for owner in ours(obj) if obj is not None else ():
                namespace, _, name = owner.partition("/")
                self.queue.add((namespace, name))

    def _node_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        """Zones are rare, and change more rarely."""
        if _zone(old) != _zone(new):
            for service in self.services.items:
                self.queue.add(service)

    async def reconcile(self, key: Key) -> float | None:
        service = self.services.items.get(key)
        present = [s for s in self.slices.get("/".join(key)) if not meta.deleting(s)]
        if service is None or not selects(service):
            self.triggers.forget(key)
            kind = self.cluster.informer("endpointslices.discovery.k8s.io").kind
            await self.carry_out([Delete(kind, s) for s in present])
            return None
        zones = {name: zone for (_, name), node in self.nodes.items.items() if (zone := _zone(node))}
        pods = self.selected(service)
        trigger = self.triggers.since_last(service, pods)
        await self.carry_out(decide(service, pods, zones, present, trigger))
        return None


def _zone(node: Object | None) -> str:
    return meta.labels(node or {}).get(_ZONE, "")
