"""Keeps the rules of aggregated ClusterRoles the sum of the roles that their selectors match.

``aggregated`` is pure. Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
and upstream's ``clusterroleaggregation``.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubette.api import meta
from kubette.api.meta import Object
from kubette.api.selectors import from_label_selector
from kubette.controllers.base import Controller, Key, kind
from kubette.controllers.writes import Patch


def aggregated(role: Object, roles: Iterable[Object]) -> list[Object]:
    """The rules of all other roles that the aggregation rule selects, by selector and name, each once."""
    ordered = sorted(roles, key=meta.name)
    out: list[Object] = []
    for given in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
        selector = from_label_selector(given)
        for other in ordered:
            if meta.name(other) != meta.name(role) and selector.matches(meta.labels(other)):
                out += [rule for rule in other.get("rules") or () if rule not in out]
    return out


class ClusterRoleAggregation(Controller[Key]):
    name = "clusterrole-aggregation-controller"

    def watch(self) -> None:
        self.roles = self.cluster.informer("clusterroles.rbac.authorization.k8s.io")
        self.roles.subscribe(self._changed)

    def _changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        """Any role may be part of any aggregated one; roles are few."""
        for other, role in self.roles.items.items():
            if role.get("aggregationRule") is not None:
                self.queue.add(other)

    async def reconcile(self, key: Key) -> float | None:
        role = self.roles.items.get(key)
        if role is None or role.get("aggregationRule") is None:
            return None
        rules = aggregated(role, self.roles.items.values())
        if rules != (role.get("rules") or []):
            at = {"uid": meta.uid(role), "resourceVersion": meta.resource_version(role)}
            change = {"metadata": at, "rules": rules}
            await self.carry_out([Patch(kind("clusterroles.rbac.authorization.k8s.io"), role, change)])
        return None
