"""ReplicaSets: the replica core with a LabelSelector; siblings of one Deployment crowd a node together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubette.api import meta
from kubette.api.meta import Object
from kubette.api.selectors import LabelSelector, from_label_selector
from kubette.controllers.base import Index, by_controller
from kubette.controllers.replicas import Replicas


class ReplicaSet(Replicas):
    name = "replicaset-controller"
    owner_resource = "replicasets.apps"

    def watch(self) -> None:
        self.siblings = Index(self.cluster.informer(self.owner_resource), by_controller)
        super().watch()

    def selector(self, owner: Object) -> LabelSelector:
        return from_label_selector(owner["spec"].get("selector"))

    def related(self, owner: Object, owned: Sequence[Object]) -> Iterable[Object]:
        parent = meta.controller_of(owner)
        if parent is None:
            return owned
        return [pod for sibling in self.siblings.get(parent["uid"]) for pod in self.pods.get(meta.uid(sibling))]

    def terminating(self, owned: Sequence[Object]) -> int | None:
        return sum(
            meta.deleting(p) and (p.get("status") or {}).get("phase") not in ("Succeeded", "Failed") for p in owned
        )
