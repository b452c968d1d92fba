"""ResourceClaims and their templates: defaults, requests, and a spec that stays.

Source: pkg/apis/resource/{v1/defaults.go,validation}. Constraints, configuration and CEL selectors are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, invalid, required, too_many, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_MOST_REQUESTS, _MOST_ALTERNATIVES = 32, 8
_MODES = ("All", "ExactCount")
_ONE_OF = "exactly one of `exactly` or `firstAvailable` is required"


class ResourceClaims(Strategy):
    def default(self, obj: Object) -> None:
        default_spec(self._spec(obj))

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return validate_spec(self._spec(obj), self._path)

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return [] if ctx.subresource else checks.immutable(new.get("spec"), old.get("spec"), "spec")

    _path = "spec"

    def _spec(self, obj: Object) -> Object:
        return obj.get("spec") or {}


class ResourceClaimTemplates(ResourceClaims):
    _path = "spec.spec"

    def _spec(self, obj: Object) -> Object:
        return (obj.get("spec") or {}).get("spec") or {}


def _requests(spec: Object) -> list[Object]:
    return (spec.get("devices") or {}).get("requests") or []


def _exact(spec: Object) -> Iterator[Object]:
    """What asks for a number of devices: exact requests and alternatives."""
    for request in _requests(spec):
        if request.get("exactly") is not None:
            yield request["exactly"]
        yield from request.get("firstAvailable") or ()


def default_spec(spec: Object) -> None:
    for asked in _exact(spec):
        asked["allocationMode"] = asked.get("allocationMode") or "ExactCount"
        if asked["allocationMode"] == "ExactCount" and not asked.get("count"):
            asked["count"] = 1


def validate_spec(spec: Object, path: str) -> list[FieldError]:
    return _named(_requests(spec), _MOST_REQUESTS, f"{path}.devices.requests", _request)


def _named(values: list[Object], most: int, path: str, rule: Any) -> list[FieldError]:
    """A list whose items have names of their own."""
    out = [too_many(path, len(values), most)] if len(values) > most else []
    known = [v.get("name") or "" for v in values]
    for i, value in enumerate(values):
        at, name = f"{path}[{i}]", known[i]
        out += checks.named(names.dns1123_label, f"{at}.name", name) if name else [required(f"{at}.name")]
        out += rule(value, at)
        if name and name in known[:i]:
            out.append(duplicate(at, name))
    return out


def _request(request: Object, path: str) -> list[FieldError]:
    exactly, alternatives = request.get("exactly"), request.get("firstAvailable") or []
    if exactly is None and not alternatives:
        return [required(path, _ONE_OF)]
    if exactly is not None and alternatives:
        return [invalid(path, None, f"{_ONE_OF}, but multiple fields are set")]
    if exactly is not None:
        return _asked(exactly, f"{path}.exactly")
    return _named(alternatives, _MOST_ALTERNATIVES, f"{path}.firstAvailable", _asked)


def _asked(asked: Object, path: str) -> list[FieldError]:
    name, mode, count = asked.get("deviceClassName") or "", asked.get("allocationMode") or "", asked.get("count") or 0
    at = f"{path}.deviceClassName"
    out = checks.named(names.dns1123_subdomain, at, name) if name else [required(at)]
    if mode == "All" and count:
        out.append(invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'"))
    elif mode == "ExactCount" and count <= 0:
        out.append(invalid(f"{path}.count", count, "must be greater than zero"))
    elif mode not in _MODES:
        out.append(unsupported(f"{path}.allocationMode", mode, _MODES))
    return out
