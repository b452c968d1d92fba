"""Rules for the security contexts of pods and containers. Source: pkg/apis/core/validation."""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required
from kubette.apiserver.registry import checks

Object = dict[str, Any]
_ID = "must be between 0 and 2147483647, inclusive"
_SECCOMP = ("Localhost", "RuntimeDefault", "Unconfined")


def _id(value: int | None, path: str) -> list[FieldError]:
    return [invalid(path, value, _ID)] if value is not None and not 0 <= value <= 2147483647 else []


def _seccomp(context: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for field in ("seccompProfile", "appArmorProfile"):
        profile = context.get(field)
        if profile is None:
            continue
        at = f"{path}.{field}"
        out += checks.one_of(profile.get("type"), _SECCOMP, f"{at}.type")
        local = profile.get("localhostProfile")
        if profile.get("type") == "Localhost":
            if not local:
                words = "must be set when seccomp type is Localhost"
                out.append(required(f"{at}.localhostProfile", words))
        elif local is not None:
            words = "can only be set when seccomp type is Localhost"
            out.append(invalid(f"{at}.localhostProfile", local, words))
    return out


def container(context: Object | None, path: str) -> list[FieldError]:
    """A container's ``securityContext``."""
    if not context:
        return []
    out = _id(context.get("runAsUser"), f"{path}.runAsUser")
    out += _id(context.get("runAsGroup"), f"{path}.runAsGroup")
    proc = context.get("procMount")
    out += checks.if_set(proc, ("Default", "Unmasked"), f"{path}.procMount")
    out += _seccomp(context, path)
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            words = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            out.append(invalid(path, context, words))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            words = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            out.append(invalid(path, context, words))
    return out


def pod(spec: Object, path: str) -> list[FieldError]:
    """The pod's ``securityContext`` and the namespaces of the host that it uses."""
    context, at = spec.get("securityContext") or {}, f"{path}.securityContext"
    out: list[FieldError] = []
    for field in ("runAsUser", "runAsGroup", "fsGroup"):
        out += _id(context.get(field), f"{at}.{field}")
    for i, group in enumerate(context.get("supplementalGroups") or ()):
        out += _id(group, f"{at}.supplementalGroups[{i}]")
    out += _seccomp(context, at)
    policy = context.get("fsGroupChangePolicy")
    out += checks.if_set(policy, ("Always", "OnRootMismatch"), f"{at}.fsGroupChangePolicy")
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        words = "ShareProcessNamespace and HostPID cannot both be enabled"
        out.append(invalid(f"{at}.shareProcessNamespace", True, words))
    seen: set[str] = set()
    for i, sysctl in enumerate(context.get("sysctls") or ()):
        where, name = f"{at}.sysctls[{i}].name", (sysctl.get("name") or "").replace("/", ".")
        if not name:
            out.append(required(where))
        elif name in seen:
            out.append(duplicate(where, name))
        elif spec.get("hostNetwork") and name.startswith("net."):
            out.append(invalid(where, name, "may not be specified when 'hostNetwork' is true"))
        elif spec.get("hostIPC") and name.startswith(("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")):
            out.append(invalid(where, name, "may not be specified when 'hostIPC' is true"))
        seen.add(name)
    if spec.get("hostUsers") is False and (spec.get("hostPID") or spec.get("hostIPC")):
        out.append(forbidden(f"{path}.hostUsers", "must not be false when a host namespace is used"))
    return out
