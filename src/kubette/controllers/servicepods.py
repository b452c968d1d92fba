"""Which pods stand behind a Service, and at which ports: what Endpoints and EndpointSlices have in common.

Pure. Source: upstream's ``util/endpoint`` and ``staging/src/k8s.io/endpointslice``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers import pods as podlib
from kubette.controllers.base import Cluster, Controller, Index, Key, by_namespace
from kubette.controllers.triggertime import TriggerTimes

HEADLESS = "service.kubernetes.io/headless"


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """A port of an endpoint, as it is after a name has been resolved in a pod."""

    name: str
    port: int
    protocol: str
    app_protocol: str = ""

    def as_json(self, *, slice: bool = False) -> Object:
        """For an EndpointSlice (where the name is always there) or for Endpoints."""
        out: Object = {"name": self.name} if slice or self.name else {}
        out |= {"port": self.port, "protocol": self.protocol}
        if self.app_protocol:
            out["appProtocol"] = self.app_protocol
        return out


def headless(service: Object) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def selects(service: Object) -> bool:
    """It has a selector, and is not a name for something else."""
    return bool(service["spec"].get("selector")) and service["spec"].get("type") != "ExternalName"


def target_port(pod: Object, port: Object) -> int | None:
    """The number behind ``targetPort`` in this pod; None when the pod has no port of that name."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target or int(port["port"])
    protocol = port.get("protocol", "TCP")
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for offered in container.get("ports") or ():
            if offered.get("name") == target and offered.get("protocol", "TCP") == protocol:
                return int(offered["containerPort"])
    return None


def ports_in(pod: Object, service: Object) -> tuple[Port, ...]:
    """The Service's ports in this pod; those that it does not have are left out."""
    out = []
    for port in service["spec"].get("ports") or ():
        number = target_port(pod, port)
        if number is not None:
            out.append(Port(port.get("name", ""), number, port.get("protocol", "TCP"), port.get("appProtocol", "")))
    return tuple(sorted(out))


def pod_ips(pod: Object) -> Iterator[str]:
    status = pod.get("status") or {}
    rows = status.get("podIPs") or ([{"ip": status["podIP"]}] if status.get("podIP") else [])
    return (row["ip"] for row in rows if row.get("ip"))


def family(ip: str) -> str:
    """``IPv4`` or ``IPv6``: the addressType of a slice, the ipFamily of a Service."""
    return "IPv6" if ipaddress.ip_address(ip).version == 6 else "IPv4"


def families(service: Object) -> list[str]:
    spec = service["spec"]
    if spec.get("ipFamilies"):
        return list(spec["ipFamilies"])
    ip = spec.get("clusterIP")
    return [family(ip)] if ip and ip != "None" else ["IPv4"]


def counts(pod: Object, *, terminating: bool) -> bool:
    """It has an address and has not finished. ``terminating``: also while it ends."""
    if podlib.terminal(pod) or next(pod_ips(pod), None) is None:
        return False
    return terminating or not meta.deleting(pod)


def hostname_in(pod: Object, service: Object) -> str:
    """The name under which DNS knows the pod within the Service; empty if it has none."""
    spec = pod["spec"]
    return str(spec["hostname"]) if spec.get("hostname") and spec.get("subdomain") == meta.name(service) else ""


def pod_reference(pod: Object) -> Object:
    return {"kind": "Pod", "namespace": meta.namespace(pod), "name": meta.name(pod), "uid": meta.uid(pod)}


def fingerprint(pod: Object) -> Any:
    """What endpoints are made of; pods that change in nothing else need no new ones."""
    return (
        meta.labels(pod),
        tuple(pod_ips(pod)),
        podlib.ready(pod),
        podlib.terminal(pod),
        meta.deleting(pod),
        pod["spec"].get("nodeName"),
        pod["spec"].get("hostname"),
        pod["spec"].get("subdomain"),
    )


class ServicePods(Controller[Key]):
    """A controller keyed by Service that follows the pods which Services select."""

    def watch(self) -> None:
        self.services, pods = self.cluster.informer("services"), self.cluster.informer("pods")
        self.triggers = TriggerTimes()
        self.pods, self._services = Index(pods, by_namespace), _index(self.cluster)
        self.services.subscribe(lambda key, old, new: self.queue.add(key))
        pods.subscribe(self._pod_changed)

    def selected(self, service: Object) -> list[Object]:
        wanted = service["spec"]["selector"].items()
        return [p for p in self.pods.get(meta.namespace(service)) if wanted <= meta.labels(p).items()]

    def _pod_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and fingerprint(old) == fingerprint(new):
            return
        both = [meta.labels(pod).items() for pod in (old, new) if pod is not None]
        for service in self._services.get(key[0]):
            wanted = (service["spec"].get("selector") or {}).items()
            if wanted and any(wanted <= labels for labels in both):
                self.queue.add(meta.key(service))


def _index(cluster: Cluster) -> Index:
    return Index(cluster.informer("services"), by_namespace)
