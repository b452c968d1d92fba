"""Rules for resource lists: names, signs, requests against limits; and what they make of a pod's QoS.

Source: pkg/apis/core/validation (ValidateContainerResourceRequirements, validatePodResources),
pkg/apis/core/helper and pkg/apis/core/v1/helper/qos. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from kubette.api import names, quantity
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, not_found_value, required, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.checks import NON_NEGATIVE
from kubette.apiserver.registry.objectmeta import qualified_name_errors

Object = dict[str, Any]
Amounts = dict[str, Decimal]
_CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
_QUOTA = ("cpu", "memory", "ephemeral-storage", "storage")
#: Names without a prefix that some object of the API may use.
_STANDARD = frozenset(
    {
        *_CONTAINER, "storage", "pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
        "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
        *(f"requests.{r}" for r in _QUOTA), *(f"limits.{r}" for r in _CONTAINER),
    }
)  # fmt: skip
_HUGE = "hugepages-"
_POD_LEVEL = ("cpu", "hugepages-", "memory")
#: Those that QoS looks at.
_QOS = ("cpu", "memory")


def container_resource_name(name: str, path: str) -> list[FieldError]:
    """Standard names, hugepages, or a fully qualified extended resource."""
    if name in _CONTAINER:
        return []
    out = _resource_name(name, path)
    if "/" not in name:
        if not name.startswith(_HUGE):
            out.append(invalid(path, name, "must be a standard resource for containers"))
    elif not native(name) and not extended(name):
        out.append(invalid(path, name, "doesn't follow extended resource name standard"))
    return out


def pod_resource_name(name: str, path: str) -> list[FieldError]:
    """What a whole pod may ask for."""
    if name in _QOS or name.startswith(_HUGE):
        return []
    return _resource_name(name, path) or [unsupported(path, name, _POD_LEVEL)]


def _resource_name(name: str, path: str) -> list[FieldError]:
    out = [invalid(path, name, m) for m in qualified_name_errors(name)]
    if not out and "/" not in name and name not in _STANDARD and not name.startswith((_HUGE, f"requests.{_HUGE}")):
        out.append(invalid(path, name, "must be a standard resource type or fully qualified"))
    return out


def native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def extended(name: str) -> bool:
    if native(name) or name.startswith("requests."):
        return False
    return not qualified_name_errors(f"requests.{name}")


def overcommit_allowed(name: str) -> bool:
    """Whether a request may be less than its limit."""
    return native(name) and not name.startswith(_HUGE)


def amount(name: str, value: Any, path: str) -> list[FieldError]:
    """Not negative; whole numbers for what comes in pieces."""
    parsed = quantity.parse(str(value))
    out = [invalid(path, quantity.canonical(str(value)), NON_NEGATIVE)] if parsed < 0 else []
    if parsed != parsed.to_integral_value() and extended(name) and quantity.to_milli(str(value)) % 1000:
        out.append(invalid(path, quantity.canonical(str(value)), "must be an integer"))
    return out


def requirements(
    resources: Object,
    path: str,
    claims: frozenset[str] = frozenset(),
    rule: Callable[[str, str], list[FieldError]] = container_resource_name,
) -> list[FieldError]:
    """The ``resources`` of a container, or of a pod by another ``rule`` for names."""
    out: list[FieldError] = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, values in (("limits", limits), ("requests", requests)):
        for name, value in values.items():
            at = f"{path}.{field}[{name}]"
            out += rule(name, at) + amount(name, value, at)
            if field == "requests":
                out += _within(name, value, limits.get(name), path)
            if name.startswith(_HUGE):
                out += _pages(name, value, at)
    named = {*limits, *requests}
    if any(n.startswith(_HUGE) for n in named) and named.isdisjoint(_QOS):
        out.append(forbidden(path, "HugePages require cpu or memory"))
    if wanted := resources.get("claims"):
        out += _claims(wanted, claims, f"{path}.claims")
    return out


def _within(name: str, request: Any, limit: Any, path: str) -> list[FieldError]:
    whole = not overcommit_allowed(name)
    if limit is None:
        return [required(f"{path}.limits", "Limit must be set for non overcommitable resources")] if whole else []
    asked, most = quantity.parse(str(request)), quantity.parse(str(limit))
    if (whole and asked == most) or (not whole and asked <= most):
        return []
    relation = "equal to" if whole else "less than or equal to"
    words = f"must be {relation} {name} limit of {quantity.canonical(str(limit))}"
    return [invalid(f"{path}.requests", quantity.canonical(str(request)), words)]


def _pages(name: str, value: Any, path: str) -> list[FieldError]:
    """Huge pages come whole."""
    try:
        size = quantity.parse(name.removeprefix(_HUGE))
    except ValueError:
        size = Decimal(0)
    if size > 0 and size == size.to_integral_value() and quantity.to_int(str(value)) % int(size) == 0:
        return []
    shown = quantity.canonical(str(value))
    return [invalid(path, shown, f"{shown} is not positive integer multiple of {name}")]


def _claims(wanted: list[Object], claims: frozenset[str], path: str) -> list[FieldError]:
    """References to the pod's resourceClaims."""
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, claim in enumerate(wanted):
        at, name, request = f"{path}[{i}]", claim.get("name") or "", claim.get("request") or ""
        if not name:
            out.append(required(at))
            continue
        if name in seen:
            out.append(duplicate(at, name))
        else:
            key = f"{name}/{request}" if request else name
            if request:
                out += checks.named(names.dns1123_label, f"{at}.request", request)
            if key in seen:
                out.append(duplicate(at, key))
            elif not request:
                out += [duplicate(at, name) for other in seen if other.partition("/")[0] == name and "/" in other]
            seen.add(key)
        if name not in claims:
            known = f": {', '.join(sorted(claims))}" if claims else " which is empty"
            words = f"must be one of the names in pod.spec.resourceClaims{known}"
            out.append(not_found_value(at, name, words))
    return out


