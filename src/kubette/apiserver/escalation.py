"""Nobody gives away through RBAC what they do not hold: the check behind writes of roles and bindings.

Who may ``escalate`` roles, or ``bind`` the one that a binding names, is exempt, as is ``system:masters``.
Source: pkg/registry/rbac/{clusterrole,clusterrolebinding}/policybased; the words are upstream's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from typing import Any

from kubette.api import meta
from kubette.api.errors import Forbidden, not_found
from kubette.api.kinds import Kind
from kubette.apiserver.authn import User
from kubette.apiserver.authz import Authorizer
from kubette.apiserver.rbac import MASTERS, Attributes, Rule

Object = dict[str, Any]
_GROUP = "rbac.authorization.k8s.io"


#: What one comparison may cost: values looked at, combinations of classes tried, and permissions listed in the answer.
_MAX_VALUES, _MAX_COMBINATIONS, _MAX_LISTED = 300_000, 20_000, 256


class TooComplex(Exception):
    """The rules cannot be compared within bounds."""


def missing(wanted: Iterable[Rule], held: Iterable[Rule]) -> list[str]:
    """What of ``wanted`` no rule of ``held`` covers, a line a subject, as upstream's ``validation.Covers``.

    A rule is a product of verbs, groups, resources and names. The product is not written out: values that the same
    held rules cover form a class, and one comparison decides for all combinations of the same classes.
    Raises TooComplex."""
    have, budget = [_Held(rule) for rule in held], _Budget()
    lacking: dict[str, dict[str, None]] = {}
    listed = 0
    for rule in wanted:
        for verb, subject in _uncovered(rule, have, budget):
            if listed >= _MAX_LISTED:
                return [*_lines(lacking), "and more"]
            verbs = lacking.setdefault(subject, {})
            listed += verb not in verbs
            verbs[verb] = None
    return _lines(lacking)


def _lines(lacking: Mapping[str, Iterable[str]]) -> list[str]:
    return [f"{{{subject}, Verbs:[{', '.join(map(_quoted, verbs))}]}}" for subject, verbs in sorted(lacking.items())]


def _quoted(text: str) -> str:
    return f'"{text}"'


class _Budget:
    """What is left of the work that one comparison may cost."""

    def __init__(self) -> None:
        self.values, self.combinations = _MAX_VALUES, _MAX_COMBINATIONS

    def look(self, values: int) -> None:
        self.values -= values
        if self.values < 0:
            raise TooComplex("the rules have too many values")

    def combine(self) -> None:
        self.combinations -= 1
        if self.combinations < 0:
            raise TooComplex("the rules have too many combinations")


@dataclass(frozen=True, slots=True)
class _Class:
    """Values of one field that the same held rules cover: bit i of ``cover`` is held rule i."""

    cover: int
    values: list[str]


@dataclass(frozen=True, slots=True)
class _Values:
    """What a held rule covers of one field: these values, those that start with a prefix, and those below ``/``."""

    exact: frozenset[str] = frozenset()
    everything: bool = False
    prefixes: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    def may_cover(self, values: frozenset[str]) -> bool:
        """False where no value is covered."""
        return self.everything or bool(self.prefixes or self.subresources) or not self.exact.isdisjoint(values)


def _values(values: Iterable[str] | None) -> _Values:
    exact = frozenset(values or ())
    return _Values(exact, "*" in exact)


def _resources(values: Iterable[str] | None) -> _Values:
    exact = frozenset(values or ())
    return _Values(exact, "*" in exact, subresources=tuple(v[2:] for v in exact if v.startswith("*/")))


def _paths(values: Iterable[str] | None) -> _Values:
    exact = frozenset(values or ())
    return _Values(exact, prefixes=tuple(v.rstrip("*") for v in exact if v.endswith("*")))


class _Held:
    """A held rule, prepared for comparison."""

    def __init__(self, rule: Rule) -> None:
        self.verbs, self.groups = _values(rule.get("verbs")), _values(rule.get("apiGroups"))
        self.resources, self.paths = _resources(rule.get("resources")), _paths(rule.get("nonResourceURLs"))
        # A rule without names covers all of them. "*" is a name like others, "" stands for no name.
        names = rule.get("resourceNames")
        self.names = _Values(frozenset(names or ()) - {""}, everything=not names)


def _uncovered(rule: Rule, held: list[_Held], budget: _Budget) -> Iterator[tuple[str, str]]:
    """Verb and subject of each permission of ``rule`` that is not covered."""
    budget.look(len(held))
    wanted = {field: frozenset(rule.get(field) or ()) for field in ("verbs", "apiGroups", "resources")}
    held = [h for h in held if h.verbs.may_cover(wanted["verbs"])]
    if rule.get("nonResourceURLs"):
        verbs = _classes(rule.get("verbs"), [h.verbs for h in held], budget)
        paths = _classes(rule.get("nonResourceURLs"), [h.paths for h in held], budget)
        for verb, path in _open((verbs, paths), budget):
            yield verb, f"NonResourceURLs:[{_quoted(path)}]"
    held = [h for h in held if h.groups.may_cover(wanted["apiGroups"])]
    held = [h for h in held if h.resources.may_cover(wanted["resources"])]
    verbs = _classes(rule.get("verbs"), [h.verbs for h in held], budget)
    groups = _classes(rule.get("apiGroups"), [h.groups for h in held], budget)
    kinds = _classes(rule.get("resources"), [h.resources for h in held], budget)
    names = _classes(rule.get("resourceNames") or ("",), [h.names for h in held], budget)
    for verb, group, name, kind in _open((verbs, groups, names, kinds), budget):
        only = f", ResourceNames:[{_quoted(name)}]" if name else ""
        yield verb, f"APIGroups:[{_quoted(group)}], Resources:[{_quoted(kind)}]{only}"


def _open(fields: Sequence[list[_Class]], budget: _Budget) -> Iterator[tuple[str, ...]]:
    """Each combination of one value a field that no held rule covers in every field."""
    for chosen in product(*fields):
        budget.combine()
        common = -1
        for one in chosen:
            common &= one.cover
        if not common:
            yield from product(*(one.values for one in chosen))


class _Field:
    """The values of one field of a wanted rule, and how they are found."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = list(dict.fromkeys(values))

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.values)

    @cached_property
    def _below(self) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for value in self.values:
            _, slash, name = value.partition("/")
            if slash:
                out.setdefault(name, []).append(value)
        return out

    def covered(self, by: _Values) -> Iterator[str]:
        """The values that ``by`` covers, some twice; but for ``everything``."""
        if len(by.exact) < len(self.values):
            yield from by.exact
        else:
            yield from (value for value in self.values if value in by.exact)
        for prefix in by.prefixes:
            start = bisect_left(self._sorted, prefix)
            for value in islice(self._sorted, start, None):
                if not value.startswith(prefix):
                    break
                yield value
        for name in by.subresources:
            yield from self._below.get(name, ())


