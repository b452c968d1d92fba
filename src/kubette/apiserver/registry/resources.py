"""Rules for resource lists: names, signs, requests against limits; and what they make of a pod's QoS.

Source: pkg/apis/core/validation (ValidateContainerResourceName, ValidateResourceRequirements) and
pkg/apis/core/v1/helper/qos. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubette.api import quantity
from kubette.api.errors import FieldError, invalid
from kubette.apiserver.registry.checks import NON_NEGATIVE
from kubette.apiserver.registry.objectmeta import qualified_name_errors

Object = dict[str, Any]
_CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
#: Those that QoS looks at.
_QOS = ("cpu", "memory")


def container_resource_name(name: str, path: str) -> list[FieldError]:
    """Standard names, hugepages, or a fully qualified extended resource."""
    out = [invalid(path, name, m) for m in qualified_name_errors(name)]
    if out:
        return out
    if "/" not in name:
        if name not in _CONTAINER and not name.startswith("hugepages-"):
            return [invalid(path, name, "must be a standard resource for containers")]
    elif not _extended(name) and not name.startswith("kubernetes.io/"):
        return [invalid(path, name, "doesn't follow extended resource name standard")]
    return []


def _extended(name: str) -> bool:
    prefix = name.partition("/")[0]
    return bool(prefix) and not name.startswith("requests.") and not prefix.endswith("kubernetes.io")


def amount(name: str, value: Any, path: str) -> list[FieldError]:
    """Not negative; whole numbers for what comes in pieces."""
    parsed = quantity.parse(str(value))
    out = [invalid(path, str(value), NON_NEGATIVE)] if parsed < 0 else []
    if _extended(name) and "/" in name and parsed != parsed.to_integral_value():
        out.append(invalid(path, str(value), "must be an integer"))
    return out


def requirements(resources: Object, path: str) -> list[FieldError]:
    """A container's ``resources``."""
    out: list[FieldError] = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, values in (("limits", limits), ("requests", requests)):
        for name, value in values.items():
            at = f"{path}.{field}[{name}]"
            out += container_resource_name(name, at)
            out += amount(name, value, at)
            if field == "requests" and name in limits:
                out += _within(name, value, limits[name], f"{path}.requests")
            elif field == "requests" and (_pieces(name)):
                out.append(invalid_required(at))
    return out


def _pieces(name: str) -> bool:
    """Resources that cannot be overcommitted: the request is the limit."""
    return name.startswith("hugepages-") or ("/" in name and _extended(name))


def invalid_required(path: str) -> FieldError:
    return FieldError("FieldValueRequired", path, "Limit must be set for non overcommitable resources")


def _within(name: str, request: Any, limit: Any, path: str) -> list[FieldError]:
    asked, most = quantity.parse(str(request)), quantity.parse(str(limit))
    if _pieces(name):
        if asked != most:
            return [invalid(path, str(request), f"must be equal to {name} limit of {limit}")]
    elif asked > most:
        return [invalid(path, str(request), f"must be less than or equal to {name} limit of {limit}")]
    return []


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort."""
    lists = list(_of_pod(spec))
    requests = [r for r, _ in lists]
    limits = [m for _, m in lists]
    if not any(requests) and not any(limits):
        return "BestEffort"
    guaranteed = all(len(m) == len(_QOS) for m in limits)
    if guaranteed and all(r.get(n, m[n]) == m[n] for r, m in lists for n in _QOS):
        return "Guaranteed"
    return "Burstable"


def _of_pod(spec: Object) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Positive cpu and memory requests and limits: the pod's own when it has any, else by container."""
    own = spec.get("resources") or {}
    holders = [own] if own.get("requests") or own.get("limits") else [
        c.get("resources") or {} for c in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    ]  # fmt: skip
    for resources in holders:
        yield _positive(resources.get("requests")), _positive(resources.get("limits"))


def _positive(values: Object | None) -> dict[str, Any]:
    found = {n: quantity.parse(str(v)) for n, v in (values or {}).items() if n in _QOS}
    return {n: v for n, v in found.items() if v > 0}
