"""The host's one nftables table for a local cluster, and a node's for what its pods send out.

Host, for what comes over the cluster's bridge:

    postrouting  nat      to the outside world: with the host's own address
    forward      filter   to a pod or Service address by any other way, or to another cluster's bridge: dropped, as is
                          what comes from another cluster's bridge
    input        filter   to the bridge's own address: accepted, as are replies, and DNS at every address, because the
                          machine's resolver may listen there; to the host's other addresses: refused

Node: what a pod sends to the outside carries the node's address.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence

from kubette.api.ip import Family, family_of, network, packed_ip
from kubette.nft import expr as e
from kubette.nft.live import Backend, LiveTable
from kubette.nft.socket import Kernel
from kubette.nft.transaction import Transaction, replace
from kubette.nft.transaction import remove as removal
from kubette.nft.types import Chain, Hook, Table

_FORWARD_PRIORITY, _SRCNAT_PRIORITY = 0, 100
EGRESS_TABLE = "kubette-egress"
BRIDGE_PREFIX = "kbt-"
_ESTABLISHED_OR_RELATED = 2 | 4


def table_name(cluster: str) -> str:
    return f"kubette-{cluster}"


def _interface(key: e.MetaKey, name: str, *, equal: bool) -> tuple[e.Expr, ...]:
    return (e.Meta(0, key), e.Cmp(0, name.encode().ljust(16, b"\0"), equal))


def _inside(load: e.Payload, cidr: str, *, equal: bool = True) -> tuple[e.Expr, ...]:
    net, mask = network(cidr)
    return (load, e.Bitwise(0, mask, bytes(len(mask))), e.Cmp(0, net, equal))


def _a_cluster(key: e.MetaKey) -> tuple[e.Expr, ...]:
    """The interface is a bridge of some local cluster: the beginning of its name is compared."""
    return (e.Meta(0, key), e.Cmp(0, BRIDGE_PREFIX.encode()))


def _input(family: Family, comes: tuple[e.Expr, ...], host_ip: str) -> tuple[e.Rule, ...]:
    running = struct.pack("=I", _ESTABLISHED_OR_RELATED)
    replies = (e.CtState(0), e.Bitwise(0, running, bytes(4)), e.Cmp(0, bytes(4), False))
    dns = (e.dport(0), e.Cmp(0, struct.pack(">H", 53)))
    tcp, udp = ((e.l4proto(0), e.Cmp(0, bytes((number,)))) for number in (6, 17))
    return (
        (*comes, *replies, e.Judge(e.RETURN)),
        (*comes, e.daddr(family, 0), e.Cmp(0, packed_ip(host_ip)), e.Judge(e.RETURN)),
        (*comes, *udp, *dns, e.Judge(e.RETURN)),
        (*comes, *tcp, *dns, e.Judge(e.RETURN)),
        (*comes, *tcp, e.Reject(family, tcp_reset=True)),
        (*comes, *udp, e.Reject(family, tcp_reset=False)),
        (*comes, e.Judge(e.DROP)),
    )


def host_table(cluster: str, bridge: str, subnet: str, unroutable: Sequence[str]) -> Table:
    """The table as data. ``unroutable``: CIDRs that exist inside the cluster only. The host has the first address of
    ``subnet``."""
    family = family_of(subnet)
    host_ip = str(ipaddress.ip_network(subnet)[1])
    out = Table(family, table_name(cluster))
    comes = _interface(e.MetaKey.IIFNAME, bridge, equal=True)
    leaves = _interface(e.MetaKey.OIFNAME, bridge, equal=False)
    enters = _interface(e.MetaKey.OIFNAME, bridge, equal=True)
    for_cluster = (c for c in unroutable if family_of(c) is family)
    # Only what comes over this bridge: where br_netfilter is on, frames of other clusters' bridges pass here too.
    drops = [(*comes, *leaves, *_inside(e.daddr(family, 0), c), e.Judge(e.DROP)) for c in for_cluster]
    others = (
        (*comes, *leaves, *_a_cluster(e.MetaKey.OIFNAME), e.Judge(e.DROP)),
        (*enters, *_a_cluster(e.MetaKey.IIFNAME), *_interface(e.MetaKey.IIFNAME, bridge, equal=False), e.Judge(e.DROP)),
    )
    out.add_chain(Chain("forward", (*drops, *others), "filter", Hook.FORWARD, _FORWARD_PRIORITY))
    out.add_chain(Chain("input", _input(family, comes, host_ip), "filter", Hook.INPUT, _FORWARD_PRIORITY))
    masquerade = (*leaves, *_inside(e.saddr(family, 0), subnet), e.Masquerade())
    out.add_chain(Chain("postrouting", (masquerade,), "nat", Hook.POSTROUTING, _SRCNAT_PRIORITY))
    return out


def build(cluster: str, bridge: str, subnet: str, unroutable: Sequence[str]) -> None:
    """Write the host's table anew. NftError when the kernel refuses."""
    _commit(replace(host_table(cluster, bridge, subnet, unroutable)))


def remove(cluster: str) -> None:
    _commit(removal(Family.IPV4, table_name(cluster)))


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
