"""ReplicationControllers: the replica core with a plain map as selector."""

from __future__ import annotations

from typing import Any

from kubette.api.selectors import LabelSelector, from_map
from kubette.controllers.replicas import Replicas


class ReplicationController(Replicas):
    name = "replication-controller"
    owner_resource = "replicationcontrollers"

    def selector(self, owner: dict[str, Any]) -> LabelSelector:
        template = (owner["spec"].get("template") or {}).get("metadata") or {}
        return from_map(owner["spec"].get("selector") or template.get("labels"))
