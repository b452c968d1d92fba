"""Rules for the security contexts of pods and containers, and for the host's namespaces that a pod uses.

Source: pkg/apis/core/validation (ValidateSecurityContext, validatePodSpecSecurityContext, validateHostUsers).
"""

from __future__ import annotations

import re
from typing import Any

from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required, too_long, unsupported
from kubette.apiserver.registry import checks, windowspods

Object = dict[str, Any]
_ID = "must be between 0 and 2147483647, inclusive"
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_MAX_PROFILE = 4095
_MAX_SYSCTL = 253
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"^({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}$"
_sysctl = re.compile(_SYSCTL).match
_IPC_SYSCTLS = frozenset(
    {
        "kernel.sem", "kernel.shm", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
        "kernel.msg", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",
    }
)  # fmt: skip
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def _id(value: int | None, path: str) -> list[FieldError]:
    return [invalid(path, value, _ID)] if value is not None and not 0 <= value <= 2147483647 else []


def _seccomp(profile: Object | None, path: str) -> list[FieldError]:
    if profile is None:
        return []
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    out: list[FieldError] = []
    if not kind:
        out.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    elif kind not in _PROFILES:
        out.append(unsupported(f"{path}.type", kind, _PROFILES))
    if kind == "Localhost":
        if local is None:
            return [*out, required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")]
        return out + checks.descending_path(local, f"{path}.localhostProfile")
    if local is not None:
        words = "can only be set when seccomp type is Localhost"
        out.append(invalid(f"{path}.localhostProfile", profile, words))
    return out


def apparmor(profile: Object | None, path: str) -> list[FieldError]:
    if profile is None:
        return []
    kind, local, at = profile.get("type") or "", profile.get("localhostProfile"), f"{path}.localhostProfile"
    if not kind:
        return [required(f"{path}.type", "type is required when appArmorProfile is set")]
    if kind not in _PROFILES:
        return [unsupported(f"{path}.type", kind, _PROFILES)]
    if kind != "Localhost":
        words = "can only be set when AppArmor type is Localhost"
        return [] if local is None else [invalid(at, local, words)]
    if local is None:
        return [required(at, "must be set when AppArmor type is Localhost")]
    out: list[FieldError] = []
    if local != local.strip():
        out.append(invalid(at, local, "must not be padded with whitespace"))
    elif not local:
        out.append(required(at, "must be set when AppArmor type is Localhost"))
    return [*out, too_long(at, _MAX_PROFILE)] if len(local.encode()) > _MAX_PROFILE else out


def container(context: Object, path: str, *, host_users: bool) -> list[FieldError]:
    """A container's ``securityContext``. ``host_users``: the pod runs in the node's user namespace."""
    out = _id(context.get("runAsUser"), f"{path}.runAsUser")
    out += _id(context.get("runAsGroup"), f"{path}.runAsGroup")
    if (proc := context.get("procMount")) is not None:
        if proc not in ("Default", "Unmasked"):
            out.append(unsupported(f"{path}.procMount", proc, ("Default", "Unmasked")))
        elif host_users and proc == "Unmasked":
            out.append(invalid(f"{path}.procMount", proc, "`hostUsers` must be false to use `Unmasked`"))
    out += _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            words = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            out.append(invalid(path, context, words))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            words = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            out.append(invalid(path, context, words))
    out += windowspods.options(context.get("windowsOptions"), f"{path}.windowsOptions")
    return out + apparmor(context.get("appArmorProfile"), f"{path}.appArmorProfile")


def pod(spec: Object, path: str) -> list[FieldError]:
    """The pod's ``securityContext`` and the namespaces of the host that it uses."""
    context, at = spec.get("securityContext") or {}, f"{path}.securityContext"
    out: list[FieldError] = []
    if context:
        out += _pod_context(context, spec, at)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        words = "ShareProcessNamespace and HostPID cannot both be enabled"
        out.append(invalid(f"{at}.shareProcessNamespace", True, words))
    return out + (_user_namespace(spec, path) if spec.get("hostUsers") is False else [])


def _pod_context(context: Object, spec: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        out += _id(context.get(field), f"{path}.{field}")
    for i, group in enumerate(context.get("supplementalGroups") or ()):
        out += _id(group, f"{path}.supplementalGroups[{i}]")
    if sysctls := context.get("sysctls"):
        out += _sysctls(sysctls, spec, f"{path}.sysctls")
    for field, allowed in (
        ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", ("Merge", "Strict")),
        ("seLinuxChangePolicy", ("Recursive",)),
    ):
        value = context.get(field)
        if value is not None and value not in allowed:
            out.append(unsupported(f"{path}.{field}", value, allowed))
    out += _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    out += windowspods.options(context.get("windowsOptions"), f"{path}.windowsOptions")
    return out + apparmor(context.get("appArmorProfile"), f"{path}.appArmorProfile")


def _sysctls(sysctls: list[Object], spec: Object, path: str) -> list[FieldError]:
    """Names as the kernel has them, each once, and none that would change the host."""
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, sysctl in enumerate(sysctls):
        at, name = f"{path}[{i}].name", sysctl.get("name") or ""
        if not name:
            out.append(required(at))
        elif len(name) > _MAX_SYSCTL or not _sysctl(name):
            words = f"must have at most {_MAX_SYSCTL} characters and match regex {_SYSCTL}"
            out.append(invalid(at, name, words))
        elif name in seen:
            out.append(duplicate(at, name))
        dotted = _dotted(name)
        if spec.get("hostNetwork") and dotted.startswith("net."):
            out.append(invalid(at, name, "may not be specified when 'hostNetwork' is true"))
        elif spec.get("hostIPC") and (dotted in _IPC_SYSCTLS or dotted.startswith("fs.mqueue.")):
            out.append(invalid(at, name, "may not be specified when 'hostIPC' is true"))
        seen.add(name)
    return out


def _dotted(name: str) -> str:
    """A name with slashes between its parts, written with dots; dots within parts become slashes."""
    first = next((c for c in name if c in "./"), ".")
    return name if first == "." else name.translate({ord("."): "/", ord("/"): "."})


def _user_namespace(spec: Object, path: str) -> list[FieldError]:
    """A pod with users of its own shares no other namespace with its host."""
    words = "when `hostUsers` is false"
    fields = (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC"))
    out = [forbidden(f"{path}.{shown}", words) for field, shown in fields if spec.get(field)]
    for field in _CONTAINERS:
        for i, c in enumerate(spec.get(field) or ()):
            if c.get("volumeDevices"):
                out.append(forbidden(f"{path}.{field}[{i}].volumeDevices", words))
    return out
