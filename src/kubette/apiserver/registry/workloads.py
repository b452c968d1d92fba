"""What the kinds that keep pods running have in common: replicas, selectors, rollout limits, status counts.

Source: pkg/apis/apps/validation. One module a kind builds on this one.
"""

from __future__ import annotations

from typing import Any

from kubette.api import selectors
from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import checks, podtemplate

Object = dict[str, Any]


def set_default(spec: Object, field: str, value: Any) -> None:
    """As Go defaults a pointer: only when it is absent."""
    if spec.get(field) is None:
        spec[field] = value


def selector_errors(spec: Object, what: str) -> list[FieldError]:
    """``spec.selector``: required, well-formed, not empty."""
    selector = spec.get("selector")
    if selector is None:
        return [required("spec.selector")]
    out = checks.label_selector(selector, "spec.selector")
    if checks.empty_selector(selector):
        out.append(invalid("spec.selector", selector, f"empty selector is invalid for {what}"))
    return out


def compiled(selector: Object | None) -> selectors.LabelSelector | None:
    """The selector as a matcher; None when it is absent, empty or malformed."""
    if checks.empty_selector(selector):
        return None
    try:
        return selectors.from_label_selector(selector)
    except (ValueError, KeyError):
        return None


def template_errors(spec: Object, *, restart: tuple[str, ...] = podtemplate.ALWAYS) -> list[FieldError]:
    """``spec.template`` against ``spec.selector``."""
    matcher = compiled(spec.get("selector"))
    return podtemplate.validate_for(spec.get("template"), matcher, "spec.template", restart=restart)


def counts(spec: Object, *fields: str) -> list[FieldError]:
    """None of these numbers may be negative."""
    return [e for f in fields for e in checks.non_negative(spec.get(f), f"spec.{f}")]


def replicas(spec: Object) -> list[FieldError]:
    if spec.get("replicas") is None:
        return [required("spec.replicas")]
    return counts(spec, "replicas")


def immutable_selector(new: Object, old: Object) -> list[FieldError]:
    now, before = new["spec"].get("selector"), old["spec"].get("selector")
    return checks.immutable(now, before, "spec.selector")


#: Counts of a status that cannot exceed ``status.replicas``.
_PARTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def status_errors(new: Object, old: Object) -> list[FieldError]:
    """Counts are not negative, parts not greater than the whole, generations don't go back."""
    status, before = new.get("status") or {}, old.get("status") or {}
    out: list[FieldError] = []
    for field, value in status.items():
        if isinstance(value, int) and not isinstance(value, bool):
            out += checks.non_negative(value, f"status.{field}")
    if "replicas" in status or any(f in status for f in _PARTS):
        whole = status.get("replicas") or 0
        for field in _PARTS:
            if (status.get(field) or 0) > whole:
                words = "cannot be greater than status.replicas"
                out.append(invalid(f"status.{field}", status.get(field) or 0, words))
        if (status.get("availableReplicas") or 0) > (status.get("readyReplicas") or 0):
            words = "cannot be greater than readyReplicas"
            out.append(invalid("status.availableReplicas", status.get("availableReplicas") or 0, words))
    if (status.get("collisionCount") or 0) < (before.get("collisionCount") or 0):
        words = "cannot be decremented"
        out.append(invalid("status.collisionCount", status.get("collisionCount") or 0, words))
    return out


def rolling_update(rolling: Object, path: str) -> list[FieldError]:
    """``maxUnavailable`` and ``maxSurge``: numbers or percentages, not both zero."""
    out: list[FieldError] = []
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    out += checks.percent_or_count(unavailable, f"{path}.maxUnavailable")
    out += checks.percent_or_count(surge, f"{path}.maxSurge")
    if _zero(unavailable) and _zero(surge):
        words = "may not be 0 when `maxSurge` is 0"
        out.append(invalid(f"{path}.maxUnavailable", unavailable, words))
    return out + checks.at_most_hundred(unavailable, f"{path}.maxUnavailable")


def _zero(value: Any) -> bool:
    return value in (0, "0%", "0")
