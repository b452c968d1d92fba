"""Rules for a container's environment: names, and the sources that values come from.

Source: pkg/apis/core/validation (ValidateEnv, ValidateEnvFrom).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubette.api import names, quantity
from kubette.api.errors import FieldError, invalid, required, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.objectmeta import qualified_name_errors

Object = dict[str, Any]
_ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
#: Fields of a pod, whether or not a place may refer to them.
_POD_FIELDS = frozenset(
    {
        *VOLUME_FIELDS, "spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "spec.schedulerName",
        "status.phase", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
    }
)  # fmt: skip
_RESOURCES = ("limits.cpu", "limits.ephemeral-storage", "limits.memory",
              "requests.cpu", "requests.ephemeral-storage", "requests.memory")  # fmt: skip
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
#: Resource → its divisors, and how messages list them.
_DIVISORS = {
    "cpu": (("1m", "1"), "only divisor's values 1m and 1 are supported with the cpu resource"),
    "memory": (_BYTES, f"only divisor's values {', '.join(_BYTES)} are supported with the memory resource"),
    "ephemeral-storage": (
        _BYTES, f"only divisor's values {', '.join(_BYTES)} are supported with the local ephemeral storage resource"
    ),
    "hugepages": (_BYTES, f"only divisor's values {', '.join(_BYTES)} are supported with the hugepages resource"),
}  # fmt: skip


def env(variables: list[Object], path: str) -> list[FieldError]:
    """``env``."""
    out: list[FieldError] = []
    for i, e in enumerate(variables):
        name = e.get("name") or ""
        if not name:
            out.append(required(f"{path}[{i}].name"))
        elif not name.isidentifier() or not name.isascii():
            out += checks.named(names.env_var_name, f"{path}[{i}].name", name)
        if (source := e.get("valueFrom")) is not None:
            out += _value_from(e, source, f"{path}[{i}].valueFrom")
    return out


def _value_from(e: Object, source: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    given = 0
    for field, check in _SOURCES.items():
        if (ref := source.get(field)) is not None:
            given += 1
            out += check(ref, f"{path}.{field}")
    if not given:
        words = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        out.append(invalid(path, "", words))
    elif e.get("value"):
        out.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif given > 1:
        out.append(invalid(path, "", "may not have more than one field specified at a time"))
    return out


def _key_ref(ref: Object, path: str) -> list[FieldError]:
    """A key of a ConfigMap or Secret. A reference without a name has been possible for too long to end it."""
    out = checks.named(names.dns1123_subdomain, f"{path}.name", ref.get("name") or "")
    key = ref.get("key") or ""
    return out + (checks.named(names.config_map_key, f"{path}.key", key) if key else [required(f"{path}.key")])


def _file_ref(ref: Object, path: str) -> list[FieldError]:
    key, volume, file = ref.get("key") or "", ref.get("volumeName") or "", ref.get("path") or ""
    out = checks.named(names.env_var_name, f"{path}.key", key) if key else [required(f"{path}.key")]
    out += checks.named(names.dns1123_label, f"{path}.volumeName", volume) if volume else [
        required(f"{path}.volumeName")
    ]  # fmt: skip
    return out + (checks.no_backsteps(file, f"{path}.path") if file else [required(f"{path}.path")])


def field_ref(ref: Object, path: str, allowed: tuple[str, ...] = _ENV_FIELDS) -> list[FieldError]:
    """An ObjectFieldSelector; ``metadata.labels['k']`` needs a well-formed key."""
    if not ref.get("apiVersion"):
        return [required(f"{path}.apiVersion")]
    wanted = ref.get("fieldPath") or ""
    if not wanted:
        return [required(f"{path}.fieldPath")]
    if (version := ref["apiVersion"]) != "v1":
        words = f"error converting fieldPath: unsupported pod version: {version}"
        return [invalid(f"{path}.fieldPath", wanted, words)]
    base, bracket, key = wanted.partition("['")
    if bracket and key.endswith("']"):
        key = key[:-2]
        if base == "metadata.annotations":
            return [invalid(path, key.lower(), m) for m in qualified_name_errors(key.lower())]
        if base == "metadata.labels":
            return [invalid(path, key, m) for m in qualified_name_errors(key)]
        words = f"error converting fieldPath: field label does not support subscript: {wanted}"
        return [invalid(f"{path}.fieldPath", wanted, words)]
    if wanted in allowed:
        return []
    if wanted not in _POD_FIELDS:
        words = f"error converting fieldPath: field label not supported: {wanted}"
        return [invalid(f"{path}.fieldPath", wanted, words)]
    return [unsupported(f"{path}.fieldPath", wanted, allowed)]


def resource_ref(ref: Object, path: str, *, volume: bool = False) -> list[FieldError]:
    """A ResourceFieldSelector; in a volume it must name its container."""
    resource = ref.get("resource") or ""
    out: list[FieldError] = []
    if volume and not ref.get("containerName"):
        out.append(required(f"{path}.containerName"))
    elif not resource:
        out.append(required(f"{path}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        out.append(unsupported(f"{path}.resource", resource, _RESOURCES))
    divisor = str(ref.get("divisor") or "0")
    what = "hugepages" if resource.startswith(_HUGE_PAGES) else resource.partition(".")[2]
    if what in _DIVISORS and quantity.parse(divisor) and (resource in _RESOURCES or what == "hugepages"):
        known, words = _DIVISORS[what]
        if quantity.canonical(divisor) not in known:
            out.append(invalid(f"{path}.divisor", resource, words))
    return out


_SOURCES: dict[str, Callable[[Object, str], list[FieldError]]] = {
    "fieldRef": field_ref,
    "resourceFieldRef": resource_ref,
    "configMapKeyRef": _key_ref,
    "secretKeyRef": _key_ref,
    "fileKeyRef": _file_ref,
}


def env_from(sources: list[Object], path: str) -> list[FieldError]:
    """``envFrom``."""
    out: list[FieldError] = []
    for i, source in enumerate(sources):
        at = f"{path}[{i}]"
        if prefix := source.get("prefix"):
            out += checks.named(names.env_var_name, f"{at}.prefix", prefix)
        given = [f for f in ("configMapRef", "secretRef") if source.get(f) is not None]
        for field in given:
            name = source[field].get("name") or ""
            # Upstream judges the name as one that is to be completed: it may end in a dash.
            out += [required(f"{at}.{field}.name")] if not name else [
                invalid(f"{at}.{field}.name", name, m)
                for m in names.dns1123_subdomain(names.generated_name_base(name))
            ]  # fmt: skip
        if not given:
            out.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            out.append(invalid(path, "", "may not have more than one field specified at a time"))
    return out
