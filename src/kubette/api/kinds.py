"""The table of kinds: everything the server serves and a client may name, one row a kind.

Pure data and lookups. The rows live in ``kinds_table.py``; discovery documents, URL routing, client
paths and RBAC all derive from them. Source of the facts: the discovery document of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Subresource:
    name: str  # "status", "scale", "log", …
    group: str  # group, version, kind of what it reads and returns
    version: str
    kind: str
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One served resource. ``schema`` is its OpenAPI definition, ``io.k8s.api.core.v1.Pod``;
    ``proto`` its protobuf message, ``k8s.io.api.core.v1.Pod``."""

    group: str  # "" for core
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    schema: str = ""
    proto: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        return self.kind + "List"

    @property
    def group_resource(self) -> str:
        """``deployments.apps``; core kinds are bare: ``pods``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str | None = None, sub: str | None = None) -> str:
        """The URL path of the collection, or of one object or subresource."""
        out = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if namespace:
            out += f"/namespaces/{namespace}"
        out += f"/{self.plural}"
        if name:
            out += f"/{name}"
        if sub:
            out += f"/{sub}"
        return out

    def subresource(self, name: str) -> Subresource | None:
        return next((s for s in self.subresources if s.name == name), None)


def all_kinds() -> Iterator[Kind]:
    from kubette.api.kinds_table import KINDS

    return iter(KINDS)


@cache
def _indexes() -> tuple[dict[tuple[str, str, str], Kind], dict[tuple[str, str, str], Kind], dict[str, Kind]]:
    by_resource: dict[tuple[str, str, str], Kind] = {}
    by_kind: dict[tuple[str, str, str], Kind] = {}
    by_name: dict[str, Kind] = {}
    for k in all_kinds():
        by_resource[k.group, k.version, k.plural] = k
        by_kind[k.group, k.version, k.kind] = k
        by_name.setdefault(k.group_resource, k)
    return by_resource, by_kind, by_name


def by_resource(group: str, version: str, plural: str) -> Kind | None:
    return _indexes()[0].get((group, version, plural))


def by_kind(group: str, version: str, kind: str) -> Kind | None:
    return _indexes()[1].get((group, version, kind))


def resource(name: str) -> Kind:
    """A kind by its group resource: ``resource("pods")``, ``resource("deployments.apps")``. KeyError if unknown."""
    return _indexes()[2][name]
