"""What a local cluster is, as data: names, addresses, ranges; and where its files lie.

Kept in ``DATA/N/cluster.json``, so that a stopped cluster comes back with the addresses that it had.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

DATA_ROOT = Path("/var/lib/kubette")
RUN_ROOT = Path("/run/kubette")
DEFAULT_NAME = "default"
MAX_NODES = 100
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?").fullmatch
_LIKE_A_NODE = re.compile(r"-node-\d+$").search  # kubette-a-node-1 is where node-1 of cluster a lives

_CONTROL_PLANE, _FIRST_NODE, _POOL = 2, 11, (200, 250)  # host parts in the nodes' subnet


class ClusterError(Exception):
    """The cluster cannot be what was asked for; the message is the whole of what the user needs."""


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """``nodes``: name → IP. CIDRs are text. ``data_root`` holds one directory a cluster."""

    name: str
    subnet: str
    nodes: Mapping[str, str]
    data_root: Path = DATA_ROOT
    pod_cidr: str = "10.42.0.0/16"
    service_cidr: str = "10.43.0.0/16"
    dns_ip: str = "10.43.0.10"
    domain: str = "cluster.local"
    api_port: int = 6443
    ingress: bool = True
    resolv_conf: str = "/etc/resolv.conf"
    addons: Sequence[str] = field(default=("dns", "ingress"))

    @property
    def data_dir(self) -> Path:
        return self.data_root / self.name

    @property
    def run_dir(self) -> Path:
        return RUN_ROOT / self.name

    @property
    def pki_dir(self) -> Path:
        return self.data_dir / "pki"

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def images_dir(self) -> Path:
        return images_dir(self.data_root)

    def node_data(self, node: str) -> Path:
        return self.data_dir / "nodes" / node

    def node_run(self, node: str) -> Path:
        return self.run_dir / "nodes" / node

    @property
    def host_ip(self) -> str:
        """This machine's address on the nodes' link: that of a client outside the cluster."""
        return str(ipaddress.ip_network(self.subnet)[1])

    @property
    def control_plane_ip(self) -> str:
        return str(ipaddress.ip_network(self.subnet)[_CONTROL_PLANE])

    @property
    def server_url(self) -> str:
        return f"https://{self.control_plane_ip}:{self.api_port}"

    @property
    def kubernetes_ip(self) -> str:
        """The ClusterIP of the Service ``kubernetes``."""
        return str(ipaddress.ip_network(self.service_cidr)[1])

    @property
    def load_balancer_pool(self) -> str:
        network = ipaddress.ip_network(self.subnet)
        return f"{network[_POOL[0]]}-{network[_POOL[1]]}"

    @property
    def context(self) -> str:
        """The name of its kubeconfig context."""
        return f"kubette-{self.name}"

    def save(self) -> None:
        """Keep it in the data directory, into which only its owner may look: Secrets lie there."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir.chmod(0o700)
        file = self.data_dir / "cluster.json"
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self), default=str, indent=1) + "\n")
        os.replace(temporary, file)


def images_dir(data_root: Path = DATA_ROOT) -> Path:
    """The machine's one image store: an underscore cannot begin a cluster's name."""
    return data_root / "_images"


def check_name(name: str) -> str:
    if not _NAME(name):
        raise ClusterError(
            f"cluster name {name!r} must be at most 40 lower-case letters, digits and dashes, "
            "and begin and end with a letter or digit"
        )
    if _LIKE_A_NODE(name):
        raise ClusterError(f"cluster name {name!r} must not end like a node of another cluster's")
    return name


def check_count(nodes: int) -> None:
    if not 1 <= nodes <= MAX_NODES:
        raise ClusterError(f"a local cluster has 1 to {MAX_NODES} nodes, not {nodes}")


def new_nodes(subnet: str, count: int) -> dict[str, str]:
    """``node-1`` … with their addresses."""
    check_count(count)
    network = ipaddress.ip_network(subnet)
    return {f"node-{i + 1}": str(network[_FIRST_NODE + i]) for i in range(count)}


def load(name: str, data_root: Path = DATA_ROOT) -> ClusterSpec | None:
    """The cluster of that name, or None. ClusterError when its file cannot be understood."""
    file = data_root / check_name(name) / "cluster.json"
    try:
        stored = json.loads(file.read_text())
        known = {f.name for f in fields(ClusterSpec)}
        stored = {k: v for k, v in stored.items() if k in known}
        return ClusterSpec(**{**stored, "data_root": data_root})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError) as error:
        raise ClusterError(f"{file} does not describe a cluster: {error}") from error


def known(data_root: Path = DATA_ROOT) -> Iterator[ClusterSpec]:
    """Every cluster of this machine, running or stopped, by name."""
    if not data_root.is_dir():
        return
    for directory in sorted(data_root.iterdir()):
        if _NAME(directory.name) and (directory / "cluster.json").exists():
            found = load(directory.name, data_root)
            if found is not None:
                yield found
