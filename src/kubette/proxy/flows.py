"""Deletes UDP flows that no longer lead where their frontend does."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from kubette.nft.conntrack import Conntrack, Tracked
from kubette.nft.errors import NftError
from kubette.nft.expr import Family
from kubette.nft.types import packed_ip
from kubette.proxy.config import ProxyConfig
from kubette.proxy.contribution import Flow

log = logging.getLogger(__name__)
_FEW = 8  # changed frontends up to which each is asked for by itself


class FlowCleaner:
    """Deletes stale flows of the namespace in which it was made."""

    def __init__(self, config: ProxyConfig) -> None:
        self._conntrack = Conntrack()
        ips = config.nodeport_addresses or config.node_ips
        self._nodeport_ips = {packed_ip(ip) for ip in ips}

    def close(self) -> None:
        """Close the socket."""
        self._conntrack.close()

    def clean(self, stale: Sequence[Flow]) -> int:
        """Delete flows to these frontends that are answered by nobody of ``keep``; how many."""
        deleted = 0
        for family in Family:
            changed = [f for f in stale if f.family is family]
            if changed:
                try:
                    deleted += self._family(family, changed)
                except NftError as err:
                    log.warning("stale UDP flows stay until they time out: %s", err)
        return deleted

    def _family(self, family: Family, changed: Sequence[Flow]) -> int:
        table = {(f.address and packed_ip(f.address), f.port): {(packed_ip(i), p) for i, p in f.keep} for f in changed}
        proto = changed[0].proto
        tracked: list[Tracked] = []
        if len(changed) <= _FEW:
            for f in changed:
                address = packed_ip(f.address) if f.address else None
                tracked += self._conntrack.flows(family, proto, address, f.port)
        else:
            tracked = self._conntrack.flows(family, proto)
        deleted = 0
        for flow in tracked:
            keep = table.get(flow.dst)
            if keep is None and flow.dst[0] in self._nodeport_ips:
                keep = table.get(("", flow.dst[1]))
            if keep is not None and flow.answered_by not in keep:
                deleted += self._conntrack.delete(family, flow)
        return deleted
