"""FlowSchemas. Source: pkg/apis/flowcontrol/{v1/defaults.go,validation}."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_PRECEDENCE, _LAST = 1000, 10000
_METHODS = ("ByNamespace", "ByUser")
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
#: Kind of a subject → the field that describes it.
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
#: Field of a resource rule → what it must have, and what its wildcard excludes.
_LISTS = {
    "apiGroups": ("resource rules must supply at least one api group", "api groups"),
    "resources": ("resource rules must supply at least one resource", "resources"),
}


class FlowSchemas(Strategy):
    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if not spec.get("matchingPrecedence"):
            spec["matchingPrecedence"] = _PRECEDENCE

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out = _precedence(spec["matchingPrecedence"], obj["metadata"].get("name") or "", "spec.matchingPrecedence")
        method = spec.get("distinguisherMethod")
        if method is not None and method.get("type") not in _METHODS:
            out.append(unsupported("spec.distinguisherMethod.type", method, _METHODS))
        level, at = (spec.get("priorityLevelConfiguration") or {}).get("name"), "spec.priorityLevelConfiguration.name"
        if level:
            out += checks.named(names.dns1123_subdomain, at, level)
        else:
            out.append(required(at, "must reference a priority level"))
        for i, rule in enumerate(spec.get("rules") or ()):
            out += _rule(rule, f"spec.rules[{i}]")
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        status = conditions((new.get("status") or {}).get("conditions") or [])
        return status if ctx.subresource == "status" else self.validate(new, ctx) + status


def conditions(values: list[Object]) -> list[FieldError]:
    """The conditions of a FlowSchema's or PriorityLevelConfiguration's status: each type once."""
    out: list[FieldError] = []
    types = [c.get("type") or "" for c in values]
    for i, kind in enumerate(types):
        path = f"status.conditions[{i}].type"
        if kind in types[:i]:
            out.append(duplicate(path, kind))
        if not kind:
            out.append(required(path))
    return out


def _precedence(value: int, name: str, path: str) -> list[FieldError]:
    if value <= 0:
        return [invalid(path, value, "must be a positive value")]
    if value > _LAST:
        return [invalid(path, value, f"must not be greater than {_LAST}")]
    if value == 1 and name != "exempt":
        return [invalid(path, value, "only the schema named 'exempt' may have matchingPrecedence 1")]
    return []


def _rule(rule: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    subjects = rule.get("subjects") or []
    if not subjects:
        out.append(required(f"{path}.subjects", "subjects must contain at least one value"))
    for i, subject in enumerate(subjects):
        out += _subject(subject, f"{path}.subjects[{i}]")
    resources, others = rule.get("resourceRules") or [], rule.get("nonResourceRules") or []
    if not resources and not others:
        out.append(required(path, "at least one of resourceRules and nonResourceRules has to be non-empty"))
    for i, one in enumerate(resources):
        out += _resource_rule(one, f"{path}.resourceRules[{i}]")
    for i, one in enumerate(others):
        out += _verbs(one.get("verbs") or [], f"{path}.nonResourceRules[{i}].verbs")
        out += _urls(one.get("nonResourceURLs") or [], f"{path}.nonResourceRules[{i}].nonResourceURLs")
    return out


def _subject(subject: Object, path: str) -> list[FieldError]:
    kind = subject.get("kind") or ""
    if kind not in _SUBJECTS:
        return [unsupported(f"{path}.kind", kind, tuple(_SUBJECTS))]
    field = _SUBJECTS[kind]
    described = subject.get(field)
    if described is None:
        out = [required(f"{path}.{field}", f"{field} is required when subject kind is '{kind}'")]
    elif kind == "ServiceAccount":
        out = _account(described, f"{path}.{field}")
    else:
        out = [] if described.get("name") else [required(f"{path}.{field}.name")]
    for other, name in _SUBJECTS.items():
        if other != kind and subject.get(name) is not None:
            out.append(forbidden(f"{path}.{name}", f"{name} is forbidden when subject kind is not '{other}'"))
    return out


def _account(account: Object, path: str) -> list[FieldError]:
    name, namespace = account.get("name") or "", account.get("namespace") or ""
    out = [] if name else [required(f"{path}.name")]
    if name and name != "*":
        out += checks.named(names.dns1123_subdomain, f"{path}.name", name)
    if namespace:
        return out + checks.named(names.dns1123_label, f"{path}.namespace", namespace)
    return [*out, required(f"{path}.namespace", "must specify namespace for service account")]


def _verbs(verbs: list[str], path: str) -> list[FieldError]:
    if not verbs:
        return [required(path, "verbs must contain at least one value")]
    if "*" in verbs:
        words = "if '*' is present, must not specify other verbs"
        return [invalid(path, verbs, words)] if len(verbs) > 1 else []
    return [] if set(verbs) <= set(_VERBS) else [unsupported(path, verbs, _VERBS)]


def _urls(urls: list[str], path: str) -> list[FieldError]:
    if not urls:
        return [required(path, "nonResourceURLs must contain at least one value")]
    if "*" in urls:
        words = "if '*' is present, must not specify other non-resource URLs"
        return [invalid(path, urls, words)] if len(urls) > 1 else []
    return [invalid(f"{path}[{i}]", url, why) for i, url in enumerate(urls) if (why := _url_error(url))]


def _url_error(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    stars = url.count("*")
    return "wildcard can only do suffix matching" if stars > 1 or (stars and not url.endswith("/*")) else ""


def _resource_rule(rule: Object, path: str) -> list[FieldError]:
    out = _verbs(rule.get("verbs") or [], f"{path}.verbs")
    for field, (lacking, others) in _LISTS.items():
        values = rule.get(field) or []
        if not values:
            out.append(required(f"{path}.{field}", lacking))
        elif len(values) > 1 and "*" in values:
            words = f"if '*' is present, must not specify other {others}"
            out.append(invalid(f"{path}.{field}", values, words))
    spaces, at = rule.get("namespaces") or [], f"{path}.namespaces"
    if not spaces and not rule.get("clusterScope"):
        words = "resource rules that are not cluster scoped must supply at least one namespace"
        out.append(required(at, words))
    elif "*" in spaces:
        if len(spaces) > 1:
            out.append(invalid(at, spaces, "if '*' is present, must not specify other namespaces"))
    else:
        intro = "each member of this list must be '*' or a DNS-1123 label; "
        for i, space in enumerate(spaces):
            out += [invalid(f"{at}[{i}]", space, intro + m) for m in names.dns1123_label(space)]
    return out
