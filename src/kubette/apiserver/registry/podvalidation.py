"""What a pod's spec may say. Shared by pods and every pod template.

Source: pkg/apis/core/validation (ValidatePodSpec). Containers, volumes, scheduling and security contexts have
modules of their own.
"""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import (
    checks,
    containervalidation,
    resources,
    scheduling,
    securitycontext,
    volumevalidation,
)
from kubette.apiserver.registry.objectmeta import check_labels, qualified_name_errors

Object = dict[str, Any]
_RESTART = ("Always", "Never", "OnFailure")
_DNS = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_MAX_DEADLINE = 2147483647


def validate(spec: Object, path: str, *, is_template: bool = False) -> list[FieldError]:
    """A whole pod spec. ``is_template``: ephemeral containers have no place in it."""
    out = volumevalidation.validate(spec.get("volumes") or [], f"{path}.volumes")
    out += containervalidation.validate(spec, path)
    if is_template and spec.get("ephemeralContainers"):
        out.append(forbidden(f"{path}.ephemeralContainers", "ephemeral containers not allowed in pod template"))
    out += checks.one_of(spec.get("restartPolicy"), _RESTART, f"{path}.restartPolicy")
    out += checks.one_of(spec.get("dnsPolicy"), _DNS, f"{path}.dnsPolicy")
    if selector := spec.get("nodeSelector"):
        out += check_labels(selector, f"{path}.nodeSelector")
    out += securitycontext.pod(spec, path)
    out += _names(spec, path)
    out += scheduling.affinity(spec.get("affinity"), f"{path}.affinity")
    out += _dns_config(spec, f"{path}.dnsConfig")
    out += _times(spec, path)
    out += scheduling.tolerations(spec.get("tolerations"), f"{path}.tolerations")
    for i, alias in enumerate(spec.get("hostAliases") or ()):
        out += checks.ip(alias.get("ip") or "", f"{path}.hostAliases[{i}].ip")
        for host in alias.get("hostnames") or ():
            out += checks.named(names.dns1123_subdomain, f"{path}.hostAliases[{i}].hostnames", host)
    for i, gate in enumerate(spec.get("readinessGates") or ()):
        name = gate.get("conditionType") or ""
        at = f"{path}.readinessGates[{i}].conditionType"
        out += [invalid(at, name, m) for m in qualified_name_errors(name)]
    out += _gates(spec, f"{path}.schedulingGates")
    out += scheduling.spread(spec.get("topologySpreadConstraints"), f"{path}.topologySpreadConstraints")
    if (system := spec.get("os")) is not None:
        out += checks.one_of(system.get("name"), ("linux", "windows"), f"{path}.os.name")
    if own := spec.get("resources"):
        out += resources.requirements(own, f"{path}.resources")
    if (preempt := spec.get("preemptionPolicy")) is not None:
        out += checks.one_of(preempt, ("Never", "PreemptLowerPriority"), f"{path}.preemptionPolicy")
    return out


def _names(spec: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for field, rule in (
        ("hostname", names.dns1123_label),
        ("subdomain", names.dns1123_label),
        ("serviceAccountName", names.dns1123_subdomain),
        ("nodeName", names.dns1123_subdomain),
        ("priorityClassName", names.dns1123_subdomain),
        ("runtimeClassName", names.dns1123_subdomain),
    ):
        if value := spec.get(field):
            out += checks.named(rule, f"{path}.{field}", value)
    if scheduler := spec.get("schedulerName"):
        out += [invalid(f"{path}.schedulerName", scheduler, m) for m in qualified_name_errors(scheduler)]
    for i, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            out.append(required(f"{path}.imagePullSecrets[{i}].name"))
    return out


def _times(spec: Object, path: str) -> list[FieldError]:
    out = checks.non_negative(spec.get("terminationGracePeriodSeconds"), f"{path}.terminationGracePeriodSeconds")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _MAX_DEADLINE:
        words = f"must be between 1 and {_MAX_DEADLINE}, inclusive"
        out.append(invalid(f"{path}.activeDeadlineSeconds", deadline, words))
    return out


def _gates(spec: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, gate in enumerate(spec.get("schedulingGates") or ()):
        name = gate.get("name") or ""
        out += [invalid(f"{path}[{i}]", name, m) for m in qualified_name_errors(name)]
        if name in seen:
            out.append(duplicate(f"{path}[{i}]", name))
        seen.add(name)
    return out


def _dns_config(spec: Object, path: str) -> list[FieldError]:
    config = spec.get("dnsConfig")
    servers = (config or {}).get("nameservers") or []
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not servers:
            words = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(f"{path}.nameservers", words)]
    if config is None:
        return []
    out: list[FieldError] = []
    if len(servers) > 3:
        out.append(invalid(f"{path}.nameservers", servers, "must not have more than 3 nameservers"))
    for i, server in enumerate(servers):
        out += checks.ip(server, f"{path}.nameservers[{i}]")
    searches = config.get("searches") or []
    if len(searches) > 32:
        out.append(invalid(f"{path}.searches", searches, "must not have more than 32 search paths"))
    if len(" ".join(searches)) > 2048:
        words = "must not have more than 2048 characters (including spaces) in the search list"
        out.append(invalid(f"{path}.searches", searches, words))
    for i, search in enumerate(searches):
        name = search.removesuffix(".").replace("_", "-") or "a"
        out += [invalid(f"{path}.searches[{i}]", search, m) for m in names.dns1123_subdomain(name)]
    for i, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            out.append(required(f"{path}.options[{i}]", "must not be empty"))
    return out


def restart_policy_for(spec: Object, allowed: tuple[str, ...], path: str) -> list[FieldError]:
    """Controllers accept only some restart policies."""
    policy = spec.get("restartPolicy")
    return [] if policy in allowed else [unsupported(f"{path}.restartPolicy", policy or "", allowed)]
