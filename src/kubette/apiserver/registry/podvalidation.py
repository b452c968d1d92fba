"""What a pod's spec may say. Shared by pods and every pod template.

Source: pkg/apis/core/validation (ValidatePodSpec). Containers, volumes, scheduling and security contexts have
modules of their own.
"""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, not_found_value, required, too_long
from kubette.apiserver.registry import (
    checks,
    containervalidation,
    podannotations,
    resources,
    scheduling,
    securitycontext,
    volumevalidation,
    windowspods,
)
from kubette.apiserver.registry.objectmeta import check_labels, qualified_name_errors
from kubette.apiserver.registry.podcontext import PodContext

Object = dict[str, Any]
_RESTART = ("Always", "Never", "OnFailure")
_DNS = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_MAX_DEADLINE = 2147483647
_MAX_HOSTNAME = 64


def context(spec: Object, meta: Object | None = None) -> PodContext:
    """``meta``: the pod's metadata; None for a template."""
    claims = frozenset(c.get("name") or "" for c in spec.get("resourceClaims") or ()) - {""}
    if meta is None:
        return PodContext(spec, claims=claims)
    mirror = podannotations.MIRROR in (meta.get("annotations") or {})
    return PodContext(spec, template=False, name=meta.get("name") or "", mirror=mirror, claims=claims)


def validate_pod(pod: Object) -> list[FieldError]:
    """A pod's spec and annotations, and what templates are spared."""
    spec, meta = pod["spec"], pod["metadata"]
    out: list[FieldError] = []
    if annotations := meta.get("annotations"):
        out += podannotations.validate(annotations, spec, "metadata.annotations")
    out += validate(spec, "spec", context(spec, meta))
    if not spec.get("serviceAccountName"):
        for i, volume in enumerate(spec.get("volumes") or ()):
            for j, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
                if source.get("serviceAccountToken") is not None:
                    at = f"spec.volumes[{i}].projected.sources[{j}].serviceAccountToken"
                    out.append(forbidden(at, "must not be specified when serviceAccountName is not set"))
    for field in ("containers", "initContainers"):
        for i, c in enumerate(spec.get(field) or ()):
            out += containervalidation.image_padding(c, f"spec.{field}[{i}]")
    return out


def validate(spec: Object, path: str, pod: PodContext) -> list[FieldError]:
    """A whole pod spec, of a pod or of a template."""
    out = volumevalidation.validate(spec.get("volumes") or [], f"{path}.volumes", pod)
    if claims := spec.get("resourceClaims"):
        out += _resource_claims(claims, f"{path}.resourceClaims", pod)
    out += containervalidation.validate(spec, path, pod)
    if spec.get("resources") is not None:
        out += resources.of_pod(spec, f"{path}.resources", pod.claims)
    if spec.get("hostNetwork"):
        out += containervalidation.host_network(spec, path, template=pod.template)
    out += checks.one_of(spec.get("restartPolicy"), _RESTART, f"{path}.restartPolicy")
    out += checks.one_of(spec.get("dnsPolicy"), _DNS, f"{path}.dnsPolicy")
    if selector := spec.get("nodeSelector"):
        out += check_labels(selector, f"{path}.nodeSelector")
    out += securitycontext.pod(spec, path)
    if affinity := spec.get("affinity"):
        out += scheduling.affinity(affinity, f"{path}.affinity")
    if spec.get("dnsConfig") is not None or spec.get("dnsPolicy") == "None":
        out += _dns_config(spec, f"{path}.dnsConfig")
    for i, gate in enumerate(spec.get("readinessGates") or ()):
        name = gate.get("conditionType") or ""
        at = f"{path}.readinessGates[{i}].conditionType"
        out += [invalid(at, name, m) for m in qualified_name_errors(name)]
    if gates := spec.get("schedulingGates"):
        out += _gates(gates, f"{path}.schedulingGates")
    if constraints := spec.get("topologySpreadConstraints"):
        out += scheduling.spread(constraints, f"{path}.topologySpreadConstraints")
    if (override := spec.get("hostnameOverride")) is not None:
        out += _hostname_override(spec, override, f"{path}.hostnameOverride")
    out += _names(spec, path)
    out += _numbers(spec, path)
    if tolerations := spec.get("tolerations"):
        out += scheduling.tolerations(tolerations, f"{path}.tolerations")
    for i, alias in enumerate(spec.get("hostAliases") or ()):
        out += checks.ip(alias.get("ip") or "", f"{path}.hostAliases[{i}].ip")
        for j, host in enumerate(alias.get("hostnames") or ()):
            out += checks.named(names.dns1123_subdomain, f"{path}.hostAliases[{i}].hostnames[{j}]", host)
    if (preempt := spec.get("preemptionPolicy")) is not None:
        out += checks.one_of(preempt, ("Never", "PreemptLowerPriority"), f"{path}.preemptionPolicy")
    if (overhead := spec.get("overhead")) is not None:
        out += resources.requirements({"limits": overhead}, f"{path}.overhead")
    out += windowspods.validate(spec, path)
    return out + _file_keys(spec, path)


