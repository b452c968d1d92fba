"""What a pod's containers may say: names, images, ports, mounts, restart rules.

The environment, the handlers, resources and security contexts have modules of their own.
Source: pkg/apis/core/validation (validateContainers, validateInitContainers, validateEphemeralContainers).
"""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_found_value,
    required,
    too_many,
    unsupported,
)
from kubette.apiserver.registry import checks, containerenv, containerhandlers, resources, securitycontext
from kubette.apiserver.registry.podcontext import PodContext

Object = dict[str, Any]
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_RESTART_ACTIONS = ("Restart", "RestartAllContainers")
_MAX_RULES, _MAX_CODES = 20, 255
_RESIZED = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")
_NOT_EPHEMERAL = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe", "readinessProbe",
    "startupProbe", "lifecycle",
)  # fmt: skip
_SIDECARS_ONLY = "may not be set for init containers without restartPolicy=Always"


def validate(spec: Object, path: str, pod: PodContext) -> list[FieldError]:
    """All containers of a pod spec."""
    containers = spec.get("containers") or []
    seen: set[str] = set()
    out: list[FieldError] = [] if containers else [required(f"{path}.containers")]
    for i, c in enumerate(containers):
        at = f"{path}.containers[{i}]"
        out += _common(c, at, pod) + _name_once(c, at, seen)
        out += containerhandlers.lifecycle(c, at, pod)
        out += containerhandlers.probes(c, at, pod)
        if "restartPolicy" in c or "restartPolicyRules" in c:
            out += _restart_policy(c, at)
    out += host_ports(containers, f"{path}.containers")
    for i, c in enumerate(spec.get("initContainers") or ()):
        out += _init(c, f"{path}.initContainers[{i}]", f"{path}.initContainers", seen, pod)
    if ephemeral := spec.get("ephemeralContainers"):
        others = frozenset(seen)
        for i, c in enumerate(ephemeral):
            out += _ephemeral(c, f"{path}.ephemeralContainers[{i}]", seen, others, pod)
    return out


def _name_once(c: Object, path: str, seen: set[str]) -> list[FieldError]:
    name = c.get("name") or ""
    if name in seen:
        return [duplicate(f"{path}.name", name)]
    seen.add(name)
    return []


def _init(c: Object, path: str, lists: str, seen: set[str], pod: PodContext) -> list[FieldError]:
    out = _common(c, path, pod) + _restart_policy(c, path)
    if c.get("name") or c.get("name") in seen:
        out += _name_once(c, path, seen)
    out += host_ports([c], lists)
    sidecar = c.get("restartPolicy") == "Always"
    if sidecar:
        return out + containerhandlers.lifecycle(c, path, pod) + containerhandlers.probes(c, path, pod)
    for field in ("lifecycle", *containerhandlers.PROBES):
        if c.get(field) is not None:
            out.append(forbidden(f"{path}.{field}", _SIDECARS_ONLY))
    for j, policy in enumerate(c.get("resizePolicy") or ()):
        if policy.get("restartPolicy") == "RestartContainer":
            words = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            out.append(invalid(f"{path}.resizePolicy[{j}].restartPolicy", "RestartContainer", words))
    return out


def _ephemeral(
    c: Object, path: str, seen: set[str], others: frozenset[str], pod: PodContext
) -> list[FieldError]:
    out = _common(c, path, pod) + image_padding(c, path) + _name_once(c, path, seen)
    if (target := c.get("targetContainerName")) and target not in others:
        out.append(not_found_value(f"{path}.targetContainerName", target))
    for field in _NOT_EPHEMERAL:
        if c.get(field):
            out.append(forbidden(f"{path}.{field}", "cannot be set for an Ephemeral Container"))
    for j, mount in enumerate(c.get("volumeMounts") or ()):
        for field in ("subPath", "subPathExpr"):
            if mount.get(field):
                words = "cannot be set for an Ephemeral Container"
                out.append(forbidden(f"{path}.volumeMounts[{j}].{field}", words))
    return out


def image_padding(c: Object, path: str) -> list[FieldError]:
    """Of a pod's containers; templates have stored padded images for too long to refuse them."""
    image = c.get("image") or ""
    if image == image.strip():
        return []
    return [invalid(f"{path}.image", image, "must not have leading or trailing whitespace")]


