"""Nobody gives away through RBAC what they do not hold: the check behind writes of roles and bindings.

Who may ``escalate`` roles, or ``bind`` the one that a binding names, is exempt, as is ``system:masters``.
Source: pkg/registry/rbac/{clusterrole,clusterrolebinding}/policybased; the words are upstream's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kubette.api import meta
from kubette.api.errors import Forbidden, not_found
from kubette.api.kinds import Kind, resource
from kubette.apiserver.authn import User
from kubette.apiserver.rbac import MASTERS, Attributes, Authorizer, Rule

Object = dict[str, Any]
_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Permission:
    """One verb on one resource (of one name, if given), or on one path."""

    verb: str
    group: str = ""
    resource: str = ""
    name: str = ""
    path: str = ""

    @property
    def subject(self) -> str:
        """All but the verb, as upstream prints a rule."""
        if self.path:
            return f'NonResourceURLs:["{self.path}"]'
        names = f', ResourceNames:["{self.name}"]' if self.name else ""
        return f'APIGroups:["{self.group}"], Resources:["{self.resource}"]{names}'


def permissions(rules: Iterable[Rule]) -> Iterator[Permission]:
    """The rules taken apart."""
    for rule in rules:
        for verb in rule.get("verbs") or ():
            for path in rule.get("nonResourceURLs") or ():
                yield Permission(verb, path=path)
            for group in rule.get("apiGroups") or ():
                for name in rule.get("resourceNames") or ("",):
                    for kind in rule.get("resources") or ():
                        yield Permission(verb, group, kind, name)


def covers(rule: Rule, wanted: Permission) -> bool:
    """Whether who holds ``rule`` holds ``wanted``."""
    if not {"*", wanted.verb} & set(rule.get("verbs") or ()):
        return False
    if wanted.path:
        return any(
            url == wanted.path or (url.endswith("*") and wanted.path.startswith(url[:-1]))
            for url in rule.get("nonResourceURLs") or ()
        )
    _, slash, sub = wanted.resource.partition("/")
    resources = {"*", wanted.resource, *((f"*/{sub}",) if slash else ())}
    names = rule.get("resourceNames")
    return bool(
        {"*", wanted.group} & set(rule.get("apiGroups") or ())
        and resources & set(rule.get("resources") or ())
        and (not names or wanted.name in names)
    )


def missing(wanted: Iterable[Rule], held: Iterable[Rule]) -> list[str]:
    """What of ``wanted`` no rule of ``held`` covers, a line a subject."""
    have, lacking = list(held), dict[str, list[str]]()
    for permission in dict.fromkeys(permissions(wanted)):
        if not any(covers(rule, permission) for rule in have):
            lacking.setdefault(permission.subject, []).append(f'"{permission.verb}"')
    return [f"{{{subject}, Verbs:[{', '.join(verbs)}]}}" for subject, verbs in sorted(lacking.items())]


def admit(authorizer: Authorizer, user: User, kind: Kind, new: Object, old: Object | None) -> None:
    """Refuse a role or binding that gives what ``user`` does not hold. Raises Forbidden, NotFound."""
    if kind.group != _GROUP or MASTERS in user.groups:
        return
    namespace = meta.namespace(new)
    if kind.plural.endswith("roles"):
        same = old is not None and all(new.get(f) == old.get(f) for f in ("rules", "aggregationRule"))
        if same or authorizer.allowed(user, Attributes("escalate", _GROUP, "v1", kind.plural, "", namespace,
                                                       meta.name(new))):  # fmt: skip
            return
        if new.get("aggregationRule"):
            everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
            if missing(everything, authorizer.rules(user, namespace)):
                raise _refused(kind, new, "must have cluster-admin privileges to use the aggregationRule")
        wanted = new.get("rules") or []
    else:
        ref = new.get("roleRef") or {}
        if old is not None and all(new.get(f) == old.get(f) for f in ("roleRef", "subjects")):
            return
        role = resource(f"{'clusterroles' if ref.get('kind') == 'ClusterRole' else 'roles'}.{_GROUP}")
        name = str(ref.get("name") or "")
        if authorizer.allowed(user, Attributes("bind", _GROUP, "v1", role.plural, "", namespace, name)):
            return
        found = authorizer.role(namespace if role.namespaced else "", name)
        if found is None:
            raise not_found(role.plural, name, role.group)
        wanted = found
    lines = missing(wanted, authorizer.rules(user, namespace))
    if lines:
        groups = ", ".join(f'"{group}"' for group in user.groups)
        raise _refused(
            kind, new,
            f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n'
            + "\n".join(lines),
        )  # fmt: skip


def _refused(kind: Kind, obj: Object, why: str) -> Forbidden:
    name = meta.name(obj)
    return Forbidden(
        f'{kind.group_resource} "{name}" is forbidden: {why}',
        details={"name": name, "group": kind.group, "kind": kind.plural},
    )
