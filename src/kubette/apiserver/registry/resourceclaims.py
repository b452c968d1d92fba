"""ResourceClaims and their templates: defaults, requests, and a spec that stays.

Source: pkg/apis/resource/{v1/defaults.go,validation}. CEL selectors are not compiled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, invalid, required, too_long, too_many, unsupported
from kubette.apiserver.registry import checks, storage
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.objectmeta import label_value_errors

Object = dict[str, Any]
_MOST_REQUESTS, _MOST_ALTERNATIVES = 32, 8
_MOST_SELECTORS, _MOST_CONSTRAINTS, MOST_CONFIGS = 32, 32, 32
_LONGEST_EXPRESSION = _LONGEST_PARAMETERS = 10 * 1024
_LONGEST_ID, _MOST_TOLERATIONS = 32, 16
EFFECTS = ("NoExecute", "NoSchedule", "None")
_OPERATORS = ("Equal", "Exists")
_NO_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
_ONE_ATTRIBUTE = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
#: Errors of a value at a path.
Rule = Callable[[Any, str], list[FieldError]]
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
        for toleration in asked.get("tolerations") or ():
            toleration["operator"] = toleration.get("operator") or "Equal"


def validate_spec(spec: Object, path: str) -> list[FieldError]:
    path, devices = f"{path}.devices", spec.get("devices") or {}
    known = _request_names(spec)

    def constraint(value: Object, at: str) -> list[FieldError]:
        return _references(value, at, known) + _constraint(value, at)

    def config(value: Object, at: str) -> list[FieldError]:
        return _references(value, at, known) + configuration(value, at)

    out = _named(_requests(spec), _MOST_REQUESTS, f"{path}.requests", _request)
    out += limited(devices.get("constraints") or [], _MOST_CONSTRAINTS, f"{path}.constraints", constraint)
    return out + limited(devices.get("config") or [], MOST_CONFIGS, f"{path}.config", config)


def limited(values: list[Any], most: int, path: str, rule: Rule) -> list[FieldError]:
    """A list of at most ``most`` items, each of which keeps ``rule``."""
    if len(values) > most:
        return [too_many(path, len(values), most)]
    return [e for i, value in enumerate(values) for e in rule(value, f"{path}[{i}]")]


def _request_names(spec: Object) -> set[str]:
    """The names by which constraints and configuration refer to requests."""
    out: set[str] = set()
    for request in _requests(spec):
        name = request.get("name") or ""
        out |= {name, *(f"{name}/{sub.get('name') or ''}" for sub in request.get("firstAvailable") or ())}
    return out


def _references(value: Object, path: str, known: set[str]) -> list[FieldError]:
    """``requests`` of a constraint or configuration."""
    path, wanted = f"{path}.requests", value.get("requests") or []

    def reference(name: str, at: str) -> list[FieldError]:
        parts = name.split("/")
        if len(parts) > 2:
            return [invalid(at, name, _NO_REQUEST)]
        out = [e for part in parts for e in checks.named(names.dns1123_label, at, part)]
        return out if name in known else [*out, invalid(at, name, _NO_REQUEST)]

    out = limited(wanted, _MOST_REQUESTS, path, reference)
    return out + [duplicate(f"{path}[{i}]", name) for i, name in enumerate(wanted) if name in wanted[:i]]


def _constraint(value: Object, path: str) -> list[FieldError]:
    for field in ("matchAttribute", "distinctAttribute"):
        if (name := value.get(field)) is not None:
            out, at = qualified(name, f"{path}.{field}"), f"{path}.{field}"
            if "/" not in name:
                words = "a fully qualified name must be a domain and a name separated by a slash"
                out.append(invalid(at, name, words))
            return out
    return [required(path, _ONE_ATTRIBUTE)]


def qualified(name: str, path: str) -> list[FieldError]:
    """The name of an attribute or capacity: a C identifier, after a driver's name or without one."""
    parts = name.split("/")
    if len(parts) > 2:
        return []  # as upstream
    out: list[FieldError] = []
    if len(parts) == 2:
        empty = invalid(path, "", "the domain must not be empty")
        out += storage.driver_name(parts[0], path) if parts[0] else [empty]
        if not parts[1]:
            return [*out, invalid(path, "", "the name must not be empty")]
    if len(parts[-1]) > _LONGEST_ID:
        out.append(too_long(path, _LONGEST_ID))
    return out + checks.named(names.c_identifier, path, parts[-1])


def configuration(value: Object, path: str) -> list[FieldError]:
    """What a driver reads: opaque to everybody else, but an object."""
    path, opaque = f"{path}.opaque", value.get("opaque")
    if opaque is None:
        return [required(path)]
    out, parameters = storage.driver_name(opaque.get("driver"), f"{path}.driver"), opaque.get("parameters")
    at = f"{path}.parameters"
    if parameters is None:
        out.append(required(at))
    elif len(json.dumps(parameters, separators=(",", ":"), ensure_ascii=False).encode()) > _LONGEST_PARAMETERS:
        out.append(too_long(at, _LONGEST_PARAMETERS))
    elif not isinstance(parameters, dict):
        out.append(invalid(at, "<value omitted>", "must be a valid JSON object"))
    return out


def selectors(values: list[Object], path: str) -> list[FieldError]:
    return limited(values, _MOST_SELECTORS, path, _selector)


def _selector(selector: Object, path: str) -> list[FieldError]:
    if (cel := selector.get("cel")) is None:
        return [required(f"{path}.cel")]
    expression, at = cel.get("expression") or "", f"{path}.cel.expression"
    if len(expression.encode()) > _LONGEST_EXPRESSION:
        return [too_long(at, _LONGEST_EXPRESSION)]
    words = "compilation failed: ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>'"
    return [] if expression.strip() else [invalid(at, expression, words)]


def _toleration(toleration: Object, path: str) -> list[FieldError]:
    key, operator, value, effect = (toleration.get(f) or "" for f in ("key", "operator", "value", "effect"))
    out = checks.qualified_name(key, f"{path}.key") if key else []
    if operator == "Exists" and value:
        out.append(invalid(f"{path}.value", value, "must be empty for operator `Exists`"))
    elif operator == "Equal":
        out += [invalid(f"{path}.value", value, m) for m in label_value_errors(value)]
    elif operator not in _OPERATORS:
        out.append(unsupported(f"{path}.operator", operator, _OPERATORS))
    if effect and effect not in EFFECTS:
        out.append(unsupported(f"{path}.effect", effect, EFFECTS))
    return out


def _named(values: list[Object], most: int, path: str, rule: Rule) -> list[FieldError]:
    """A list whose items have names of their own."""
    known = [v.get("name") or "" for v in values]

    def item(value: Object, at: str) -> list[FieldError]:
        return checks.named(names.dns1123_label, f"{at}.name", value.get("name") or "") + rule(value, at)

    out = limited(values, most, path, item)
    return out + [duplicate(f"{path}[{i}]", name) for i, name in enumerate(known) if name in known[:i]]


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
    out += selectors(asked.get("selectors") or [], f"{path}.selectors")
    out += limited(asked.get("tolerations") or [], _MOST_TOLERATIONS, f"{path}.tolerations", _toleration)
    if mode == "All" and count:
        out.append(invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'"))
    elif mode == "ExactCount" and count <= 0:
        out.append(invalid(f"{path}.count", count, "must be greater than zero"))
    elif mode not in _MODES:
        out.append(unsupported(f"{path}.allocationMode", mode, _MODES))
    return out
