"""Roles and bindings. Source: pkg/apis/rbac/{v1/defaults.go,validation}.

Whether the writer may grant what it writes is the authorizer's business, not decided here.
"""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.objectmeta import path_segment

Object = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"


class Roles(Strategy):
    """Role and ClusterRole: only the latter may have ``nonResourceURLs`` and be aggregated."""

    def default(self, obj: Object) -> None:
        obj.setdefault("rules", [])

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out: list[FieldError] = []
        for i, rule in enumerate(obj.get("rules") or ()):
            out += _rule(rule, self.kind.namespaced, f"rules[{i}]")
        aggregation = obj.get("aggregationRule")
        if aggregation is not None:
            selectors = aggregation.get("clusterRoleSelectors") or []
            if not selectors:
                words = "at least one clusterRoleSelector required if aggregationRule is non-nil"
                out.append(required("aggregationRule.clusterRoleSelectors", words))
            for i, selector in enumerate(selectors):
                out += checks.label_selector(selector, f"aggregationRule.clusterRoleSelectors[{i}]")
        return out


def _rule(rule: Object, namespaced: bool, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    if not rule.get("verbs"):
        out.append(required(f"{path}.verbs", "verbs must contain at least one value"))
    if urls := rule.get("nonResourceURLs"):
        if namespaced:
            words = "namespaced rules cannot apply to non-resource URLs"
            out.append(invalid(f"{path}.nonResourceURLs", urls, words))
        if any(rule.get(f) for f in ("apiGroups", "resources", "resourceNames")):
            words = "rules cannot apply to both regular resources and non-resource URLs"
            out.append(invalid(f"{path}.nonResourceURLs", urls, words))
        return out
    if not rule.get("apiGroups"):
        out.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        out.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return out


class Bindings(Strategy):
    """RoleBinding and ClusterRoleBinding."""

    def default(self, obj: Object) -> None:
        ref = obj.get("roleRef")
        if ref is not None and not ref.get("apiGroup"):
            ref["apiGroup"] = GROUP
        for subject in obj.get("subjects") or ():
            if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = GROUP

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        ref = obj.get("roleRef") or {}
        out: list[FieldError] = []
        if ref.get("apiGroup") != GROUP:
            out.append(unsupported("roleRef.apiGroup", ref.get("apiGroup") or "", (GROUP,)))
        kinds = ("ClusterRole", "Role") if self.kind.namespaced else ("ClusterRole",)
        if ref.get("kind") not in kinds:
            out.append(unsupported("roleRef.kind", ref.get("kind") or "", kinds))
        if not ref.get("name"):
            out.append(required("roleRef.name"))
        else:
            out += checks.named(path_segment, "roleRef.name", ref["name"])
        for i, subject in enumerate(obj.get("subjects") or ()):
            out += _subject(subject, self.kind.namespaced, f"subjects[{i}]")
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        out = self.validate(new, ctx)
        if new.get("roleRef") != old.get("roleRef"):
            out.append(invalid("roleRef", new.get("roleRef"), "cannot change roleRef"))
        return out


def _subject(subject: Object, namespaced: bool, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    kind, name, group = subject.get("kind") or "", subject.get("name") or "", subject.get("apiGroup") or ""
    if not name:
        out.append(required(f"{path}.name"))
    if kind == "ServiceAccount":
        if name:
            out += checks.named(names.dns1123_subdomain, f"{path}.name", name)
        if group:
            out.append(unsupported(f"{path}.apiGroup", group, ("",)))
        if not namespaced and not subject.get("namespace"):
            out.append(required(f"{path}.namespace"))
    elif kind in ("User", "Group"):
        if group != GROUP:
            out.append(unsupported(f"{path}.apiGroup", group, (GROUP,)))
    else:
        out.append(unsupported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group")))
    return out