# ---- the resources of a pod as a whole


def of_pod(spec: Object, path: str, claims: frozenset[str]) -> list[FieldError]:
    """``spec.resources``, alone and against what the containers ask for."""
    own = spec.get("resources")
    if own is None:
        return []
    if (spec.get("os") or {}).get("name") == "windows":
        return [forbidden(path, "may not be set for a windows pod")]
    out: list[FieldError] = []
    if own.get("claims") is not None:
        out.append(forbidden(f"{path}.claims", "claims may not be set for Resources at pod-level"))
    out += requirements(own, path, claims, pod_resource_name)
    limits, requests = own.get("limits") or {}, own.get("requests") or {}
    for name, total in aggregate(spec, "requests").items():
        if name in requests and total > quantity.parse(str(requests[name])):
            words = f"must be greater than or equal to aggregate container requests of {shown(total)}"
            out.append(invalid(f"{path}.requests[{name}]", quantity.canonical(str(requests[name])), words))
    for name, total in aggregate(spec, "limits").items():
        if name.startswith(_HUGE) and name in limits and total > quantity.parse(str(limits[name])):
            words = f"must be greater than or equal to aggregate container limits of {shown(total)}"
            out.append(invalid(f"{path}.limits[{name}]", quantity.canonical(str(limits[name])), words))
    for i, c in enumerate(spec.get("containers") or ()):
        for name, limit in ((c.get("resources") or {}).get("limits") or {}).items():
            if name in limits and quantity.parse(str(limit)) > quantity.parse(str(limits[name])):
                words = f"must be less than or equal to pod limits of {quantity.canonical(str(limits[name]))}"
                at = f"{path}.containers[{i}][{name}].limits"
                out.append(invalid(at, quantity.canonical(str(limit)), words))
    return out


def aggregate(spec: Object, field: str) -> Amounts:
    """What all containers need at the same time, at most: init containers run one by one beside sidecars."""
    total: Amounts = {}
    for c in spec.get("containers") or ():
        _add(total, _amounts(c, field))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for c in spec.get("initContainers") or ():
        mine = _amounts(c, field)
        if c.get("restartPolicy") == "Always":
            _add(total, mine)
            _add(sidecars, mine)
            mine = dict(sidecars)
        else:
            _add(mine, sidecars)
        for name, value in mine.items():
            peak[name] = max(value, peak.get(name, value))
    return {n: max(total.get(n, Decimal(0)), peak.get(n, Decimal(0))) for n in (*total, *peak)}


def _amounts(container: Object, field: str) -> Amounts:
    values = (container.get("resources") or {}).get(field) or {}
    return {name: quantity.parse(str(value)) for name, value in values.items()}


def _add(total: Amounts, more: Amounts) -> None:
    for name, value in more.items():
        total[name] = total.get(name, Decimal(0)) + value


def shown(value: Decimal) -> str:
    return quantity.canonical(f"{value:f}")


# ---- QoS


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
