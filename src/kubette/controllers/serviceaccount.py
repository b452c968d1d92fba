"""Gives every namespace its ServiceAccount ``default``."""

from __future__ import annotations

from kubette.api import errors, meta
from kubette.controllers.base import Controller, Key, kind
from kubette.controllers.writes import Create


class ServiceAccount(Controller[Key]):
    name = "service-account-controller"

    def watch(self) -> None:
        self.namespaces = self.cluster.informer("namespaces")
        self.accounts = self.cluster.informer("serviceaccounts")
        self.namespaces.subscribe(lambda key, old, new: self.queue.add(key))
        self.accounts.subscribe(lambda key, old, new: None if new is not None else self.queue.add(("", key[0])))

    async def reconcile(self, key: Key) -> float | None:
        namespace = self.namespaces.items.get(key)
        if namespace is None or meta.deleting(namespace) or (key[1], "default") in self.accounts.items:
            return None
        account = {"metadata": {"name": "default", "namespace": key[1]}}
        try:
            await self.carry_out([Create(kind("serviceaccounts"), account, exist_ok=True)])
        except errors.Forbidden:  # the namespace began to terminate meanwhile
            return None
        return None
