"""A pod that uses a PersistentVolumeClaim waits until that is there and bound."""

from __future__ import annotations

from typing import Any

from kubette.scheduler.model import Cluster, Pod
from kubette.scheduler.rule import Hopeless, Rule


class Volumes(Rule):
    name = "VolumeBinding"
    helped_by = frozenset(("claim",))

    def prepare(self, pod: Pod, cluster: Cluster) -> Any:
        for name in pod.claims:
            claim = cluster.claims.get((pod.namespace, name))
            if claim is None:
                raise Hopeless(f'persistentvolumeclaim "{name}" not found')
            if claim.deleting:
                raise Hopeless(f'persistentvolumeclaim "{name}" is being deleted')
            if not claim.bound:
                raise Hopeless("pod has unbound immediate PersistentVolumeClaims")
        return None
