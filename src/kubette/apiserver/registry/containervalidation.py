"""What a pod's containers may say: ports, environment, mounts, probes, hooks.

Source: pkg/apis/core/validation (validateContainers, validateInitContainers, validateEphemeralContainers).
"""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, forbidden, invalid, required, unsupported
from kubette.apiserver.registry import checks, resources, securitycontext, volumevalidation

Object = dict[str, Any]
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NOT_EPHEMERAL = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


def validate(spec: Object, path: str) -> list[FieldError]:
    """All containers of a pod spec."""
    volumes = {v.get("name"): v for v in spec.get("volumes") or ()}
    seen: set[str] = set()
    out: list[FieldError] = []
    containers = spec.get("containers") or []
    if not containers:
        out.append(required(f"{path}.containers"))
    host_ports: set[str] = set()
    for i, c in enumerate(containers):
        at = f"{path}.containers[{i}]"
        out += _common(c, at, seen, volumes)
        out += _lifecycle(c, at)
        for probe in _PROBES:
            out += _probe(c.get(probe), f"{at}.{probe}", probe)
        out += _restart_policy(c, at, init=False)
        out += _host_ports(c, at, host_ports)
    for i, c in enumerate(spec.get("initContainers") or ()):
        out += _init(c, f"{path}.initContainers[{i}]", seen, volumes)
    for i, c in enumerate(spec.get("ephemeralContainers") or ()):
        out += _ephemeral(c, f"{path}.ephemeralContainers[{i}]", seen, volumes, spec)
    if spec.get("hostNetwork"):
        out += _host_network(spec, path)
    return out


def _init(c: Object, path: str, seen: set[str], volumes: Object) -> list[FieldError]:
    out = _common(c, path, seen, volumes)
    sidecar = c.get("restartPolicy") == "Always"
    out += _restart_policy(c, path, init=True)
    for field in ("lifecycle", *_PROBES):
        if c.get(field) is None:
            continue
        if not sidecar:
            out.append(forbidden(f"{path}.{field}", "may not be set for init containers without restartPolicy=Always"))
        elif field == "lifecycle":
            out += _lifecycle(c, path)
        else:
            out += _probe(c[field], f"{path}.{field}", field)
    return out + _host_ports(c, path, set())


