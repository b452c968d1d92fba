"""What the kinds that keep pods running have in common: replicas, selectors, rollout limits, status counts.

Source: pkg/apis/apps/validation. One module a kind builds on this one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubette.api import intstr, selectors
from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import checks, podtemplate, podwarnings
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]


class Workload(Strategy):
    """A kind whose ``spec.template`` its controller makes pods of."""

    #: What upstream says that the object's name is used in; empty where it warns of no name.
    name_use = podwarnings.POD_NAMES

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        podtemplate.drop_disabled(obj["spec"].get("template"))

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        if not ctx.subresource:
            podtemplate.drop_disabled(new["spec"].get("template"), old["spec"].get("template"))
        super().prepare_update(new, old, ctx)

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        names = podwarnings.of_name(obj, self.name_use) if self.name_use else []
        return names + podwarnings.of_template(obj["spec"].get("template"), "spec.template")

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        if not podwarnings.spec_changed(new, old):
            return []
        return podwarnings.of_template(new["spec"].get("template"), "spec.template")


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


def template_errors(spec: Object, kind: str) -> list[FieldError]:
    """``spec.template`` against ``spec.selector``. ``kind``: how upstream calls the controller."""
    if (selector := spec.get("selector")) is None:
        matcher: selectors.LabelSelector | None = selectors.LabelSelector(nothing=True)
    else:
        matcher = compiled(selector)
    return podtemplate.validate_for(spec.get("template"), matcher, "spec.template", kind)


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
_PARTS = ("fullyLabeledReplicas", "updatedReplicas", "currentReplicas", "readyReplicas", "availableReplicas")


def status_errors(new: Object, old: Object, *, ready: str = "readyReplicas") -> list[FieldError]:
    """Counts are not negative, parts not greater than the whole, collisions do not go back. ``ready``: how the kind's
    messages call the count of ready replicas."""
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
            words = f"cannot be greater than {ready}"
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
    return int_or_percent(value) == 0


def int_or_percent(value: Any) -> int:
    """The number, without its percent sign; 0 for any other text."""
    if isinstance(value, int):
        return value
    return int(str(value).removesuffix("%")) if intstr.is_percent(value) or str(value).isdecimal() else 0
