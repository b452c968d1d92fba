"""Where a path starts and to which addresses it goes: the question looked up in the objects.

Pure. A name means what it means at the start: pods ask cluster DNS, nodes and the outside do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubette.agent import neighbours
from kubette.api import meta
from kubette.api.meta import Object
from kubette.nft.types import family_of
from kubette.proxy import state
from kubette.trace import names, reasons
from kubette.trace.question import Source, Target, TraceError
from kubette.trace.report import Trace
from kubette.trace.ways import protocol
from kubette.trace.world import World, ips_of, node_ips

_GUESS = 80  # the port where none was given and none is declared
_TCP = 6


@dataclass(frozen=True, slots=True)
class Start:
    """``node`` is None outside; ``pod`` is None when the packet does not start in a pod."""

    node: Object | None = None
    pod: Object | None = None
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


def _names(objects: Sequence[Object]) -> str:
    return ", ".join(map(meta.name, objects)) or "none"


def goals(world: World, start: Start, target: Target, proto: int, trace: Trace) -> list[tuple[str, int]]:
    if target.kind:
        find = {"svc": _of_service, "pod": _of_pod, "ingress": _of_ingress}[target.kind]
        return find(world, start, target, proto, trace)
    if target.is_address:
        return [(target.host, _number(world, target, target.host))]
    if start.pod is None or not names.uses_cluster_dns(start.pod):
        meant = names.service_of(world, target.namespace, target.host)
        if meant is None:
            trace.because(f"{target.host} is no name of the cluster, and is not asked of cluster DNS from here")
            return []
        trace.add("name", f"{target.host} is not asked of cluster DNS from here; Service {'/'.join(meant)} is taken")
        return _of_service(world, start, Target("", target.port, meant, kind="svc"), proto, trace)
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
    """The port's number: as given, by its name in the Service at the address, else the Service's first."""
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
    namespace, name = target.name
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


def _of_pod(world: World, start: Start, target: Target, proto: int, trace: Trace) -> list[tuple[str, int]]:
    namespace, name = target.name
    pod = world.pod(namespace, name)
    if pod is None:
        raise TraceError(f'there is no pod "{name}" in namespace "{namespace}"')
    if not ips_of(pod) or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        trace.because(f"pod {namespace}/{name} {reasons.pod_trouble(pod, {})}")
        return []
    families = {family_of(ip) for ip in start.addresses}
    address = next((ip for ip in ips_of(pod) if family_of(ip) in families), "")
    if not address:
        trace.because(f"pod {namespace}/{name} has no address of the family that this source has")
        return []
    port = _pod_port(pod, target.port, proto)
    if port is None:
        port = _GUESS
        trace.add("name", f"pod {namespace}/{name} declares no {protocol(proto).upper()} port; {_GUESS} is taken")
    trace.add("name", f"pod {namespace}/{name} has the address {address}")
    return [(address, port)]


def _pod_port(pod: Object, wanted: int | str, proto: int) -> int | None:
    """The number of a pod's port; the first that it declares when none was given, None when it declares none."""
    if isinstance(wanted, int):
        return wanted
    rows = [
        row
        for container in (pod.get("spec") or {}).get("containers") or ()
        for row in container.get("ports") or ()
        if state.PROTOCOLS.get(row.get("protocol", "TCP")) == proto
    ]
    found = next((r for r in rows if wanted in ("", r.get("name"))), None)
    if found is None and wanted:
        raise TraceError(f"pod {meta.name(pod)} has no {protocol(proto).upper()} port named {wanted!r}")
    return int(found["containerPort"]) if found else None


def _of_ingress(world: World, start: Start, target: Target, proto: int, trace: Trace) -> list[tuple[str, int]]:
    """The address of the ingress controller; what it does with a request is ``explain``'s."""
    namespace, name = target.name
    ingress = world.ingress(namespace, name)
    if ingress is None:
        raise TraceError(f'there is no Ingress "{name}" in namespace "{namespace}"')
    if proto != _TCP:
        raise TraceError("an Ingress takes TCP only")
    if isinstance(target.port, str) and target.port:
        raise TraceError(f"the ports of an Ingress have no names: {target.port!r}")
    rows = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    addresses = [row["ip"] for row in rows if row.get("ip")]
    families = {family_of(ip) for ip in start.addresses}
    usable = [ip for ip in addresses if family_of(ip) in families]
    if not addresses:
        class_ = (ingress.get("spec") or {}).get("ingressClassName")
        trace.because(
            f"Ingress {namespace}/{name} has no address: no ingress controller serves "
            + (f"its class {class_}" if class_ else "it, and it names no class")
        )
    elif not usable:
        trace.because(f"Ingress {namespace}/{name} has no address of the family that this source has")
    if not usable:
        return []
    trace.add("name", f"Ingress {namespace}/{name} has the address {usable[0]}")
    return [(usable[0], target.port or (443 if (ingress.get("spec") or {}).get("tls") else 80))]


def _row(service: Object, port: int | str, proto: int) -> Object:
    """The Service's port that is meant."""
    rows = [r for r in reasons.ports_of(service) if state.PROTOCOLS.get(r.get("protocol", "TCP")) == proto]
    found = next((r for r in rows if port in ("", r["port"], r.get("name"))), None)
    if found is None and isinstance(port, int):
        return {"port": port, "protocol": protocol(proto).upper()}  # the path then ends with that reason
    if found is None:
        which = f"named {port!r}" if port else f"for {protocol(proto).upper()}"
        raise TraceError(f"Service {meta.name(service)} has no port {which}; it has {reasons.ports_text(service)}")
    return found


def _from_outside(world: World, service: Object, row: Object, trace: Trace) -> list[tuple[str, int]]:
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
