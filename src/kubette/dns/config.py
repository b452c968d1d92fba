"""What a DNS server must know about its cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """Addresses are text, of either family; TTLs and timeouts are seconds.

    ``listen``: where UDP and TCP are served; a family that the machine lacks is left out.
    ``cidrs``: addresses whose reverse names are this cluster's own: unknown ones do not exist.
    ``upstreams``: servers for all other names, ``address`` or ``(address, port)``; empty means those of
    ``resolv_conf``; without any, other names are refused.
    ``status_port``: HTTP for probes and metrics on all addresses of ``listen``; negative for none. A
    port of 0 is any free one.
    """

    domain: str = "cluster.local"
    listen: tuple[str, ...] = ("0.0.0.0", "::")
    port: int = 53
    status_port: int = 8181
    cidrs: tuple[str, ...] = ("10.42.0.0/16", "10.43.0.0/16")
    upstreams: tuple[str | tuple[str, int], ...] = ()
    resolv_conf: Path = Path("/etc/resolv.conf")
    ttl: int = 5
    negative_ttl: int = 5
    max_cache_ttl: int = 30
    upstream_timeout: float = 2.0  # for one server; all servers together: twice that
