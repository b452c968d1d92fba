"""The host's one nftables table for a local cluster, and a node's for what its pods send out.

Host: traffic of the nodes' subnet leaves with the host's own address, and nothing for a pod or a Service
goes anywhere but over the cluster's bridge. Node: what a pod sends to the outside carries the node's address.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubette.nft import expr as e
from kubette.nft.live import Backend, LiveTable
from kubette.nft.socket import Kernel
from kubette.nft.transaction import Transaction, replace
from kubette.nft.transaction import remove as removal
from kubette.nft.types import Chain, Hook, Table, family_of, network, packed_ip

_FORWARD_PRIORITY, _SRCNAT_PRIORITY = 0, 100
EGRESS_TABLE = "kubette-egress"


def table_name(cluster: str) -> str:
    return f"kubette-{cluster}"


def _interface(key: e.MetaKey, name: str, *, equal: bool) -> tuple[e.Expr, ...]:
    return (e.Meta(0, key), e.Cmp(0, name.encode().ljust(16, b"\0"), equal))


def _inside(load: e.Payload, cidr: str, *, equal: bool = True) -> tuple[e.Expr, ...]:
    net, mask = network(cidr)
    return (load, e.Bitwise(0, mask, bytes(len(mask))), e.Cmp(0, net, equal))


def host_table(cluster: str, bridge: str, subnet: str, unroutable: Sequence[str]) -> Table:
    """The table as data. ``unroutable``: CIDRs that exist inside the cluster only."""
    family = family_of(subnet)
    out = Table(family, table_name(cluster))
    comes = _interface(e.MetaKey.IIFNAME, bridge, equal=True)
    leaves = _interface(e.MetaKey.OIFNAME, bridge, equal=False)
    for_cluster = (c for c in unroutable if family_of(c) is family)
    # Only what comes over this bridge: where br_netfilter is on, frames of other clusters' bridges pass here too.
    drops = tuple((*comes, *leaves, *_inside(e.daddr(family, 0), c), e.Judge(e.DROP)) for c in for_cluster)
    out.add_chain(Chain("forward", drops, "filter", Hook.FORWARD, _FORWARD_PRIORITY))
    masquerade = (*leaves, *_inside(e.saddr(family, 0), subnet), e.Masquerade())
    out.add_chain(Chain("postrouting", (masquerade,), "nat", Hook.POSTROUTING, _SRCNAT_PRIORITY))
    return out


def build(cluster: str, bridge: str, subnet: str, unroutable: Sequence[str]) -> None:
    """Write the host's table anew. NftError when the kernel refuses."""
    _commit(replace(host_table(cluster, bridge, subnet, unroutable)))


def remove(cluster: str) -> None:
    _commit(removal(e.Family.IPV4, table_name(cluster)))


def egress_table(node_ip: str, cluster_cidrs: Sequence[str]) -> Table:
    """A node's: packets of pods to addresses that are no pod's get ``node_ip`` for their source."""
    family = family_of(node_ip)
    out = Table(family, EGRESS_TABLE)
    cidrs = [c for c in cluster_cidrs if family_of(c) is family]
    stays = tuple((*_inside(e.daddr(family, 0), c), e.Judge(e.RETURN)) for c in cidrs)
    rewrite = (e.Immediate(0, packed_ip(node_ip)), e.Nat(family, 0, source=True))
    goes = tuple((*_inside(e.saddr(family, 0), c), *rewrite) for c in cidrs)
    out.add_chain(Chain("postrouting", (*stays, *goes), "nat", Hook.POSTROUTING, _SRCNAT_PRIORITY))
    return out


def egress(backend: Backend, node_ip: str, cluster_cidrs: Sequence[str]) -> LiveTable:
    """Write the node's table anew; ``watch`` of what is returned repairs it when others meddle."""
    live = LiveTable(egress_table(node_ip, cluster_cidrs), backend)
    live.load()
    return live


def _commit(transaction: Transaction) -> None:
    kernel = Kernel()
    try:
        kernel.commit(transaction)
    finally:
        kernel.close()
