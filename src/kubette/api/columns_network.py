"""The cells of Services and what stands around them: endpoints, ingresses, policies, addresses."""

from __future__ import annotations

from datetime import datetime

from kubette.api.columns_text import Cells, Obj, Printer, age, fold, join, label_selector, labels, name, spec, status


def _service(obj: Obj, now: datetime) -> Cells:
    ips = spec(obj).get("clusterIPs") or [spec(obj).get("clusterIP")]
    return [
        name(obj), spec(obj).get("type", ""), ips[0] or "<none>", _external(obj),
        join(_port(p) for p in spec(obj).get("ports") or ()), age(obj, now), labels(spec(obj).get("selector")),
    ]  # fmt: skip


def _port(port: Obj) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}"


def _external(obj: Obj) -> str:
    external = list(spec(obj).get("externalIPs") or ())
    match spec(obj).get("type"):
        case "ClusterIP" | "NodePort":
            return join(external)
        case "LoadBalancer":
            return join([*_load_balancer(obj), *external], "<pending>")
        case "ExternalName":
            return str(spec(obj).get("externalName") or "")
    return "<unknown>"


def _load_balancer(obj: Obj) -> list[str]:
    listed = (status(obj).get("loadBalancer") or {}).get("ingress") or ()
    return sorted({i.get("ip") or i.get("hostname") for i in listed} - {None, ""})


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _endpoints(obj: Obj, now: datetime) -> Cells:
    subsets = obj.get("subsets") or ()
    listed: list[str] = []
    for subset in subsets:
        addresses, ports = [a.get("ip", "") for a in subset.get("addresses") or ()], subset.get("ports") or ()
        listed += [_host_port(a, p.get("port")) for p in ports for a in addresses] if ports else addresses
    return [name(obj), fold(listed, empty="" if subsets else "<none>"), age(obj, now)]


def _endpoint_slice(obj: Obj, now: datetime) -> Cells:
    ports = []
    for port in obj.get("ports") or ():
        number, label = port.get("port"), port.get("name")
        ports.append(str(number) if number is not None else "*" if label is None else label)
    addresses = [a for e in obj.get("endpoints") or () for a in e.get("addresses") or ()]
    return [
        name(obj), obj.get("addressType", ""), fold(ports, empty="<unset>"), fold(addresses, empty="<unset>"),
        age(obj, now),
    ]  # fmt: skip


def _ingress(obj: Obj, now: datetime) -> Cells:
    rules = spec(obj).get("rules") or ()
    hosts = [i for i, rule in enumerate(rules) if rule.get("host")][:3]
    shown = ",".join(rules[i]["host"] for i in hosts) or "*"
    if len(hosts) == 3 and hosts[-1] + 1 < len(rules):
        shown += f" + {len(rules) - 3} more..."
    return [
        name(obj), spec(obj).get("ingressClassName") or "<none>", shown, ",".join(_load_balancer(obj)),
        "80, 443" if spec(obj).get("tls") else "80", age(obj, now),
    ]  # fmt: skip


def _ingress_class(obj: Obj, now: datetime) -> Cells:
    parameters, shown = spec(obj).get("parameters"), "<none>"
    if parameters:
        group = parameters.get("apiGroup")
        shown = f"{parameters.get('kind')}{f'.{group}' if group else ''}/{parameters.get('name')}"
    return [name(obj), spec(obj).get("controller", ""), shown, age(obj, now)]


def _network_policy(obj: Obj, now: datetime) -> Cells:
    return [name(obj), label_selector(spec(obj).get("podSelector")), age(obj, now)]


def _service_cidr(obj: Obj, now: datetime) -> Cells:
    return [name(obj), ",".join(spec(obj).get("cidrs") or ()), age(obj, now)]


def _ip_address(obj: Obj, now: datetime) -> Cells:
    parent = spec(obj).get("parentRef")
    if not parent:
        return [name(obj), "<none>"]
    resource = join(filter(None, (parent.get("resource"), parent.get("group"))), "", ".").lower()
    return [name(obj), join(filter(None, (resource, parent.get("namespace"), parent.get("name"))), "", "/")]


PRINTERS = {
    "services": Printer("Name|Type|Cluster-IP|External-IP|Port(s)|Age|*Selector", _service),
    "endpoints": Printer("Name|Endpoints|Age", _endpoints),
    "endpointslices.discovery.k8s.io": Printer("Name|AddressType|Ports|Endpoints|Age", _endpoint_slice),
    "ingresses.networking.k8s.io": Printer("Name|Class|Hosts|Address|Ports|Age", _ingress),
    "ingressclasses.networking.k8s.io": Printer("Name|Controller|Parameters|Age", _ingress_class),
    "networkpolicies.networking.k8s.io": Printer("Name|Pod-Selector|Age", _network_policy),
    "servicecidrs.networking.k8s.io": Printer("Name|CIDRs|Age", _service_cidr),
    "ipaddresses.networking.k8s.io": Printer("Name|ParentRef", _ip_address),
}