def _classes(values: Iterable[str] | None, held: Sequence[_Values], budget: _Budget) -> list[_Class]:
    """The values of one field by the held rules that cover them."""
    field = _Field(values or ())
    if not field.values:
        return []
    budget.look(len(field.values) + len(held))
    everything, covers = 0, [0]
    number = dict.fromkeys(field.values, 0)
    for bit, theirs in enumerate(held):
        if theirs.everything:
            everything |= 1 << bit
            continue
        budget.look(min(len(theirs.exact), len(field.values)))
        split: dict[int, int] = {}  # this rule parts a class in two: what it covers, and what it does not
        moved: set[str] = set()
        for value in field.covered(theirs):
            budget.look(1)
            if value not in number or value in moved:
                continue
            moved.add(value)
            old = number[value]
            if old not in split:
                split[old] = len(covers)
                covers.append(covers[old] | 1 << bit)
            number[value] = split[old]
    out: dict[int, _Class] = {}
    for value, of in number.items():
        if of not in out:
            out[of] = _Class(covers[of] | everything, [])
        out[of].values.append(value)
    return list(out.values())


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
    if (_aggregates(new) or _aggregates(old or {})) and not _holds_everything(authorizer, user, namespace):
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
    try:
        lines = missing(wanted, authorizer.rules(user, namespace))
    except TooComplex as error:
        raise _refused(kind, new, f'cannot be compared with the permissions of user "{user.name}": {error}') from error
    if lines:
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


def _holds_everything(authorizer: Authorizer, user: User, namespace: str) -> bool:
    try:
        return not missing(_EVERYTHING, authorizer.rules(user, namespace))
    except TooComplex:
        return False


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
