"""What an agent must know about its node and cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubette.agent.pressure import THRESHOLDS, Threshold


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """Addresses are text, of either family, primary first. Paths:

    ``data_dir``: outlives reboots (logs, emptyDir, hosts files). ``pods_run_dir``: on a tmpfs (secrets, tokens).
    ``ca_cert``: signs the clients that the node API admits; ``tls_cert``, ``tls_key``: its own serving pair.
    ``resolv_conf``: the node's own, for ``dnsPolicy: Default`` and for pods on the host's network.
    """

    node_name: str
    node_ips: tuple[str, ...]
    cluster: str
    data_dir: Path
    run_dir: Path
    ca_cert: Path
    tls_cert: Path
    tls_key: Path
    cluster_dns: tuple[str, ...] = ("10.43.0.10",)
    cluster_domain: str = "cluster.local"
    resolv_conf: Path = Path("/etc/resolv.conf")
    port: int = 10250
    lease_seconds: int = 40
    lease_renew_seconds: float = 10
    max_pods: int = 110
    labels: Mapping[str, str] = field(default_factory=dict)
    status_seconds: float = 60  # how often node conditions are looked at
    refresh_seconds: float = 20  # how often configMap, secret and token volumes are looked at
    usage_seconds: float = 10  # how often the machine, and pods with a limit of local storage, are measured
    thresholds: tuple[Threshold, ...] = THRESHOLDS  # of the node's pressure conditions
    pressure_seconds: float = 300  # how long a pressure condition holds after it was last observed
    log_bytes: int = 10 << 20  # of one log file, before it is rotated
    backoff_first: float = 10  # of crashing containers and of image pulls
    backoff_last: float = 300

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "pods-logs"

    @property
    def seccomp_dir(self) -> Path:
        """Where the profiles of ``seccompProfile.localhostProfile`` lie, as below /var/lib/kubelet elsewhere."""
        return self.data_dir / "seccomp"

    def pod_dir(self, uid: str) -> Path:
        """What the agent keeps for a pod across reboots; removed with it."""
        return self.data_dir / "pods" / uid

    @property
    def pods_run_dir(self) -> Path:
        """What must not touch a disk: secrets and tokens of the pods."""
        return self.run_dir / "pods"

    def pod_run_dir(self, uid: str) -> Path:
        """The pod's own part of it."""
        return self.pods_run_dir / uid

    def pod_logs_dir(self, namespace: str, name: str, uid: str) -> Path:
        return self.logs_dir / f"{namespace}_{name}_{uid}"
