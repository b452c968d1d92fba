"""What an ingress controller must know about its place in the cluster and on its machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class IngressConfig:
    """``publish_service``: (namespace, name) of the Service whose load-balancer address becomes every Ingress's.
    ``controller``: the IngressClasses that name it in ``spec.controller`` are served.
    ``address``: where to listen; empty means every address. Seconds: ``drain_delay`` goes on accepting after
    the stop was asked for, until the rest of the cluster has noticed; ``drain_timeout`` lets requests end.
    ``directory``: for generated files and sockets; None makes one and removes it.
    """

    publish_service: tuple[str, str] = ("kube-system", "kubette-ingress")
    controller: str = "kubette/ingress"
    address: str = ""
    http_port: int = 80
    https_port: int = 443
    health_port: int = 10254
    max_connections: int = 4000
    haproxy: str = "haproxy"
    directory: Path | None = None
    drain_delay: float = 2.0
    drain_timeout: float = 20.0
