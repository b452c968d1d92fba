"""What a proxy must know about its node and cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """Addresses and CIDRs are text, of either family; each family present in ``node_ips`` is served.

    ``node_ips``: the node's own addresses; the first of a family is the one that masqueraded traffic comes from.
    ``pod_cidrs``: this node's pods. ``cluster_cidrs``: all pods of the cluster (sources that need no masquerade).
    ``service_cidrs``: where ClusterIPs come from; unknown ports in there are refused.
    ``nodeport_addresses``: where NodePorts answer; empty means ``node_ips``.
    ``add_route``: route the service CIDRs to the node itself, which node → ClusterIP needs.
    """

    node_name: str
    node_ips: tuple[str, ...]
    pod_cidrs: tuple[str, ...] = ()
    service_cidrs: tuple[str, ...] = ("10.43.0.0/16",)
    cluster_cidrs: tuple[str, ...] = ("10.42.0.0/16",)
    nodeport_addresses: tuple[str, ...] = ()
    table_name: str = "kubette"
    add_route: bool = True
