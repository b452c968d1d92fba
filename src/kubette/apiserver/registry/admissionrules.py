"""Rules and selectors that webhook configurations and admission policies share. Pure.

Source: pkg/apis/admissionregistration/validation and v1/defaults.go. CEL expressions are checked for being there, not
compiled: nothing evaluates them yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, invalid, required, too_many, unsupported
from kubette.apiserver.registry import checks

Object = dict[str, Any]
FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
REINVOCATION_POLICIES = ("IfNeeded", "Never")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
MUTATING_OPERATIONS = ("*", "CONNECT", "CREATE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_MOST_CONDITIONS = 64
_STATIC_SUFFIX = ".static.k8s.io"


def static_suffix(obj: Object) -> Iterator[str]:
    """The warning for a name that is kept for configuration by manifest files."""
    if (obj["metadata"].get("name") or "").endswith(_STATIC_SUFFIX):
        yield (
            f'metadata.name: names ending with "{_STATIC_SUFFIX}" are reserved for static manifest-based '
            "configurations and cannot be managed via the API"
        )


def default_rule(rule: Object) -> None:
    rule.setdefault("scope", "*")


def default_match(match: Object | None) -> None:
    """SetDefaults_MatchResources."""
    if match is None:
        return
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for field in ("resourceRules", "excludeResourceRules"):
        for rule in match.get(field) or ():
            default_rule(rule)


def rule(value: Object, path: str) -> list[FieldError]:
    """RuleWithOperations."""
    operations = value.get("operations") or []
    out = _wildcard(operations, "operations", "operations", path)
    for i, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            out.append(unsupported(f"{path}.operations[{i}]", operation, _OPERATIONS))
    out += _wildcard(value.get("apiGroups") or [], "apiGroups", "API groups", path)
    versions = value.get("apiVersions") or []
    out += _wildcard(versions, "apiVersions", "API versions", path)
    out += [required(f"{path}.apiVersions[{i}]") for i, v in enumerate(versions) if not v]
    out += _resources(value.get("resources") or [], f"{path}.resources")
    if (scope := value.get("scope")) is not None and scope not in _SCOPES:
        out.append(unsupported(f"{path}.scope", scope, _SCOPES))
    return out


def _wildcard(values: list[str], field: str, others: str, path: str) -> list[FieldError]:
    """At least one value, and no other beside ``*``."""
    if not values:
        return [required(f"{path}.{field}")]
    if len(values) > 1 and "*" in values:
        return [invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other {others}")]
    return []


def _resources(values: list[str], path: str) -> list[FieldError]:
    """``pods``, ``pods/log``, ``pods/*``, ``*/scale``, ``*`` and ``*/*``: none that another one includes."""
    out = [] if values else [required(path)]
    whole: set[str] = set()
    every: set[str] = set()
    bare = False
    for i, value in enumerate(values):
        resource, slash, sub = value.partition("/")
        if not value:
            out.append(required(f"{path}[{i}]"))
            continue
        if not slash:
            bare = value != "*"  # upstream looks at the last one only
            continue
        if resource in whole:
            out.append(invalid(f"{path}[{i}]", value, f"if '{resource}/*' is present, must not specify {value}"))
        if sub in every:
            out.append(invalid(f"{path}[{i}]", value, f"if '*/{sub}' is present, must not specify {value}"))
        if sub == "*":
            whole.add(resource)
        if resource == "*":
            every.add(sub)
    if len(values) > 1 and "*/*" in values:
        out.append(invalid(path, values, "if '*/*' is present, must not specify other resources"))
    if "*" in values and bare:
        words = "if '*' is present, must not specify other resources without subresources"
        out.append(invalid(path, values, words))
    return out


def match_resources(match: Object, path: str) -> list[FieldError]:
    """MatchResources: which requests a policy or its binding is about."""
    out = checks.known(match.get("matchPolicy"), MATCH_POLICIES, f"{path}.matchPolicy")
    for field in ("namespaceSelector", "objectSelector"):
        out += checks.label_selector(match.get(field), f"{path}.{field}")
    for field in ("resourceRules", "excludeResourceRules"):
        for i, value in enumerate(match.get(field) or ()):
            at = f"{path}.{field}[{i}]"
            resource_names = value.get("resourceNames") or []
            for j, name in enumerate(resource_names):
                out += checks.named(names.path_segment_name, f"{at}.resourceNames[{j}]", name)
                if name in resource_names[:j]:
                    out.append(duplicate(f"{at}.resourceNames[{j}]", name))
            out += rule(value, at)
    return out


def only_mutable(match: Object, path: str) -> list[FieldError]:
    """A mutating policy cannot be about DELETE."""
    operations = [o for r in match.get("resourceRules") or () for o in r.get("operations") or ()]
    wrong = (o for o in operations if o not in MUTATING_OPERATIONS)
    return [unsupported(f"{path}.resourceRules.operations", o, MUTATING_OPERATIONS) for o in wrong]


def match_conditions(conditions: list[Object], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    if len(conditions) > _MOST_CONDITIONS:
        out.append(too_many(path, len(conditions), _MOST_CONDITIONS))
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        name = condition.get("name") or ""
        out += expression(condition, f"{path}[{i}]")
        out += checks.qualified_name(name, f"{path}[{i}].name") if name else [required(f"{path}[{i}].name")]
        if name and name in seen:
            out.append(duplicate(f"{path}[{i}].name", name))
        seen.add(name)
    return out


def expression(holder: Object, path: str, lacking: str = "") -> list[FieldError]:
    """An expression that must be there. ``lacking``: what to say where it is not."""
    there = (holder.get("expression") or "").strip()
    return [] if there else [required(f"{path}.expression", lacking)]