def _resource_claims(claims: list[Object], path: str, pod: PodContext) -> list[FieldError]:
    if pod.mirror:
        return [forbidden("", "static pods do not support resource claims")]
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, claim in enumerate(claims):
        at, name = f"{path}[{i}]", claim.get("name") or ""
        if not name:
            out.append(required(f"{at}.name"))
        elif name in seen:
            out.append(duplicate(f"{at}.name", name))
        else:
            out += checks.label(name, f"{at}.name")
            seen.add(name)
        given = [f for f in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(f) is not None]
        if len(given) > 1:
            words = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            out.append(invalid(at, claim, words))
        if not given:
            out.append(invalid(at, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"))
        for field in given:
            out += checks.named(names.dns1123_subdomain, f"{at}.{field}", claim[field])
    return out


def _hostname_override(spec: Object, override: str, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    if spec.get("setHostnameAsFQDN"):
        out.append(forbidden(path, "may not be specified when setHostnameAsFQDN is true"))
    if spec.get("hostNetwork"):
        out.append(forbidden(path, "may not be specified when hostNetwork is true"))
    if len(override.encode()) > _MAX_HOSTNAME:
        out.append(too_long(path, _MAX_HOSTNAME))
    return out + checks.named(names.dns1123_subdomain, path, override)


def _file_keys(spec: Object, path: str) -> list[FieldError]:
    """Variables that come from files: in an emptyDir of this pod."""
    out: list[FieldError] = []
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for i, c in enumerate(spec.get(field) or ()):
            for j, variable in enumerate(c.get("env") or ()):
                ref = (variable.get("valueFrom") or {}).get("fileKeyRef")
                if ref is None:
                    continue
                at, name = f"{path}.{field}[{i}].env[{j}].valueFrom.fileKeyRef.volumeName", ref.get("volumeName") or ""
                sources = [v for v in spec.get("volumes") or () if v.get("name") == name]
                if not sources:
                    out.append(not_found_value(at, name))
                elif sources[-1].get("emptyDir") is None:
                    out.append(invalid(at, name, "referenced volume must be of type emptyDir"))
    return out


def _names(spec: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for field, rule in (
        ("serviceAccountName", names.dns1123_subdomain),
        ("nodeName", names.dns1123_subdomain),
        ("hostname", names.dns1123_label),
        ("subdomain", names.dns1123_label),
        ("priorityClassName", names.dns1123_subdomain),
    ):
        if value := spec.get(field):
            out += checks.named(rule, f"{path}.{field}", value)
    if (runtime := spec.get("runtimeClassName")) is not None:
        out += checks.named(names.dns1123_subdomain, f"{path}.runtimeClassName", runtime)
    group = (spec.get("schedulingGroup") or {}).get("podGroupName")
    if group is not None:
        out += checks.named(names.dns1123_subdomain, f"{path}.schedulingGroup.podGroupName", group)
    return out


def _numbers(spec: Object, path: str) -> list[FieldError]:
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is None or 1 <= deadline <= _MAX_DEADLINE:
        return []
    words = f"must be between 1 and {_MAX_DEADLINE}, inclusive"
    return [invalid(f"{path}.activeDeadlineSeconds", deadline, words)]


def _gates(gates: list[Object], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, gate in enumerate(gates):
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
        if search != ".":  # underscores stand in names that are no host's
            name = search.removesuffix(".")
            found = names.dns1123_subdomain(name.replace("_", "a"))
            out += [invalid(f"{path}.searches[{i}]", name, m) for m in found]
    for i, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            out.append(required(f"{path}.options[{i}]", "must not be empty"))
    return out
