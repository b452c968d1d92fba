"""Publishes the cluster's CA to every namespace, as the ConfigMap that ServiceAccount volumes project."""

from __future__ import annotations

from kubette.api import errors, meta
from kubette.controllers.base import Controller, Key, kind
from kubette.controllers.writes import Create, Patch

NAME = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as "
    "the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
    "Kubernetes clusters."
)


class RootCa(Controller[Key]):
    name = "root-ca-certificate-publisher"

    def watch(self) -> None:
        self.namespaces = self.cluster.informer("namespaces")
        self.maps = self.cluster.informer("configmaps")
        self.namespaces.subscribe(lambda key, old, new: self.queue.add(key))
        self.maps.subscribe(lambda key, old, new: self.queue.add(("", key[0])) if key[1] == NAME else None)

    async def reconcile(self, key: Key) -> float | None:
        namespace, present = self.namespaces.items.get(key), self.maps.items.get((key[1], NAME))
        if not self.config.root_ca or namespace is None or meta.deleting(namespace):
            return None
        data = {"ca.crt": self.config.root_ca}
        annotations = {"kubernetes.io/description": _DESCRIPTION}
        wanted = {"metadata": {"name": NAME, "namespace": key[1], "annotations": annotations}, "data": data}
        configmaps = kind("configmaps")
        try:
            if present is None:
                await self.carry_out([Create(configmaps, wanted, exist_ok=True)])
            elif present.get("data") != data:
                extra = {k: None for k in present.get("data") or {} if k not in data}
                await self.carry_out([Patch(configmaps, present, {"data": {**extra, **data}})])
        except errors.Forbidden:  # the namespace began to terminate meanwhile
            return None
        return None
