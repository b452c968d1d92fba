"""How long a node may reuse what it read of Secrets and ConfigMaps: an annotation by the size of the cluster.

``step`` is pure. Source: upstream's ``ttl/ttl_controller.go``.
"""

from __future__ import annotations

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers.base import Controller, Key, kind
from kubette.controllers.writes import Patch

ANNOTATION = "node.alpha.kubernetes.io/ttl"
#: (fewest nodes, most nodes, seconds); the ranges overlap, so that a cluster at a boundary does not alternate.
_STEPS = ((0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, 2**31, 300))


def step(nodes: int, current: int) -> int:
    """The row of the table for a cluster of so many nodes that was in row ``current``."""
    while nodes > _STEPS[current][1]:
        current += 1
    while nodes < _STEPS[current][0]:
        current -= 1
    return current


class Ttl(Controller[Key]):
    name = "ttl-controller"

    def watch(self) -> None:
        self._step = 0
        self.nodes = self.cluster.informer("nodes")
        self.nodes.subscribe(self._changed)

    def _changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        before, self._step = self._step, step(len(self.nodes.items), self._step)
        if before != self._step:
            for other in self.nodes.items:
                self.queue.add(other)
        elif new is not None and (old is None or meta.annotations(old) != meta.annotations(new)):
            self.queue.add(key)

    async def reconcile(self, key: Key) -> float | None:
        node = self.nodes.items.get(key)
        wanted = str(_STEPS[self._step][2])
        if node is not None and meta.annotations(node).get(ANNOTATION) != wanted:
            change = {"metadata": {"uid": meta.uid(node), "annotations": {ANNOTATION: wanted}}}
            await self.carry_out([Patch(kind("nodes"), node, change)])
        return None
