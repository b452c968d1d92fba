"""Stale UDP flows: tracked connections that no longer go where their destination's NAT rules lead.

The kernel translates a flow as it did with its first packet for as long as the client keeps sending. So after every
change of a destination NAT (a Service's frontend, a host port) the flows to that address and port are compared with the
backends that it has now. This includes flows that began before there was a translation.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kubette.nft.conntrack import Conntrack, Tracked
from kubette.nft.errors import NftError
from kubette.nft.expr import Family
from kubette.nft.types import packed_ip

log = logging.getLogger(__name__)
UDP = 17
Backend: TypeAlias = tuple[str, int]  # ip, port
_FEW = 8  # changed destinations up to which the kernel is asked for each one


@dataclass(frozen=True, slots=True)
class Destination:
    """An address and UDP port whose translation has changed. ``address`` empty: every address of the node.

    ``keep``: the backends whose flows stay. Without any, the translation has gone: flows that were not translated have
    nothing to do with it, and stay."""

    family: Family
    address: str
    port: int
    keep: frozenset[Backend]

    def stale(self, flow: Tracked) -> bool:
        """Whether a flow to this destination goes elsewhere than it would go now."""
        if not self.keep:
            return flow.answered_by != flow.dst
        return flow.answered_by not in {(packed_ip(ip), port) for ip, port in self.keep}


class FlowCleaner:
    """Deletes the stale flows of the network namespace in which it was made."""

    def __init__(self, node_ips: Iterable[str]) -> None:
        self._conntrack = Conntrack()
        self._node_ips = {packed_ip(ip) for ip in node_ips}

    def close(self) -> None:
        """Close the socket."""
        self._conntrack.close()

    def clean(self, changed: Iterable[Destination]) -> int:
        """Delete the stale flows to these destinations; how many. Where the kernel refuses, they stay until they time
        out."""
        by_family: dict[Family, list[Destination]] = {}
        for destination in changed:
            by_family.setdefault(destination.family, []).append(destination)
        deleted = 0
        for family, destinations in by_family.items():
            try:
                for flow in self._tracked(family, destinations):
                    deleted += self._conntrack.delete(family, flow)
            except NftError as error:
                log.warning("stale UDP flows stay until they time out: %s", error)
        return deleted

    def _tracked(self, family: Family, destinations: Sequence[Destination]) -> list[Tracked]:
        """The stale flows."""
        table = {(d.address and packed_ip(d.address), d.port): d for d in destinations}
        if len(destinations) > _FEW:
            flows = self._conntrack.flows(family, UDP)
        else:
            flows = []
            for address, port in table:
                flows += self._conntrack.flows(family, UDP, address or None, port)
        out: dict[bytes, Tracked] = {}
        for flow in flows:
            destination = table.get(flow.dst)
            if destination is None and flow.dst[0] in self._node_ips:
                destination = table.get(("", flow.dst[1]))
            if destination is not None and destination.stale(flow):
                out[flow.original] = flow
        return list(out.values())
