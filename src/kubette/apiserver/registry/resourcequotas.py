"""ResourceQuotas. Source: core/validation (ValidateResourceQuota), pkg/registry/core/resourcequota."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubette.api import quantity
from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import checks, quotaresources
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_POD_RESOURCES = frozenset(
    {"pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
)
#: Scope → the standard resources that it can be applied to.
_SCOPES = {
    **dict.fromkeys(
        ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity"), _POD_RESOURCES
    ),
    "BestEffort": frozenset({"pods"}),
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
_CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_ONLY_EXISTS = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


class ResourceQuotas(Strategy):
    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        hard = spec.get("hard") or {}
        out = _amounts(hard, "spec.hard")
        out += _scopes(spec.get("scopes") or [], hard)
        if (selector := spec.get("scopeSelector")) is not None:
            out += _selector(selector, spec, "spec.scopeSelector.matchExpressions")
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            status = new.get("status") or {}
            return [e for f in ("hard", "used") for e in _amounts(status.get(f) or {}, f"status.{f}")]
        scopes, before = ((o.get("spec") or {}).get("scopes") or [] for o in (new, old))
        out = self.validate(new, ctx)
        return out + ([] if set(scopes) == set(before) else [invalid("spec.scopes", scopes, checks.IMMUTABLE)])

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        hard = (obj.get("spec") or {}).get("hard") or {}
        for name in ("cpu", "memory", "storage", "ephemeral-storage"):
            asked, limit = f"requests.{name}", f"limits.{name}"
            if asked not in hard and name in ("cpu", "memory"):
                asked = name
            request, most = hard.get(asked), hard.get(limit)
            if None not in (request, most) and quantity.parse(str(request)) > quantity.parse(str(most)):
                yield f"ResourceQuota {asked} ({request}) should be less than {limit} ({most})"


def _amounts(values: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for name, value in values.items():
        out += quotaresources.quota_name(name, f"{path}[{name}]")
        out += quotaresources.amount(name, value, f"{path}[{name}]")
    return out


def _misapplied(scope: str, hard: Object) -> int:
    """How many of the resources a scope cannot be applied to."""
    allowed = _SCOPES.get(scope)
    if allowed is None:
        return 0
    return sum(1 for name in hard if quotaresources.is_quota_name(name) and name not in allowed)


def _scopes(scopes: list[str], hard: Object) -> list[FieldError]:
    out: list[FieldError] = []
    for scope in scopes:
        if scope not in _SCOPES:
            out.append(invalid("spec.scopes", scopes, "unsupported scope"))
        words = "unsupported scope applied to resource"
        out += [invalid("spec.scopes", scopes, words)] * _misapplied(scope, hard)
    conflicts = sum(1 for pair in _CONFLICTS if pair <= set(scopes))
    return out + [invalid("spec.scopes", scopes, "conflicting scopes")] * conflicts


def _selector(selector: Object, spec: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for requirement in selector.get("matchExpressions") or ():
        scope, operator = requirement.get("scopeName") or "", requirement.get("operator") or ""
        values = requirement.get("values") or []
        if scope not in _SCOPES:
            out.append(invalid(f"{path}.scopeName", scope, "unsupported scope"))
        words = "unsupported scope applied to resource"
        out += [invalid(path, selector, words)] * _misapplied(scope, spec.get("hard") or {})
        if scope in _ONLY_EXISTS and operator != "Exists":
            out.append(invalid(f"{path}.operator", operator, _EXISTS))
        if operator in ("In", "NotIn"):
            if not values:
                words = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                out.append(required(f"{path}.values", words))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                words = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                out.append(invalid(f"{path}.values", values, words))
        else:
            out.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
        seen.add(scope)
    conflicts = sum(1 for pair in _CONFLICTS if pair <= seen)
    return out + [invalid(path, spec.get("scopes"), "conflicting scopes")] * conflicts
