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
from kubette.api.kinds import Kind
from kubette.apiserver.authn import User
from kubette.apiserver.authz import Authorizer
from kubette.apiserver.rbac import MASTERS, Attributes, Rule

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


def admit(authorizer: Authorizer, user: User, kind: Kind, new: Object, old: Object | None, namespace: str) -> None:
    """Refuse a role or binding that gives what ``user`` does not hold. Raises Forbidden, NotFound.

    Every change is judged, also of labels alone: those decide into which roles a ClusterRole is aggregated."""
    if kind.group != _GROUP or MASTERS in user.groups or (old is not None and _only_for_garbage_collection(new, old)):
        return
    if kind.plural.endswith("roles"):
        _admit_role(authorizer, user, kind, new, old, namespace)
    elif kind.plural.endswith("bindings"):
        _admit_binding(authorizer, user, kind, new, namespace)


def _admit_role(
    authorizer: Authorizer, user: User, kind: Kind, new: Object, old: Object | None, namespace: str
) -> None:
    # Of a create the name is not in the request, and so not in what ``escalate`` is asked for.
    name = meta.name(new) if old is not None else ""
    if authorizer.allowed(user, Attributes("escalate", _GROUP, "*", kind.plural, "", namespace, name)):
        return
    _confirm(authorizer, user, kind, new, new.get("rules") or [], namespace)
    if (_aggregates(new) or _aggregates(old or {})) and missing(_EVERYTHING, authorizer.rules(user, namespace)):
        raise _refused(kind, new, "must have cluster-admin privileges to use the aggregationRule")


def _admit_binding(authorizer: Authorizer, user: User, kind: Kind, new: Object, namespace: str) -> None:
    ref = new.get("roleRef") or {}
    plural = {"ClusterRole": "clusterroles", "Role": "roles"}.get(ref.get("kind") or "")
    if plural is None:
        return  # validation refuses it
    name = str(ref.get("name") or "")
    if authorizer.allowed(user, Attributes("bind", str(ref.get("apiGroup") or ""), "*", plural, "", namespace, name)):
        return
    found = authorizer.role(namespace if plural == "roles" else "", name)
    if found is None:
        raise not_found(plural, name, _GROUP)
    _confirm(authorizer, user, kind, new, found, namespace)


def _confirm(
    authorizer: Authorizer, user: User, kind: Kind, new: Object, wanted: Iterable[Rule], namespace: str
) -> None:
    """Raises Forbidden for a rule of ``wanted`` that the user does not hold."""
    if lines := missing(wanted, authorizer.rules(user, namespace)):
        groups = " ".join(f'"{group}"' for group in user.groups)
        raise _refused(
            kind, new,
            f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n'
            + "\n".join(lines),
        )  # fmt: skip


_EVERYTHING: list[Rule] = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]


def _aggregates(role: Object) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _only_for_garbage_collection(new: Object, old: Object) -> bool:
    """Whether nothing but finalizers and owners change: what the garbage collector needs to delete an object."""
    return _without(new) == _without(old)


def _without(obj: Object) -> Object:
    kept = {k: v for k, v in meta.metadata(obj).items() if k not in _GARBAGE_FIELDS}
    return {**{k: v for k, v in obj.items() if v}, "metadata": kept}


_GARBAGE_FIELDS = ("finalizers", "ownerReferences", "managedFields", "selfLink")


def _refused(kind: Kind, obj: Object, why: str) -> Forbidden:
    name = meta.name(obj)
    return Forbidden(
        f'{kind.group_resource} "{name}" is forbidden: {why}',
        details={"name": name, "group": kind.group, "kind": kind.plural},
    )
