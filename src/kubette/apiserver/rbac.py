"""Who may do what: evaluation of Roles and bindings (``rbac.authorization.k8s.io/v1``).

Rules are compiled once after any RBAC object has changed; answers are cached until the next change.
``system:masters`` is never refused, so that no policy can lock an administrator out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from kubette.api.caching import Cache, footprint
from kubette.apiserver.authn import User
from kubette.store import Store

_GROUP = ".rbac.authorization.k8s.io"
_RESOURCES = tuple(f"{r}{_GROUP}" for r in ("roles", "clusterroles", "rolebindings", "clusterrolebindings"))
_CACHE = 8192, 8 << 20, 4 << 10  # answers, bytes of all, bytes of one
MASTERS = "system:masters"
Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked for. Resource requests have ``resource``; others only ``path``."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    #: Terms of the field selector, which RBAC does not look at: (field, ``=`` or ``!=``, value).
    fields: tuple[tuple[str, str, str], ...] = field(default=(), compare=False)

    def refusal(self, user: str) -> str:
        """Upstream's words for a refusal."""
        if not self.resource:
            return f'User "{user}" cannot {self.verb} path "{self.path}"'
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        return f'User "{user}" cannot {self.verb} resource "{resource}" in API group "{self.group}" {where}'


class Authorizer:
    """Evaluates the RBAC objects in ``store``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: tuple[int, ...] = ()
        self._index: dict[tuple[str, str], list[tuple[str, list[Rule]]]] = {}
        self._roles: dict[tuple[str, str], list[Rule]] = {}
        self._answers: Cache[tuple[tuple[str, ...], ...], bool] = Cache(*_CACHE)

    def allowed(self, user: User, asked: Attributes) -> bool:
        if MASTERS in user.groups:
            return True
        self._refresh()
        # Strings alone: the user's ``extra`` and the field selector do not count, and may be long.
        question = (
            asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace, asked.name, asked.path
        )  # fmt: skip
        key = ((user.name,), user.groups, question)
        answer = self._answers.get(key)
        if answer is None:
            answer = any(matches(rule, asked) for rule in self.rules(user, asked.namespace))
            self._answers.put(key, answer, sum(map(footprint, key)))
        return answer

    def rules(self, user: User, namespace: str) -> Iterator[Rule]:
        """All rules that hold for ``user`` cluster-wide and, if given, in ``namespace``."""
        self._refresh()
        for subject in (("User", user.name), *(("Group", g) for g in user.groups)):
            for where, rules in self._index.get(subject, ()):
                if not where or where == namespace:
                    yield from rules

    def role(self, namespace: str, name: str) -> list[Rule] | None:
        """The rules of a Role, or of a ClusterRole where ``namespace`` is empty; None where there is none."""
        self._refresh()
        return self._roles.get((namespace, name))

    def _refresh(self) -> None:
        seen = tuple(self._store.version(resource) for resource in _RESOURCES)
        if seen == self._seen:
            return
        self._seen = seen
        self._answers.clear()
        self._index = {}
        roles = {(_ns(o), _name(o)): o.get("rules") or [] for o in self._objects("roles")}
        cluster_roles = _aggregate(list(self._objects("clusterroles")))
        self._roles = {**roles, **{("", name): rules for name, rules in cluster_roles.items()}}
        for binding in [*self._objects("clusterrolebindings"), *self._objects("rolebindings")]:
            where, ref = _ns(binding), binding.get("roleRef") or {}
            if ref.get("kind") == "ClusterRole":
                rules = cluster_roles.get(ref.get("name", ""), [])
            else:
                rules = roles.get((where, ref.get("name", "")), [])
            for subject in binding.get("subjects") or ():
                kind, name = subject.get("kind"), subject.get("name", "")
                if kind == "ServiceAccount":
                    kind, name = "User", f"system:serviceaccount:{subject.get('namespace', where)}:{name}"
                self._index.setdefault((kind, name), []).append((where, rules))

    def _objects(self, resource: str) -> Iterator[dict[str, Any]]:
        for entry in self._store.list(resource + _GROUP):
            yield orjson.loads(entry.value)


def _ns(obj: dict[str, Any]) -> str:
    return str(obj["metadata"].get("namespace") or "")


def _name(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["name"])


def _aggregate(roles: list[dict[str, Any]]) -> dict[str, list[Rule]]:
    """Name → rules. A role with an aggregationRule has, besides, those of the roles it selects."""
    from kubette.api.selectors import from_label_selector

    out: dict[str, list[Rule]] = {}
    for role in roles:
        rules = list(role.get("rules") or [])
        known: set[bytes] | None = None
        for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
            wanted = from_label_selector(selector)
            for other in roles:
                if other is not role and wanted.matches(other["metadata"].get("labels")):
                    if known is None:
                        known = set(map(_identity, rules))
                    for rule in other.get("rules") or []:
                        if (identity := _identity(rule)) not in known:
                            known.add(identity)
                            rules.append(rule)
        out[_name(role)] = rules
    return out


def _identity(rule: Rule) -> bytes:
    """The same for equal rules."""
    return orjson.dumps(rule, option=orjson.OPT_SORT_KEYS)


def _has(values: Iterable[str] | None, wanted: str) -> bool:
    return values is not None and (wanted in values or "*" in values)


def matches(rule: Rule, asked: Attributes) -> bool:
    """Whether a PolicyRule allows it."""
    if not _has(rule.get("verbs"), asked.verb):
        return False
    if not asked.resource:
        return any(
            url == asked.path or (url.endswith("*") and asked.path.startswith(url[:-1]))
            for url in rule.get("nonResourceURLs") or ()
        )
    if not _has(rule.get("apiGroups"), asked.group):
        return False
    names = rule.get("resourceNames")
    if names and asked.name not in names:
        return False
    resources = rule.get("resources") or ()
    if "*" in resources:
        return True
    if asked.subresource:
        return f"{asked.resource}/{asked.subresource}" in resources or f"*/{asked.subresource}" in resources
    return asked.resource in resources