def _common(c: Object, path: str, pod: PodContext) -> list[FieldError]:
    out: list[FieldError] = []
    name = c.get("name") or ""
    if not name:
        out.append(required(f"{path}.name"))
    else:
        out += checks.label(name, f"{path}.name")
    if not c.get("image"):
        out.append(required(f"{path}.image"))
    policy = f"{path}.terminationMessagePolicy"
    out += checks.one_of(c.get("terminationMessagePolicy"), _MESSAGE_POLICIES, policy)
    if ports := c.get("ports"):
        out += _ports(ports, f"{path}.ports")
    if variables := c.get("env"):
        out += containerenv.env(variables, f"{path}.env")
    if sources := c.get("envFrom"):
        out += containerenv.env_from(sources, f"{path}.envFrom")
    if mounts := c.get("volumeMounts"):
        out += _mounts(c, mounts, f"{path}.volumeMounts", pod)
    if devices := c.get("volumeDevices"):
        out += _devices(c, devices, f"{path}.volumeDevices", pod)
    out += checks.one_of(c.get("imagePullPolicy"), _PULL_POLICIES, f"{path}.imagePullPolicy")
    if wanted := c.get("resources"):
        out += resources.requirements(wanted, f"{path}.resources", pod.claims)
    if policies := c.get("resizePolicy"):
        out += _resize_policy(policies, f"{path}.resizePolicy", pod)
    if context := c.get("securityContext"):
        out += securitycontext.container(context, f"{path}.securityContext", host_users=pod.host_users)
    return out