def _resize_policy(policies: list[Object], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, policy in enumerate(policies):
        resource = policy.get("resourceName") or ""
        if resource in seen:
            out.append(duplicate(f"{path}[{i}]", resource))
        seen.add(resource)
        out += checks.one_of(resource, ("cpu", "memory"), path)
        out += checks.one_of(policy.get("restartPolicy"), ("NotRequired", "RestartContainer"), path)
    return out


def _restart_policy(c: Object, path: str, *, init: bool) -> list[FieldError]:
    policy = c.get("restartPolicy")
    if policy is None:
        return []
    return checks.if_set(policy, ("Always", "Never", "OnFailure") if init else ("Never", "OnFailure", "Always"),
                         f"{path}.restartPolicy")  # fmt: skip


def _ephemeral(c: Object, path: str, seen: set[str], volumes: Object, spec: Object) -> list[FieldError]:
    out = _common(c, path, seen, volumes)
    if target := c.get("targetContainerName"):
        others = [x.get("name") for f in ("containers", "initContainers") for x in spec.get(f) or ()]
        if target not in others:
            out.append(FieldError("FieldValueNotFound", f"{path}.targetContainerName", "", target, True))
    for field in _NOT_EPHEMERAL:
        if c.get(field):
            out.append(forbidden(f"{path}.{field}", "cannot be set for an Ephemeral Container"))
    if any((c.get("resources") or {}).values()):
        out.append(forbidden(f"{path}.resources", "cannot be set for an Ephemeral Container"))
    for j, mount in enumerate(c.get("volumeMounts") or ()):
        if mount.get("subPath"):
            out.append(forbidden(f"{path}.volumeMounts[{j}].subPath", "cannot be set for an Ephemeral Container"))
    return out


def _common(c: Object, path: str, seen: set[str], volumes: Object) -> list[FieldError]:
    out: list[FieldError] = []
    name, image = c.get("name") or "", c.get("image") or ""
    if not name:
        out.append(required(f"{path}.name"))
    else:
        out += checks.named(names.dns1123_label, f"{path}.name", name)
        if name in seen:
            out.append(duplicate(f"{path}.name", name))
        seen.add(name)
    if not image:
        out.append(required(f"{path}.image"))
    elif image != image.strip():
        out.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    policy = f"{path}.terminationMessagePolicy"
    out += checks.one_of(c.get("terminationMessagePolicy"), _MESSAGE_POLICIES, policy)
    out += _resize_policy(c.get("resizePolicy") or [], f"{path}.resizePolicy")
    out += _ports(c.get("ports") or [], f"{path}.ports")
    out += _env(c.get("env") or [], f"{path}.env")
    out += _env_from(c.get("envFrom") or [], f"{path}.envFrom")
    out += _mounts(c, path, volumes)
    out += checks.one_of(c.get("imagePullPolicy"), _PULL_POLICIES, f"{path}.imagePullPolicy")
    if wanted := c.get("resources"):
        out += resources.requirements(wanted, f"{path}.resources")
    out += securitycontext.container(c.get("securityContext"), f"{path}.securityContext")
    return out


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
        if p.get("hostIP"):
            out += checks.ip(p["hostIP"], f"{at}.hostIP")
    return out


def _host_ports(c: Object, path: str, taken: set[str]) -> list[FieldError]:
    """No two containers of a pod may claim the same port of the node."""
    out = []
    for j, p in enumerate(c.get("ports") or ()):
        if not p.get("hostPort"):
            continue
        claim = f"{p.get('protocol', '')}/{p.get('hostIP') or ''}/{p['hostPort']}"
        if claim in taken:
            out.append(duplicate(f"{path}.ports[{j}].hostPort", claim))
        taken.add(claim)
    return out


def _host_network(spec: Object, path: str) -> list[FieldError]:
    out = []
    for field in ("containers", "initContainers"):
        for i, c in enumerate(spec.get(field) or ()):
            for j, p in enumerate(c.get("ports") or ()):
                if p.get("hostPort") and p["hostPort"] != p.get("containerPort"):
                    at = f"{path}.{field}[{i}].ports[{j}].containerPort"
                    words = "must match `hostPort` when `hostNetwork` is true"
                    out.append(invalid(at, p.get("containerPort"), words))
    return out


def _env(env: list[Object], path: str) -> list[FieldError]:
    out = []
    for i, e in enumerate(env):
        at, name = f"{path}[{i}]", e.get("name") or ""
        if not name:
            out.append(required(f"{at}.name"))
        else:
            out += checks.named(names.env_var_name, f"{at}.name", name)
        if (source := e.get("valueFrom")) is not None:
            out += _value_from(e, source, f"{at}.valueFrom")
    return out


def _value_from(e: Object, source: Object, path: str) -> list[FieldError]:
    given = [s for s in _ENV_SOURCES if source.get(s) is not None]
    if not given:
        words = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        return [invalid(path, "", words)]
    out: list[FieldError] = []
    if e.get("value"):
        out.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        out.append(invalid(path, "", "may not have more than one field specified at a time"))
    for field in given:
        ref, at = source[field], f"{path}.{field}"
        if field == "fieldRef":
            out += volumevalidation.field_ref(ref, at, _ENV_FIELDS)
        elif field == "resourceFieldRef":
            out += volumevalidation.resource_ref(ref, at)
        elif not ref.get("key"):
            out.append(required(f"{at}.key"))
        else:
            out += checks.named(names.config_map_key, f"{at}.key", ref["key"])
    return out


def _env_from(sources: list[Object], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for i, source in enumerate(sources):
        at = f"{path}[{i}]"
        if prefix := source.get("prefix"):
            out += checks.named(names.env_var_name, f"{at}.prefix", prefix)
        given = [f for f in ("configMapRef", "secretRef") if source.get(f) is not None]
        for field in given:
            name = source[field].get("name") or ""
            if not name:
                out.append(required(f"{at}.{field}.name"))
            else:
                out += checks.named(names.dns1123_subdomain, f"{at}.{field}.name", name)
        if not given:
            out.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            out.append(invalid(path, "", "may not have more than one field specified at a time"))
    return out


def _mounts(c: Object, path: str, volumes: Object) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    devices = {d.get("devicePath") for d in c.get("volumeDevices") or ()}
    for i, m in enumerate(c.get("volumeMounts") or ()):
        at, name, where = f"{path}.volumeMounts[{i}]", m.get("name") or "", m.get("mountPath") or ""
        if not name:
            out.append(required(f"{at}.name"))
        elif name not in volumes:
            out.append(FieldError("FieldValueNotFound", f"{at}.name", "", name, True))
        if not where:
            out.append(required(f"{at}.mountPath"))
        if where in seen:
            out.append(invalid(f"{at}.mountPath", where, "must be unique"))
        seen.add(where)
        if where in devices:
            out.append(invalid(f"{at}.mountPath", where, "must not already exist in volumeDevices"))
        for field in ("subPath", "subPathExpr"):
            if m.get(field):
                out += volumevalidation.relative(m[field], f"{at}.{field}")
        if m.get("subPath") and m.get("subPathExpr"):
            words = "subPathExpr and subPath are mutually exclusive"
            out.append(invalid(f"{at}.subPathExpr", m["subPathExpr"], words))
        out += _propagation(c, m, f"{at}.mountPropagation")
    for i, d in enumerate(c.get("volumeDevices") or ()):
        at = f"{path}.volumeDevices[{i}]"
        out += [required(f"{at}.{f}") for f in ("name", "devicePath") if not d.get(f)]
        if d.get("name") and d["name"] not in volumes:
            out.append(FieldError("FieldValueNotFound", f"{at}.name", "", d["name"], True))
    return out


def _propagation(c: Object, m: Object, path: str) -> list[FieldError]:
    mode = m.get("mountPropagation")
    if not mode:
        return []
    allowed = ("Bidirectional", "HostToContainer", "None")
    if mode not in allowed:
        return [unsupported(path, mode, allowed)]
    if mode == "Bidirectional" and not (c.get("securityContext") or {}).get("privileged"):
        return [forbidden(path, "Bidirectional mount propagation is available only to privileged containers")]
    return []


def _probe(probe: Object | None, path: str, kind: str) -> list[FieldError]:
    if probe is None:
        return []
    out = _handler(probe, path)
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        out += checks.non_negative(probe.get(field), f"{path}.{field}")
    grace = probe.get("terminationGracePeriodSeconds")
    if kind == "readinessProbe":
        if grace is not None:
            words = "must not be set for readinessProbes"
            out.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, words))
        return out
    out += checks.positive(grace, f"{path}.terminationGracePeriodSeconds")
    if probe.get("successThreshold", 1) != 1:
        out.append(invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1"))
    return out


def _lifecycle(c: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for hook in ("postStart", "preStop"):
        handler = (c.get("lifecycle") or {}).get(hook)
        if handler is not None:
            out += _handler(handler, f"{path}.lifecycle.{hook}")
    return out


def _handler(handler: Object, path: str) -> list[FieldError]:
    """Exactly one of exec, httpGet, tcpSocket, grpc, sleep."""
    given = [h for h in _HANDLERS if handler.get(h) is not None]
    if not given:
        return [required(path, "must specify a handler type")]
    out = [forbidden(f"{path}.{h}", "may not specify more than 1 handler type") for h in given[1:]]
    kind = given[0]
    body, at = handler[kind], f"{path}.{kind}"
    if kind == "exec":
        out += [] if body.get("command") else [required(f"{at}.command")]
    elif kind == "httpGet":
        out += [] if body.get("path") else [required(f"{at}.path")]
        out += checks.port_or_name(body.get("port", 0), f"{at}.port")
        if body.get("scheme") not in ("HTTP", "HTTPS"):
            out.append(unsupported(f"{at}.scheme", body.get("scheme") or "", ("HTTP", "HTTPS")))
        for header in body.get("httpHeaders") or ():
            out += checks.named(names.http_header_name, f"{at}.httpHeaders", header.get("name") or "")
    elif kind == "tcpSocket":
        out += checks.port_or_name(body.get("port", 0), f"{at}.port")
    elif kind == "grpc":
        out += checks.port(body.get("port"), f"{at}.port")
    elif body.get("seconds", 0) < 0:
        out.append(invalid(at, body["seconds"], "must be greater than or equal to 0"))
    return out
