"""Annotations that say something of a pod: mirror pods, deletion cost, and security profiles of before their fields.

Source: pkg/apis/core/validation (ValidatePodSpecificAnnotations and its kin) and pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from kubette.api.errors import FieldError, forbidden, invalid
from kubette.apiserver.registry import checks, scheduling, securitycontext
from kubette.apiserver.registry.podwarnings import APPARMOR, APPARMOR_WORDS, apparmor_field

Object = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"
_COST = "controller.kubernetes.io/pod-deletion-cost"
_TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_SECCOMP_VALUES = ("runtime/default", "docker/default", "unconfined")
_cost = re.compile(r"0|-?[1-9][0-9]*", re.ASCII).fullmatch
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
#: Type of a profile's field → the annotation's values that say the same.
_SAME_SECCOMP: dict[str, tuple[str, ...]] = {
    "Unconfined": ("unconfined",),
    "RuntimeDefault": ("runtime/default", "docker/default"),
}
_SAME_APPARMOR: dict[str, tuple[str, ...]] = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default",)}


def validate(annotations: Object, spec: Object, path: str) -> list[FieldError]:
    """The annotations of a pod or template; ``path`` is that of the annotations."""
    out: list[FieldError] = []
    if (value := annotations.get(MIRROR)) is not None and not spec.get("nodeName"):
        words = "must set spec.nodeName if mirror pod annotation is set"
        out.append(invalid(f"{path}[{MIRROR}]", value, words))
    if value := annotations.get(_TOLERATIONS):
        out += _tolerations(value, path)
    if (value := annotations.get(_COST)) is not None and not (
        len(value) < 12 and _cost(value) and -(2**31) <= int(value) < 2**31
    ):
        out.append(invalid(f"{path}[{_COST}]", value, "must be a 32bit integer"))
    for key, value in annotations.items():
        if key == _SECCOMP_POD or key.startswith(_SECCOMP_CONTAINER):
            out += _seccomp(value, f"{path}.{key}")
        elif key.startswith(APPARMOR):
            out += _apparmor(key, value, spec, f"{path}[{key}]")
    return out


def _tolerations(value: str, path: str) -> list[FieldError]:
    try:
        found = json.loads(value)
        if not isinstance(found, list) or not all(isinstance(t, dict) for t in found):
            raise ValueError("json: cannot unmarshal into Go value of type []core.Toleration")
        return scheduling.tolerations(found, f"{path}.{_TOLERATIONS}")
    except (ValueError, TypeError, AttributeError) as e:
        return [invalid(path, _TOLERATIONS, str(e))]


def _seccomp(value: str, path: str) -> list[FieldError]:
    if value in _SECCOMP_VALUES:
        return []
    if value.startswith("localhost/"):
        return checks.descending_path(value.removeprefix("localhost/"), path)
    return [invalid(path, value, "must be a valid seccomp profile")]


def _apparmor(key: str, value: str, spec: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    container = key.removeprefix(APPARMOR)
    if all(c.get("name") != container for _, c in _containers(spec)):
        out.append(invalid(path, container, "container not found"))
    if value not in ("", "runtime/default", "unconfined") and not value.startswith("localhost/"):
        out.append(invalid(path, value, f'invalid AppArmor profile name: "{value}"'))
    return out


def _containers(spec: Object) -> Iterator[tuple[str, Object]]:
    for field in _CONTAINERS:
        for i, c in enumerate(spec.get(field) or ()):
            yield f"{field}[{i}]", c


def matches_fields(annotations: Object, spec: Object, path: str) -> list[FieldError]:
    """Where a new pod has both an annotation and the field that replaces it, both say the same."""
    if not any(k.startswith((_SECCOMP_POD, _SECCOMP_CONTAINER, APPARMOR)) for k in annotations):
        return []
    own = spec.get("securityContext") or {}
    out: list[FieldError] = []
    if _SECCOMP_POD in annotations and (profile := own.get("seccompProfile")) is not None:
        at = f"{path}.securityContext.seccompProfile"
        out += _same(annotations[_SECCOMP_POD], profile, at, "seccomp", _SAME_SECCOMP)
    for where, c in _containers(spec):
        context, at = c.get("securityContext") or {}, f"{path}.{where}.securityContext"
        value, profile = annotations.get(_SECCOMP_CONTAINER + (c.get("name") or "")), context.get("seccompProfile")
        if value is not None and profile is not None:
            out += _same(value, profile, f"{at}.seccompProfile", "seccomp", _SAME_SECCOMP)
        value, profile = annotations.get(APPARMOR + (c.get("name") or "")), context.get("appArmorProfile")
        profile = profile or own.get("appArmorProfile")
        if value is not None and profile is not None and (spec.get("os") or {}).get("name") != "windows":
            out += _same(value, profile, f"{at}.appArmorProfile", "apparmor", _SAME_APPARMOR)
    return out


def _same(
    value: str, profile: Object, path: str, what: str, values: dict[str, tuple[str, ...]]
) -> list[FieldError]:
    kind = profile.get("type") or ""
    if kind == "Localhost":
        if not value.startswith("localhost/"):
            return [forbidden(f"{path}.type", f"{what} type in annotation and field must match")]
        if value.removeprefix("localhost/") != profile.get("localhostProfile"):
            return [forbidden(f"{path}.localhostProfile", f"{what} profile in annotation and field must match")]
    elif kind in values and value not in values[kind]:
        return [forbidden(f"{path}.type", f"{what} type in annotation and field must match")]
    return []


def update(new: Object, old: Object, path: str) -> list[FieldError]:
    """Of a pod that is there: AppArmor's and the mirror's annotations stay as they are."""
    out: list[FieldError] = []
    for key, value in old.items():
        if new.get(key) != value:
            if key.startswith(APPARMOR):
                out.append(forbidden(f"{path}[{key}]", "may not remove or update AppArmor annotations"))
            elif key == MIRROR:
                out.append(forbidden(f"{path}[{key}]", "may not remove or update mirror pod annotation"))
    for key in new:
        if key not in old and key.startswith(APPARMOR):
            out.append(forbidden(f"{path}[{key}]", "may not add AppArmor annotations"))
        elif key not in old and key == MIRROR:
            out.append(forbidden(f"{path}[{key}]", "may not add mirror pod annotation"))
    return out


def apparmor_fields(pod: Object) -> list[str]:
    """Write the fields that AppArmor annotations of a new pod stand for. Return the warnings."""
    annotations, spec = (pod.get("metadata") or {}).get("annotations") or {}, pod["spec"]
    out: list[str] = []
    if not any(k.startswith(APPARMOR) for k in annotations) or (spec.get("os") or {}).get("name") == "windows":
        return out
    own = (spec.get("securityContext") or {}).get("appArmorProfile")
    for _, c in _containers(spec):
        key = APPARMOR + (c.get("name") or "")
        if key not in annotations or (c.get("securityContext") or {}).get("appArmorProfile") is not None:
            continue
        profile = apparmor_field(annotations[key])
        if profile is not None and securitycontext.apparmor(profile, ""):
            profile = None
        if profile is not None and profile != own:
            context = c.get("securityContext") or {}
            c["securityContext"] = {**context, "appArmorProfile": profile}
        if profile is None or profile != own:
            out.append(f"metadata.annotations[{key}]: {APPARMOR_WORDS}")
    return out
