"""LimitRanges. Source: core/v1/defaults.go (SetDefaults_LimitRangeItem), core/validation (ValidateLimitRange)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kubette.api import meta, quantity
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required
from kubette.apiserver.registry import quotaresources, resources
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.objectmeta import qualified_name_errors

Object = dict[str, Any]
_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_FIELDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
#: What must not be above what: field that is refused, smaller, greater, their names in the message.
_ORDER = (
    ("min", "min", "max", "min value {0} is greater than max value {1}"),
    ("defaultRequest", "min", "defaultRequest", "min value {0} is greater than default request value {1}"),
    ("defaultRequest", "defaultRequest", "max", "default request value {0} is greater than max value {1}"),
    (
        "defaultRequest", "defaultRequest", "default",
        "default request value {0} is greater than default limit value {1}",
    ),
    ("default", "min", "default", "min value {0} is greater than default value {1}"),
    ("default", "default", "max", "default value {0} is greater than max value {1}"),
)
#: The value that upstream's message shows, where it is not that of the refused field.
_SHOWN = {("default", "min"): "min", ("default", "default"): "max"}


class LimitRanges(Strategy):
    def default(self, obj: Object) -> None:
        """A container's default limit is the maximum, its default request the default limit or else the minimum."""
        for item in (obj.get("spec") or {}).get("limits") or ():
            if item.get("type") != "Container":
                continue
            limits, requests = dict(item.get("default") or {}), dict(item.get("defaultRequest") or {})
            for source, target in ((item.get("max"), limits), (limits, requests), (item.get("min"), requests)):
                for name, value in (source or {}).items():
                    target.setdefault(name, value)
            for field, values in (("default", limits), ("defaultRequest", requests)):
                if values:
                    item[field] = values

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        if not obj["metadata"].get("name"):
            obj["metadata"]["name"] = meta.new_uid()

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        out: list[FieldError] = []
        seen: set[str] = set()
        for i, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
            path, kind = f"spec.limits[{i}]", item.get("type") or ""
            out += _type(kind, f"{path}.type")
            if kind in seen:
                out.append(duplicate(f"{path}.type", kind))
            seen.add(kind)
            out += _item(item, kind, path)
        return out


def _type(kind: str, path: str) -> list[FieldError]:
    if found := [invalid(path, kind, m) for m in qualified_name_errors(kind)]:
        return found
    if "/" not in kind and kind not in _TYPES:
        return [invalid(path, kind, "must be a standard limit type or fully qualified")]
    return []


def _item(item: Object, kind: str, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    values: dict[str, dict[str, str]] = {}
    for field in _FIELDS:
        if kind == "Pod" and field in ("default", "defaultRequest"):
            if item.get(field):
                out.append(forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'"))
            continue
        for name, value in (item.get(field) or {}).items():
            out += _name(name, kind, f"{path}.{field}[{name}]")
            values.setdefault(name, {})[field] = str(value)
    if kind == "PersistentVolumeClaim" and not {"min", "max"} & set(values.get("storage", ())):
        words = "either minimum or maximum storage value is required, but neither was provided"
        out.append(required(f"{path}.limits", words))
    for name in sorted(values):
        out += _consistent(name, values[name], path)
    return out


def _name(name: str, kind: str, path: str) -> list[FieldError]:
    out = quotaresources.resource_name(name, path)
    if kind not in ("Pod", "Container"):
        return out
    return out + [e for e in resources.container_resource_name(name, path) if e not in out]


def _consistent(name: str, texts: dict[str, str], path: str) -> list[FieldError]:
    """The bounds and defaults of one resource fit each other."""
    out: list[FieldError] = []
    numbers = {field: quantity.parse(text) for field, text in texts.items()}
    for field, low, high, words in _ORDER:
        if low in numbers and high in numbers and numbers[low] > numbers[high]:
            shown = texts[_SHOWN.get((field, low), field)]
            out.append(invalid(f"{path}.{field}[{name}]", shown, words.format(texts[low], texts[high])))
    if "maxLimitRequestRatio" in numbers:
        out += _ratio(numbers, texts["maxLimitRequestRatio"], f"{path}.maxLimitRequestRatio[{name}]")
    limit, request = numbers.get("default"), numbers.get("defaultRequest")
    if None not in (limit, request) and limit != request and not quotaresources.may_overcommit(name):
        shown = texts["defaultRequest"]
        words = f"default value {texts['default']} must equal to defaultRequest value {shown} in {name}"
        out.append(invalid(f"{path}.defaultRequest[{name}]", shown, words))
    return out


def _ratio(numbers: dict[str, Decimal], text: str, path: str) -> list[FieldError]:
    ratio, low, high = numbers["maxLimitRequestRatio"], numbers.get("min"), numbers.get("max")
    out = [invalid(path, text, f"ratio {text} is less than 1")] if ratio < 1 else []
    if low and high is not None and ratio > high / low:
        out.append(invalid(path, text, f"ratio {text} is greater than max/min = {high / low:.6f}"))
    return out
