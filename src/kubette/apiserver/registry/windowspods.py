"""Rules for pods of one operating system, most of them about what a Windows pod may not ask for.

Source: pkg/apis/core/validation (validateOS, validateLinux, validateWindows, validateWindowsSecurityContextOptions,
validateWindowsHostProcessPod).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import checks

Object = dict[str, Any]
_SYSTEMS = ("linux", "windows")
_NOT_WINDOWS = "cannot be set for a windows pod"
_POD_CONTEXT = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser",
    "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
_CONTAINER_CONTEXT = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_MAX_SPEC_KIB, _MAX_DOMAIN, _MAX_USER = 64, 256, 104
_control = re.compile(r"[\x00-\x1f\x7f]").search
_net_bios = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}').fullmatch
_DOMAIN_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_domain = re.compile(rf"{_DOMAIN_LABEL}(?:\.{_DOMAIN_LABEL})*").fullmatch
_bad_in_user = re.compile(r'["/\\:;|=,+*?<>@\[\]]').search


def validate(spec: Object, path: str) -> list[FieldError]:
    """``spec.os`` and what follows from it."""
    out = _host_process(spec, path)
    system = spec.get("os")
    if system is None:
        return out
    name = system.get("name") or ""
    if not name:
        return [*out, required(f"{path}.os.name")]
    if name not in _SYSTEMS:
        return [*out, unsupported(f"{path}.os", name, _SYSTEMS)]
    return out + (_linux(spec, path) if name == "linux" else _windows(spec, path))


def _contexts(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    """The security contexts of the containers."""
    for field in _CONTAINERS:
        for i, c in enumerate(spec.get(field) or ()):
            yield c.get("securityContext") or {}, f"{path}.{field}[{i}].securityContext"


def _linux(spec: Object, path: str) -> list[FieldError]:
    own = (spec.get("securityContext") or {}, f"{path}.securityContext")
    words = "windows options cannot be set for a linux pod"
    return [
        forbidden(f"{at}.windowsOptions", words)
        for context, at in (own, *_contexts(spec, path)) if context.get("windowsOptions") is not None
    ]  # fmt: skip


def _windows(spec: Object, path: str) -> list[FieldError]:
    own, at = spec.get("securityContext") or {}, f"{path}.securityContext"
    out = [forbidden(f"{at}.{f}", _NOT_WINDOWS) for f in _POD_CONTEXT if own.get(f) not in (None, [])]
    for field in ("hostUsers", "shareProcessNamespace"):
        if spec.get(field) is not None:
            out.append(forbidden(f"{path}.{field}", _NOT_WINDOWS))
    out += [forbidden(f"{path}.{f}", _NOT_WINDOWS) for f in ("hostPID", "hostIPC") if spec.get(f)]
    for context, where in _contexts(spec, path):
        out += [forbidden(f"{where}.{f}", _NOT_WINDOWS) for f in _CONTAINER_CONTEXT if context.get(f) is not None]
    return out


def _host_process(spec: Object, path: str) -> list[FieldError]:
    """Host process containers: all or none, and in the host's network."""
    of_pod = ((spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    count = hosts = 0
    out: list[FieldError] = []
    for context, at in _contexts(spec, path):
        own = (context.get("windowsOptions") or {}).get("hostProcess")
        count += 1
        hosts += bool(of_pod if own is None else own)
        if of_pod is not None and own is not None and own != of_pod:
            shown = "true" if of_pod else "false"
            words = f"pod hostProcess value must be identical if both are specified, was {shown}"
            out.append(invalid(f"{at}.windowsOptions.hostProcess", own, words))
    if not hosts:
        return out
    if hosts != count:
        words = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        out.append(invalid(path, "", words))
    if not spec.get("hostNetwork"):
        words = "hostNetwork must be true if pod contains any hostProcess containers"
        out.append(invalid(f"{path}.hostNetwork", False, words))
    return out


def options(value: Object | None, path: str) -> list[FieldError]:
    """WindowsSecurityContextOptions."""
    if value is None:
        return []
    out: list[FieldError] = []
    if (name := value.get("gmsaCredentialSpecName")) is not None:
        out += checks.named(names.dns1123_subdomain, f"{path}.gmsaCredentialSpecName", name)
    if (credentials := value.get("gmsaCredentialSpec")) is not None:
        at = f"{path}.gmsaCredentialSpec"
        if not credentials:
            out.append(invalid(at, credentials, "gmsaCredentialSpec cannot be an empty string"))
        elif len(credentials.encode()) > _MAX_SPEC_KIB * 1024:
            words = f"gmsaCredentialSpec size must be under {_MAX_SPEC_KIB} KiB"
            out.append(invalid(at, credentials, words))
    if (user := value.get("runAsUserName")) is not None:
        out += [invalid(f"{path}.runAsUserName", user, words) for words in _user_name(user)]
    return out


def _user_name(value: str) -> Iterator[str]:
    """Why ``DOMAIN\\USER`` is none."""
    if not value:
        yield "runAsUserName cannot be an empty string"
        return
    if _control(value):
        yield "runAsUserName cannot contain control characters"
        return
    *domains, user = value.split("\\")
    if len(domains) > 1:
        yield "runAsUserName cannot contain more than one backslash"
        return
    for domain in domains:
        if len(domain.encode()) >= _MAX_DOMAIN:
            yield f"runAsUserName's Domain length must be under {_MAX_DOMAIN} characters"
        if not (_net_bios(domain) or _domain(domain)):
            yield "runAsUserName's Domain doesn't match the NetBios nor the DNS format"
    if not user:
        yield "runAsUserName's User cannot be empty"
    elif len(user.encode()) > _MAX_USER:
        yield f"runAsUserName's User length must not be longer than {_MAX_USER} characters"
    if user and not user.strip(". "):
        yield "runAsUserName's User cannot contain only periods or spaces"
    if _bad_in_user(user):
        yield 'runAsUserName\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]'
