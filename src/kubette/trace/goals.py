"""Where a path starts, and which addresses it is for: the question's words against the objects.

Pure. A name means what it means at the start: pods ask cluster DNS, nodes and the outside do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubette.agent import neighbours
from kubette.api import meta
from kubette.nft.types import family_of
from kubette.proxy import state
from kubette.trace import names, reasons
from kubette.trace.question import Source, Target, TraceError
from kubette.trace.report import Trace
from kubette.trace.ways import protocol
from kubette.trace.world import Obj, World, ips_of, node_ips

_GUESS = 80  # where a port was neither said nor known


@dataclass(frozen=True, slots=True)
class Start:
    """``node`` is None outside, and ``pod`` where it is no pod that starts."""

    node: Obj | None = None
    pod: Obj | None = None
    addresses: tuple[str, ...] = ()
    local: bool = False  # the packet is made by a process in the node's own network


def start_of(world: World, source: Source) -> Start:
    if source.kind == "outside":
        return Start(addresses=(world.outside_ip,))
    if source.kind == "node":
        node = world.node(source.name)
        if node is None:
            raise TraceError(f'there is no node "{source.name}"; there are {_names(world.nodes)}')
        return Start(node, None, tuple(node_ips(node)), local=True)
    pod = world.pod(source.namespace, source.name)
    if pod is None:
        raise TraceError(f'there is no pod "{source.name}" in namespace "{source.namespace}"')
    node = world.node((pod.get("spec") or {}).get("nodeName") or "")
    if node is None or not ips_of(pod) or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        raise TraceError(f'pod "{source.name}" {reasons.pod_trouble(pod, {})}: no packet starts there')
    return Start(node, pod, tuple(ips_of(pod)), local=bool((pod.get("spec") or {}).get("hostNetwork")))


def _names(objects: Sequence[Obj]) -> str:
    return ", ".join(map(meta.name, objects)) or "none"


def goals(world: World, start: Start, target: Target, proto: int, trace: Trace) -> list[tuple[str, int]]:
    if target.service:
        return _of_service(world, start, target, proto, trace)
    if target.is_address:
        return [(target.host, _number(world, target, target.host))]
    if start.pod is None or not names.uses_cluster_dns(start.pod):
        meant = names.service_of(world, target.namespace, target.host)
        if meant is None:
            trace.because(f"{target.host} is no name of the cluster, and is not asked of cluster DNS from here")
            return []
        trace.add("name", f"{target.host} is not asked of cluster DNS from here; Service {'/'.join(meant)} is taken")
        return _of_service(world, start, Target("", target.port, meant), proto, trace)
    try:
        found = names.resolve(world, meta.namespace(start.pod), target.host)
    except ValueError as error:
        raise TraceError(str(error)) from error
    for line in found.tried:
        trace.add("name", line)
    if not found.addresses:
        trace.because(f"{target.host} has no address in the cluster")
    families = {family_of(ip) for ip in start.addresses}
    usable = [ip for ip in found.addresses if family_of(ip) in families]
    return [(ip, _number(world, target, ip)) for ip in usable]


def _number(world: World, target: Target, address: str) -> int:
    """The port's number: as said, as the Service at the address calls it, else its first."""
    if isinstance(target.port, int):
        return target.port
    for service in reasons.services_at(world, address):
        rows = [r for r in reasons.ports_of(service) if target.port in ("", r.get("name"))]
        if rows:
            return int(rows[0]["port"])
    if target.port:
        raise TraceError(f"nothing at {address} has a port named {target.port!r}")
    return _GUESS


def _of_service(world: World, start: Start, target: Target, proto: int, trace: Trace) -> list[tuple[str, int]]:
    assert target.service is not None
    namespace, name = target.service
    service = world.service(namespace, name)
    if service is None:
        raise TraceError(f'there is no Service "{name}" in namespace "{namespace}"')
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        trace.add("name", f"Service {namespace}/{name} is another name for {spec.get('externalName')}")
        trace.because(f"{spec.get('externalName')} is not the cluster's: its own resolvers decide")
        return []
    row = _row(service, target.port, proto)
    if start.node is None:
        return _from_outside(world, service, row, trace)
    if spec.get("clusterIP") == "None":
        ends = sorted(reasons.backends(world, service, row))
        trace.add("name", f"Service {namespace}/{name} is headless: its name has the addresses of its pods")
        if not ends:
            trace.because(*reasons.no_endpoints(world, service, row))
        return ends
    families = {family_of(ip) for ip in start.addresses}
    address = next((ip for ip in spec.get("clusterIPs") or [spec["clusterIP"]] if family_of(ip) in families), "")
    if not address:
        trace.because(f"Service {namespace}/{name} has no address of the family that this source has")
        return []
    trace.add("name", f"Service {namespace}/{name} has the ClusterIP {address}")
    return [(address, row["port"])]


def _row(service: Obj, port: int | str, proto: int) -> Obj:
    """The Service's port that is meant."""
    rows = [r for r in reasons.ports_of(service) if state.PROTOCOLS.get(r.get("protocol", "TCP")) == proto]
    found = next((r for r in rows if port in ("", r["port"], r.get("name"))), None)
    if found is None and isinstance(port, int):
        return {"port": port, "protocol": protocol(proto).upper()}  # the path then tells that there is none
    if found is None:
        which = f"named {port!r}" if port else f"for {protocol(proto).upper()}"
        raise TraceError(f"Service {meta.name(service)} has no port {which}; it has {reasons.ports_text(service)}")
    return found


def _from_outside(world: World, service: Obj, row: Obj, trace: Trace) -> list[tuple[str, int]]:
    """The addresses of a Service that mean something outside the cluster."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    balanced = [i["ip"] for i in ingress if i.get("ip")]
    external = list((service.get("spec") or {}).get("externalIPs") or ())
    name = f"{meta.namespace(service)}/{meta.name(service)}"
    if balanced:
        trace.add("outside", f"Service {name} has the load-balancer IP {balanced[0]}")
        return [(balanced[0], row["port"])]
    if external:
        trace.add("outside", f"Service {name} has the external IP {external[0]}")
        return [(external[0], row["port"])]
    if row.get("nodePort"):
        ready = [n for n in world.nodes if neighbours.narrow_node(n).ready] or list(world.nodes)
        if not ready:
            trace.because("the cluster has no node")
            return []
        asked = f"{meta.name(ready[0])} is asked"
        trace.add("outside", f"Service {name} answers on port {row['nodePort']} of every node; {asked}")
        return [(node_ips(ready[0])[0], row["nodePort"])]
    kind = (service.get("spec") or {}).get("type", "ClusterIP")
    trace.because(
        f"Service {name} is of type {kind} and has no address outside the cluster: "
        "make it NodePort or LoadBalancer, put an Ingress before it, or use kubectl port-forward"
    )
    return []
