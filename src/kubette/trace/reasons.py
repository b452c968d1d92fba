"""Why no pod answers: what keeps a Service from having an endpoint, read from the objects."""

from __future__ import annotations

from collections.abc import Iterator

from kubette.api import meta
from kubette.api.meta import Object
from kubette.nft.expr import Family
from kubette.proxy import policy, state
from kubette.proxy.state import PROTOCOLS
from kubette.trace.world import World

_MOST = 5  # pods that are listed one by one


def services_at(world: World, address: str) -> list[Object]:
    """The Services that have the address: as ClusterIP, load-balancer IP or external IP."""
    out = []
    for service in world.services:
        spec = service.get("spec") or {}
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        own = [*(spec.get("clusterIPs") or [spec.get("clusterIP")]), *(spec.get("externalIPs") or ())]
        if address in (*own, *(i.get("ip") for i in ingress)):
            out.append(service)
    return out


def node_port_at(world: World, port: int, proto: int) -> tuple[Object, Object] | None:
    """The Service, and its port, that has the NodePort."""
    for service in world.services:
        for row in ports_of(service):
            if row.get("nodePort") == port and PROTOCOLS.get(row.get("protocol", "TCP")) == proto:
                return service, row
    return None


def ports_of(service: Object) -> list[Object]:
    return (service.get("spec") or {}).get("ports") or []


def port_at(service: Object, port: int, proto: int) -> Object | None:
    """The Service's port of that number and protocol."""
    rows = (r for r in ports_of(service) if PROTOCOLS.get(r.get("protocol", "TCP")) == proto)
    return next((r for r in rows if r.get("port") == port), None)


def ports_text(service: Object) -> str:
    """``http 80/TCP, https 443/TCP``."""
    rows = [f"{r.get('name', '')} {r['port']}/{r.get('protocol', 'TCP')}".strip() for r in ports_of(service)]
    return ", ".join(rows) or "none"


def no_endpoints(world: World, service: Object, port: Object) -> Iterator[str]:
    """Why a port of a Service has no ready endpoint."""
    name = f"{meta.namespace(service)}/{meta.name(service)}"
    selector = (service.get("spec") or {}).get("selector")
    if not selector:
        yield f"Service {name} has no selector, and no Endpoints or EndpointSlice gives it a ready address"
        return
    words = ",".join(f"{k}={v}" for k, v in selector.items())
    pods = list(world.selected(service))
    if not pods:
        yield f"the selector {words} of Service {name} matches no pod in namespace {meta.namespace(service)}"
        return
    for pod in pods[:_MOST]:
        yield f"pod {meta.name(pod)} {pod_trouble(pod, port)}"
    if len(pods) > _MOST:
        yield f"and {len(pods) - _MOST} more pods that {words} matches"


def pod_trouble(pod: Object, port: Object) -> str:
    """Why a pod is no endpoint of a Service's port."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    if meta.deleting(pod):
        return "is being deleted"
    if status.get("phase") in ("Succeeded", "Failed"):
        return f"has ended ({status['phase']})"
    scheduled = meta.condition(pod, "PodScheduled") or {}
    if scheduled.get("status") == "False":
        return f"has no node: {scheduled.get('message', 'it waits for the scheduler')}"
    for row in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (row.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "PodInitializing"):
            return f"waits: container {row['name']}: {waiting['reason']} {waiting.get('message', '')}".rstrip()
    ready = meta.condition(pod, "Ready") or {}
    if ready.get("status") != "True":
        return f"is not ready: {ready.get('message') or ready.get('reason') or 'it has not started'}"
    target = port.get("targetPort")
    if isinstance(target, str) and not any(
        p.get("name") == target and p.get("protocol", "TCP") == port.get("protocol", "TCP")
        for c in spec.get("containers") or ()
        for p in c.get("ports") or ()
    ):
        return f"has no port named {target!r}, which is the Service's targetPort"
    return "is ready, and not yet among the endpoints"


def backends(world: World, service: Object, port: Object) -> set[policy.Backend]:
    """The endpoints that may serve a Service's port, from anywhere; of headless Services, too."""
    spec = service.get("spec") or {}
    wanted = state.ServicePort(port.get("name") or "", PROTOCOLS[port.get("protocol", "TCP")], port["port"])
    own = [s for s in map(_slice, world.slices) if s is not None and s.service == meta.key(service)]
    out: set[policy.Backend] = set()
    for family in Family:
        found = policy.endpoints_for(own, family, wanted)
        out |= policy.usable(found, bool(spec.get("publishNotReadyAddresses")))
    return out


def _slice(obj: Object) -> state.Slice | None:
    """As the proxy narrows it, but for the label that keeps headless Services from it."""
    labels = {k: v for k, v in meta.labels(obj).items() if k != state.HEADLESS_LABEL}
    return state.endpoint_slice({**obj, "metadata": {**obj["metadata"], "labels": labels}})