def _resize_policy(policies: list[Object], path: str, pod: PodContext) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, policy in enumerate(policies):
        resource, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if resource in seen:
            out.append(duplicate(f"{path}[{i}]", resource))
        seen.add(resource)
        out += checks.one_of(resource, _RESIZED, path) + checks.one_of(restart, _RESIZE_POLICIES, path)
        if pod.restart == "Never" and restart != "NotRequired":
            out.append(invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
    return out


def _restart_policy(c: Object, path: str) -> list[FieldError]:
    policy, rules = c.get("restartPolicy"), c.get("restartPolicyRules") or []
    out: list[FieldError] = []
    if policy is None:
        if not rules:
            return out
        out.append(required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used"))
    elif policy not in _RESTART_POLICIES:
        out.append(unsupported(f"{path}.restartPolicy", policy, _RESTART_POLICIES))
    if len(rules) > _MAX_RULES:
        out.append(too_many(f"{path}.restartPolicyRules", len(rules), _MAX_RULES))
    for i, rule in enumerate(rules):
        at, codes = f"{path}.restartPolicyRules[{i}]", rule.get("exitCodes")
        if (action := rule.get("action") or "") not in _RESTART_ACTIONS:
            out.append(unsupported(f"{at}.action", action, _RESTART_ACTIONS))
        if codes is None:
            out.append(required(f"{at}.exitCodes", "must be specified"))
            continue
        if (operator := codes.get("operator") or "") not in ("In", "NotIn"):
            out.append(unsupported(f"{at}.exitCodes.operator", operator, ("In", "NotIn")))
        if len(values := codes.get("values") or ()) > _MAX_CODES:
            out.append(too_many(f"{at}.exitCodes.values", len(values), _MAX_CODES))
    return out


# ---- ports


def _ports(ports: list[Object], path: str) -> list[FieldError]:
    out = []
    seen: set[str] = set()
    for i, p in enumerate(ports):
        at, name, number = f"{path}[{i}]", p.get("name") or "", p.get("containerPort") or 0
        if name:
            found = checks.named(names.port_name, f"{at}.name", name)
            out += found
            if not found and name in seen:
                out.append(duplicate(f"{at}.name", name))
            seen.add(name)
        out += checks.port(number, f"{at}.containerPort") if number else [required(f"{at}.containerPort")]
        if p.get("hostPort"):
            out += checks.port(p["hostPort"], f"{at}.hostPort")
        out += checks.one_of(p.get("protocol"), checks.PROTOCOLS, f"{at}.protocol")
    return out


def host_ports(containers: list[Object], path: str) -> list[FieldError]:
    """No two containers of a pod may claim the same port of the node."""
    out = []
    taken: set[str] = set()
    for i, c in enumerate(containers):
        for j, p in enumerate(c.get("ports") or ()):
            if not p.get("hostPort"):
                continue
            claim = f"{p.get('protocol', '')}/{p.get('hostIP') or ''}/{p['hostPort']}"
            if claim in taken:
                out.append(duplicate(f"{path}[{i}].ports[{j}].hostPort", claim))
            taken.add(claim)
    return out


def host_network(spec: Object, path: str, *, template: bool) -> list[FieldError]:
    """In the node's network a container's port is the node's."""
    out = []
    for i, c in enumerate(spec.get("containers") or ()):
        for j, p in enumerate(c.get("ports") or ()):
            host = p.get("hostPort") or 0
            if (host or not template) and host != p.get("containerPort"):
                words = "must match `containerPort` when `hostNetwork` is true"
                out.append(invalid(f"{path}.containers[{i}].ports[{j}].hostPort", host, words))
    return out


# ---- mounts and devices


def _mounts(c: Object, mounts: list[Object], path: str, pod: PodContext) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    devices = {d.get("name"): d.get("devicePath") for d in c.get("volumeDevices") or ()}
    for i, m in enumerate(mounts):
        at, name, where = f"{path}[{i}]", m.get("name") or "", m.get("mountPath") or ""
        if not name:
            out.append(required(f"{at}.name"))
        if name not in pod.volumes:
            out.append(not_found_value(f"{at}.name", name))
        if not where:
            out.append(required(f"{at}.mountPath"))
        if where in seen:
            out.append(invalid(f"{at}.mountPath", where, "must be unique"))
        seen.add(where)
        if devices:
            if name in devices:
                out.append(invalid(f"{at}.name", name, "must not already exist in volumeDevices"))
            if where in devices.values():
                words = "must not already exist as a path in volumeDevices"
                out.append(invalid(f"{at}.mountPath", where, words))
        sub, expression = m.get("subPath"), m.get("subPathExpr")
        if sub:
            out += checks.descending_path(sub, f"{path}.subPath")
        if expression:
            if sub:
                words = "subPathExpr and subPath are mutually exclusive"
                out.append(invalid(f"{at}.subPathExpr", expression, words))
            out += checks.descending_path(expression, f"{path}.subPathExpr")
        if (mode := m.get("mountPropagation")) is not None:
            out += _propagation(c, mode, f"{path}.mountPropagation")
        if (recursive := m.get("recursiveReadOnly")) is not None:
            out += _recursive(m, recursive, f"{path}.recursiveReadOnly")
    return out


def _propagation(c: Object, mode: str, path: str) -> list[FieldError]:
    if mode not in _PROPAGATIONS:
        return [unsupported(path, mode, _PROPAGATIONS)]
    if mode == "Bidirectional" and not (c.get("securityContext") or {}).get("privileged"):
        return [forbidden(path, "Bidirectional mount propagation is available only to privileged containers")]
    return []


def _recursive(m: Object, mode: str, path: str) -> list[FieldError]:
    if mode not in _RECURSIVE:
        return [unsupported(path, mode, _RECURSIVE)]
    out = []
    if mode != "Disabled" and not m.get("readOnly"):
        out.append(forbidden(path, "may only be specified when readOnly is true"))
    if mode != "Disabled" and (m.get("mountPropagation") or "None") != "None":
        out.append(forbidden(path, "may only be specified when mountPropagation is None or not specified"))
    return out


def _devices(c: Object, devices: list[Object], path: str, pod: PodContext) -> list[FieldError]:
    """Block devices: volumes of claims only, each once, neither mounted nor in a mount's place."""
    out: list[FieldError] = []
    seen: set[str] = set()
    places: set[str] = set()
    mounts = {m.get("name"): m.get("mountPath") for m in c.get("volumeMounts") or ()}
    for i, d in enumerate(devices):
        at, name, where = f"{path}[{i}]", d.get("name") or "", d.get("devicePath") or ""
        source = pod.volumes.get(name)
        if not name:
            out.append(required(f"{at}.name"))
        if name in seen:
            out.append(invalid(f"{at}.name", name, "must be unique"))
        if source is None:
            out.append(not_found_value(f"{at}.name", name))
        elif source.get("persistentVolumeClaim") is None and source.get("ephemeral") is None:
            words = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            out.append(invalid(f"{at}.name", name, words))
        if not where:
            out.append(required(f"{at}.devicePath"))
        if where in places:
            out.append(invalid(f"{at}.devicePath", where, "must be unique"))
        if where and checks.no_backsteps(where, path):
            out.append(invalid(f"{at}.devicePath", where, "can not contain backsteps ('..')"))
        else:
            places.add(where)
        if name in mounts:
            out.append(invalid(f"{at}.name", name, "must not already exist in volumeMounts"))
        if where in mounts.values():
            words = "must not already exist as a path in volumeMounts"
            out.append(invalid(f"{at}.devicePath", where, words))
        if name:
            seen.add(name)
    return out
