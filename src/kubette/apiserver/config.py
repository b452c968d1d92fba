"""What the API server is told: where it listens, where its data and keys lie, the cluster's ranges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubette.apiserver.dialing import Rule, is_global_unicast

VERSION = "v1.36.0"


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """Of connections; the times are upstream's. The busiest address of a local cluster is the control plane's own:
    it holds some hundred connections, of which each watch is one."""

    idle_seconds: float = 90.0
    head_seconds: float = 32.0
    handshake_seconds: float = 10.0
    connections_per_address: int = 2000


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """``address`` is bound; ``advertise_address`` (default: the same) is what the Service `kubernetes` leads to."""

    data_dir: Path  # the datastore: data_dir/state.db
    ca_cert: Path
    server_cert: Path
    server_key: Path
    sa_signing_key: Path
    kubelet_client_cert: Path
    kubelet_client_key: Path
    ca_key: Path | None = None
    address: str = "127.0.0.1"
    port: int = 6443
    advertise_address: str = ""
    service_cidr: str = "10.43.0.0/16"
    dns_domain: str = "cluster.local"
    node_port_range: tuple[int, int] = (30000, 32767)
    kubelet_port: int = 10250
    dialable: Rule = is_global_unicast  # of the addresses that objects name
    edge: EdgeLimits = EdgeLimits()
    toleration_seconds: int = 300  # for which pods stay on a node that is lost, unless they say otherwise

    @property
    def issuer(self) -> str:
        """Issuer and audience of ServiceAccount tokens."""
        return f"https://kubernetes.default.svc.{self.dns_domain}"

    @property
    def endpoint_address(self) -> str:
        """The address that clients in the cluster are led to."""
        return self.advertise_address or self.address
