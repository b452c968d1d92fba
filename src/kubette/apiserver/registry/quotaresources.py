"""Names of resources that quotas and limit ranges speak of. Source: pkg/apis/core/{helper,validation}. Pure."""

from __future__ import annotations

from typing import Any

from kubette.api import names, quantity
from kubette.api.errors import FieldError, invalid
from kubette.apiserver.registry.checks import NON_NEGATIVE
from kubette.apiserver.registry.objectmeta import qualified_name_errors

_COMPUTE = tuple(
    f"{kind}{name}" for kind in ("", "requests.", "limits.") for name in ("cpu", "memory", "ephemeral-storage")
)
_COUNTED = (
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
)  # fmt: skip
QUOTA = frozenset({*_COMPUTE, *_COUNTED, "requests.storage"})
_STANDARD = QUOTA | {"storage"}


def is_quota_name(name: str) -> bool:
    return name in QUOTA or name.startswith(("hugepages-", "requests.hugepages-"))


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    if is_native(name) or name.startswith("requests."):
        return False
    return not names.qualified_name(f"requests.{name}")


def may_overcommit(name: str) -> bool:
    return is_native(name) and not name.startswith("hugepages-")


def resource_name(name: str, path: str) -> list[FieldError]:
    """A standard resource, or one with a prefix."""
    if out := [invalid(path, name, m) for m in qualified_name_errors(name)]:
        return out
    if "/" not in name and name not in _STANDARD and not is_quota_name(name):
        return [invalid(path, name, "must be a standard resource type or fully qualified")]
    return []


def quota_name(name: str, path: str) -> list[FieldError]:
    out = resource_name(name, path)
    if "/" not in name and not is_quota_name(name):
        out.append(invalid(path, name, "must be a standard resource for quota"))
    return out


def amount(name: str, value: Any, path: str) -> list[FieldError]:
    """Not negative, and whole where things are counted."""
    parsed = quantity.parse(str(value))
    out = [invalid(path, str(value), NON_NEGATIVE)] if parsed < 0 else []
    if (name in _COUNTED or is_extended(name)) and parsed != parsed.to_integral_value():
        out.append(invalid(path, str(value), "must be an integer"))
    return out
