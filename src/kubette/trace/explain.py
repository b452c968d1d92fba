"""A question and the cluster's objects → a Trace: the steps of the path, its possible ends, and why no pod answers.

Pure. The order is a packet's own: a name becomes an address, a node's table takes the packet, a backend gets it.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubette.agent import neighbours
from kubette.api import meta
from kubette.api.meta import Object
from kubette.ingress.model import Target as IngressBackend
from kubette.ingress.model import ingress as narrow_ingress
from kubette.nft.expr import Verdict
from kubette.nft.types import Table, family_of, inside, packed_ip, packed_port, packed_proto
from kubette.proxy import policy
from kubette.trace import reasons
from kubette.trace.goals import Start, goals, start_of
from kubette.trace.question import Source, Target
from kubette.trace.report import ARRIVES, Landing, Step, Trace
from kubette.trace.ways import Way, protocol, table_of, ways
from kubette.trace.world import World, ips_of, node_ips, of_family

_TCP = 6


def explain(world: World, source: Source, target: Target, proto: int = 6) -> Trace:
    """Raises TraceError when the question names an object that does not exist."""
    trace = Trace(str(source), str(target))
    start = start_of(world, source)
    for address, port in goals(world, start, target, proto, trace):
        _walk(world, start, address, port, proto, trace)
    if target.kind == "ingress" and trace.arrives:
        _behind_ingress(world, target.name, trace)
    trace.landings = list(dict.fromkeys(trace.landings))
    return trace


def _behind_ingress(world: World, name: tuple[str, str], trace: Trace) -> None:
    """From the ingress controller, where the path has come so far, to the backends of the Ingress."""
    controllers = [(end, world.pod_at(end.address)) for end in trace.landings if end.fate == "pod"]
    if not controllers:
        return  # a controller outside of pods: its connections are not known
    trace.landings = []
    for end, _ in controllers:
        trace.add(end.node, f"the ingress controller {end.pod} takes it")
    ingress = narrow_ingress(world.ingress(*name) or {})
    routes = [(f"{rule.host or '*'}{path.path}", path.target) for rule in ingress.rules for path in rule.paths]
    routes += [("what no rule matches", ingress.default)] if ingress.default else []
    for what, backend in routes:
        trace.add("ingress", f"{what} → {backend.resource or f'Service {name[0]}/{backend.service}:{backend.port}'}")
    if not routes:
        trace.because(f"Ingress {'/'.join(name)} has no rule with a backend")
    for backend in dict.fromkeys(backend for _, backend in routes):
        ends = sorted(_ingress_ends(world, name, backend, trace))
        for end, pod in controllers:
            if not ends:
                trace.landings.append(Landing("unavailable", end.address, end.port, end.node, end.pod))
            start = Start(world.node(end.node), pod, tuple(ips_of(pod or {})))
            for address, port in ends:
                _walk(world, start, address, port, _TCP, trace)


def _ingress_ends(world: World, name: tuple[str, str], backend: IngressBackend, trace: Trace) -> set[policy.Backend]:
    """The endpoints that the ingress controller connects to; none with the reason."""
    service = world.service(name[0], backend.service)
    if backend.resource:
        trace.because(f"Ingress {'/'.join(name)} has the backend {backend.resource}, which kubette does not serve")
        return set()
    if service is None:
        trace.because(f"Ingress {'/'.join(name)} names Service {name[0]}/{backend.service}, which does not exist")
        return set()
    rows = [r for r in reasons.ports_of(service) if r.get("protocol", "TCP") == "TCP"]
    row = next((r for r in rows if backend.port in (r["port"], r.get("name"))), None)
    if row is None:
        has = reasons.ports_text(service)
        trace.because(f"Service {name[0]}/{backend.service} has no TCP port {backend.port}; it has {has}")
        return set()
    ends = reasons.backends(world, service, row)
    if not ends:
        trace.because(*reasons.no_endpoints(world, service, row))
    return ends


def _walk(world: World, start: Start, address: str, port: int, proto: int, trace: Trace) -> None:
    node = start.node or _entrance(world, address, port, trace)
    source = of_family(start.addresses, address)
    if node is None:
        return
    name = meta.name(node)
    table = trace.tables.get(name) or table_of(world, node, family_of(address))
    if table is None or not source:
        trace.because(f"{name} has no address of the family of {address}")
        return
    trace.tables[name] = table
    called = f"{protocol(proto).upper()} from {source} to {_socket(address, port)}"
    trace.add(name, f"{called} {'is made here' if start.local else 'comes in'}")
    found = ways(world, table, source, address, proto, port, local=start.local)
    chains = list(dict.fromkeys(c for way in found for c in way.chains))
    trace.sticky |= any("-affinity-" in chain for chain in chains)
    if chains:
        trace.add(name, "chains " + " → ".join(chains))
    trace.steps += [Step(name, line) for line in _elements(table, address, proto, port)]
    for way in found:
        landing = _land(world, start, node, way, source)
        trace.landings.append(landing)
        if landing.fate not in ARRIVES:
            trace.because(*_why(world, node, address, port, proto, way, outside=start.node is None))


def _entrance(world: World, address: str, port: int, trace: Trace) -> Object | None:
    """The node that a packet from outside comes to."""
    if own := world.node_at(address):
        return own
    for node in world.nodes:
        if address in _announced(world, meta.name(node)):
            trace.add("outside", f"{meta.name(node)} answers for {address} on the nodes' link")
            return node
    if inside((*world.pod_cidrs, *world.service_cidrs), address):
        trace.landings.append(Landing("unreachable", address, port))
        trace.because(f"{address} means something inside the cluster only: there is no route to it from outside")
        return None
    if services := reasons.services_at(world, address):
        own_ips = (services[0].get("spec") or {}).get("externalIPs") or ()
        if address in own_ips and world.nodes:
            first = world.nodes[0]
            trace.add("outside", f"the network that routes {address} chooses a node; {meta.name(first)} is taken")
            return first
        trace.landings.append(Landing("unreachable", address, port))
        trace.because(f"no Ready node answers for {address}")
        return None
    trace.landings.append(Landing("outside", address, port))
    trace.because(f"{address} is no address of the cluster")
    return None


def _announced(world: World, node: str) -> set[str]:
    peers = [neighbours.narrow_node(n) for n in world.nodes]
    services = {meta.key(s): neighbours.narrow_service(s) for s in world.services}
    slices = [(meta.namespace(s), *neighbours.narrow_slice(s)) for s in world.slices]
    return neighbours.announced(node, peers, services, slices)


def _elements(table: Table, address: str, proto: int, port: int) -> Iterator[str]:
    """The map elements that take the packet, as nft prints them."""
    tail = packed_proto(proto) + packed_port(port)
    for scope in policy.Scope:
        key = packed_ip(address) + tail if scope.by_address else tail
        verdict = table.elements[scope.value].get(key)
        if isinstance(verdict, Verdict):
            words = [*([address] if scope.by_address else []), protocol(proto), str(port)]
            yield f"map {scope.value} {{ {' . '.join(words)} : {verdict} }}"


def _land(world: World, start: Start, node: Object, way: Way, source: str) -> Landing:
    """What becomes of the packet behind the table."""
    where, seen = meta.name(node), way.source
    if way.fate != "accept":
        return Landing(way.fate, way.address, way.port, where)
    if pod := world.pod_at(way.address):
        there = (pod.get("spec") or {}).get("nodeName") or ""
        notes = [f"by way of {there}" if there != where else f"on {where} itself"]
        if pod is start.pod and way.rewritten:
            notes.append(f"the pod itself, so its source becomes {seen} (hairpin)")
        elif seen != source:
            notes.append(f"sees {seen}, not {source}")
        if (meta.condition(pod, "Ready") or {}).get("status") != "True":
            notes.append("not ready")
        return Landing(
            "pod", way.address, way.port, there, f"{meta.namespace(pod)}/{meta.name(pod)}", seen, "; ".join(notes)
        )
    if other := world.node_at(way.address):
        return Landing("node", way.address, way.port, meta.name(other), "", seen, "a process of the node itself")
    if inside((*world.pod_cidrs, *world.service_cidrs), way.address):
        return Landing("unreachable", way.address, way.port, where, note="no pod has this address")
    leaves = source if start.local else of_family(node_ips(node), way.address) or source
    return Landing("outside", way.address, way.port, where, "", leaves, f"leaves by {where}, as {leaves}")


def _why(world: World, node: Object, address: str, port: int, proto: int, way: Way, *, outside: bool) -> Iterator[str]:
    word = protocol(proto).upper()
    services = reasons.services_at(world, address)
    found = reasons.node_port_at(world, port, proto) if not services and world.node_at(address) else None
    if found:
        yield from _no_backend(world, found[0], found[1], node, way, outside=outside)
    elif not services and inside(world.service_cidrs, address):
        yield f"no Service has the address {address}"
    elif not services:
        yield f"no pod has the address {way.address}"
    for service in services:
        row = reasons.port_at(service, port, proto)
        if row is None:
            name = f"{meta.namespace(service)}/{meta.name(service)}"
            yield f"Service {name} has no port {port}/{word}; it has {reasons.ports_text(service)}"
        else:
            yield from _no_backend(world, service, row, node, way, outside=outside)


def _no_backend(world: World, service: Object, row: Object, node: Object, way: Way, *, outside: bool) -> Iterator[str]:
    name, spec = f"{meta.namespace(service)}/{meta.name(service)}", service.get("spec") or {}
    if not reasons.backends(world, service, row):
        yield from reasons.no_endpoints(world, service, row)
    elif way.rewritten:
        yield f"no pod has the address {way.address}, which is among the endpoints of Service {name}"
    elif spec.get("loadBalancerSourceRanges") and outside:
        yield f"Service {name} admits {', '.join(spec['loadBalancerSourceRanges'])} only"
    else:
        field_ = "externalTrafficPolicy" if outside else "internalTrafficPolicy"
        yield f"Service {name} has {field_}: Local, and none of its ready pods is on {meta.name(node)}"


def _socket(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
