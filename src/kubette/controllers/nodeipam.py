"""Gives every node its part of the pod network, in each family there is."""

from __future__ import annotations

import ipaddress

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers.base import Controller, Key, kind
from kubette.controllers.ranges import Network, free_subnet
from kubette.controllers.writes import Note, Patch


def cidrs(node: Object) -> list[Network]:
    spec = node.get("spec") or {}
    return [ipaddress.ip_network(c) for c in spec.get("podCIDRs") or filter(None, [spec.get("podCIDR")])]


class NodeIpam(Controller[Key]):
    name = "node-ipam-controller"
    concurrency = 1  # one hand gives out

    def watch(self) -> None:
        self.nodes = self.cluster.informer("nodes")
        self.nodes.subscribe(lambda key, old, new: self.queue.add(key))

    async def reconcile(self, key: Key) -> float | None:
        node = self.nodes.items.get(key)
        if node is None or cidrs(node) or meta.deleting(node):
            return None
        taken = [c for other in self.nodes.items.values() for c in cidrs(other)]
        given: list[str] = []
        for text in self.config.pod_cidrs:
            network = ipaddress.ip_network(text)
            mask = self.config.node_mask_ipv6 if network.version == 6 else self.config.node_mask_ipv4
            subnet = free_subnet(network, mask, taken)
            if subnet is None:
                words = f"Node {key[1]} status is now: CIDRNotAvailable"
                await self.carry_out([Note(node, "CIDRNotAvailable", words)])
                return 10.0
            given.append(str(subnet))
        if given:
            change = {"spec": {"podCIDR": given[0], "podCIDRs": given}, "metadata": {"uid": meta.uid(node)}}
            await self.carry_out([Patch(kind("nodes"), node, change)])
        return None
