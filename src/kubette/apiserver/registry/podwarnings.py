"""What upstream warns of in a pod or a pod template: allowed, but without effect, ambiguous or deprecated. Pure.

Source: pkg/api/pod/warnings.go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from kubette.api import names, quantity
from kubette.apiserver.registry import nodelabels
from kubette.apiserver.registry.objectmeta import label_value_errors

Object = dict[str, Any]
POD_NAMES = "this is used in Pod names and hostnames"
_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NULL_SELECTOR = "a null labelSelector results in matching no pod"
_BYTES = ("memory", "ephemeral-storage")
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
APPARMOR_WORDS = 'deprecated since v1.30; use the "appArmorProfile" field instead'
_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
#: Where upstream's path is not the field's name.
_VOLUME_FIELDS = {"storageos": "storageOS"}


def of_name(obj: Object, use: str) -> list[str]:
    """A name that is no DNS label gives hostnames that surprise. ``use``: what the name is used in."""
    messages = names.dns1123_label(obj["metadata"].get("name") or "")
    if not messages:
        return []
    words = f"{use}, which can result in surprising behavior; a DNS label is recommended"
    return [f"metadata.name: {words}: [{' '.join(messages)}]"]


def of_pod(pod: Object) -> list[str]:
    return list(_of(pod, "", template=False))


def of_template(template: Object | None, path: str) -> list[str]:
    return list(_of(template, f"{path}.", template=True)) if template else []


def spec_changed(new: Object, old: Object) -> bool:
    """Whether the write moves the generation: only then upstream warns again."""
    return bool(new["metadata"].get("generation") != old["metadata"].get("generation"))


def _of(pod: Object, path: str, *, template: bool) -> Iterator[str]:
    spec, at = pod.get("spec") or {}, f"{path}spec"
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    yield from _node_labels(spec, at)
    for key, words in _ANNOTATIONS.items():
        if key in annotations:
            yield f"{path}metadata.annotations[{key}]: {words}"
    for i, volume in enumerate(spec.get("volumes") or ()):
        yield from _volume(volume, f"{at}.volumes[{i}]")
    yield from _repeated(spec, at)
    if overhead := spec.get("overhead"):
        yield from _fractions(overhead, f"{at}.overhead")
    yield from _containers(spec, at)
    if annotations:
        yield from _security_annotations(spec, annotations, path, template)
    yield from _ports(spec, at)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        words = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{at}.terminationGracePeriodSeconds: {words}"
    if affinity := spec.get("affinity"):
        yield from _pod_affinity(affinity, f"{at}.affinity")
    for i, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        yield from _address(server, f"{at}.dnsConfig.nameservers[{i}]")
    for i, alias in enumerate(spec.get("hostAliases") or ()):
        yield from _address(alias.get("ip") or "", f"{at}.hostAliases[{i}].ip")


def _node_labels(spec: Object, path: str) -> Iterator[str]:
    for key in spec.get("nodeSelector") or ():
        if key in nodelabels.DEPRECATED:
            yield f"{path}.nodeSelector[{key}]: {nodelabels.DEPRECATED[key]}"
    if node := (spec.get("affinity") or {}).get("nodeAffinity"):
        at = f"{path}.affinity.nodeAffinity"
        yield from nodelabels.node_selector(node.get(_REQUIRED), f"{at}.{_REQUIRED}")
        for i, term in enumerate(node.get(_PREFERRED) or ()):
            where = f"{at}.{_PREFERRED}[{i}].preference.matchExpressions"
            expressions = (term.get("preference") or {}).get("matchExpressions")
            yield from nodelabels.expressions(expressions, where)
            for j, expression in enumerate(expressions or ()):
                for k, value in enumerate(expression.get("values") or ()):
                    for words in label_value_errors(value):
                        yield f"{where}[{j}].values[{k}]: {value} is invalid, {words}"
    for i, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        at, key = f"{path}.topologySpreadConstraints[{i}]", constraint.get("topologyKey") or ""
        if key in nodelabels.DEPRECATED:
            yield f"{at}.topologyKey: {key} is {nodelabels.DEPRECATED[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{at}.labelSelector: {_NULL_SELECTOR}"


def _pod_affinity(affinity: Object, path: str) -> Iterator[str]:
    for field in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(field) or {}
        for i, term in enumerate(terms.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{path}.{field}.{_REQUIRED}[{i}].labelSelector: {_NULL_SELECTOR}"
        for i, weighted in enumerate(terms.get(_PREFERRED) or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{path}.{field}.{_PREFERRED}[{i}].podAffinityTerm.labelSelector: {_NULL_SELECTOR}"


# ---- volumes


def _volume(volume: Object, path: str) -> Iterator[str]:
    for field, source in volume.items():
        if field in _VOLUMES and source is not None:
            yield f"{path}.{_VOLUME_FIELDS.get(field, field)}: {_VOLUMES[field]}"
    claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if claim is not None:
        yield from claim_spec(claim.get("spec") or {}, f"{path}.ephemeral.volumeClaimTemplate.spec")
    yield from _overlaps(volume)


def claim_spec(spec: Object, path: str) -> Iterator[str]:
    """Warnings for a PersistentVolumeClaimSpec."""
    for field in ("requests", "limits"):
        amounts = (spec.get("resources") or {}).get(field) or {}
        yield from _fractions(amounts, f"{path}.resources.{field}", ("storage",))


def _overlaps(volume: Object) -> Iterator[str]:
    """Files of one volume that stand in each other's place."""
    name = volume.get("name") or ""
    for field, kind, ref in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName"),
                             ("downwardAPI", "DownwardAPI", "")):  # fmt: skip
        source = volume.get(field) or {}
        shown = f'{kind} "{source.get(ref) or ""}"' if ref else kind
        for pair in _colliding([(item.get("path") or "", "") for item in source.get("items") or ()]):
            yield f'volume "{name}" ({shown}): overlapping paths: {pair}'
    paths: list[tuple[str, str]] = []
    for source in (volume.get("projected") or {}).get("sources") or ():
        if not any(v is not None for v in source.values()):
            yield f'volume "{name}" (Projected) has no sources provided'
        paths += _projected_paths(source)
    for pair in _colliding(paths):
        yield f'volume "{name}" (Projected): overlapping paths: {pair}'


def _projected_paths(source: Object) -> list[tuple[str, str]]:
    """The files of one projected source, with what each comes from."""
    for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if (body := source.get(field)) is not None:
            shown = f'{kind} "{body.get("name") or ""}"'
            return [(item.get("path") or "", shown) for item in body.get("items") or ()]
    if (body := source.get("downwardAPI")) is not None:
        return [(item.get("path") or "", "DownwardAPI") for item in body.get("items") or ()]
    if (body := source.get("serviceAccountToken")) is not None:
        return [(body.get("path") or "", "ServiceAccountToken")]
    return []


def _colliding(paths: list[tuple[str, str]]) -> Iterator[str]:
    seen: list[tuple[str, str]] = []
    for path, source in paths:
        path = path.rstrip("/")
        for other in seen if path else ():
            if f"{other[0]}/".startswith(f"{path}/") or f"{path}/".startswith(f"{other[0]}/"):
                yield f"{_file(path, source)} with {_file(*other)}"
        if path:
            seen.append((path, source))


def _file(path: str, source: str) -> str:
    return f'"{path}" ({source})' if source else f'"{path}"'


# ---- lists that name a thing twice


def _repeated(spec: Object, path: str) -> Iterator[str]:
    for field, key, what in (("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")):
        seen: set[str] = set()
        for i, item in enumerate(spec.get(field) or ()):
            value = item.get(key) or ""
            if value in seen:
                yield f'{path}.{field}[{i}].{key}: duplicate {what} "{value}"'
            seen.add(value)
    for i, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            yield f'{path}.imagePullSecrets[{i}].name: invalid empty name ""'


def _containers(spec: Object, path: str) -> Iterator[str]:
    for field in _CONTAINER_LISTS:
        for i, c in enumerate(spec.get(field) or ()):
            at = f"{path}.{field}[{i}]"
            resources = c.get("resources") or {}
            for resource in _BYTES:
                for part in ("limits", "requests"):
                    if amounts := resources.get(part):
                        yield from _fractions(amounts, f"{at}.resources.{part}", (resource,))
            yield from _environment(c.get("env") or [], at)


def _environment(env: list[Object], path: str) -> Iterator[str]:
    seen: set[str] = set()
    for i, variable in enumerate(env):
        name = variable.get("name") or ""
        if name in seen:
            value, itself = variable.get("value") or "", f"$({name})"
            if variable.get("valueFrom") is not None or value == itself or itself not in value:
                words = f'hides previous definition of "{name}", which may be dropped when using apply'
                yield f"{path}.env[{i}]: {words}"
        seen.add(name)


def _fractions(amounts: Object, path: str, of: tuple[str, ...] = _BYTES) -> Iterator[str]:
    """Bytes come whole."""
    for name in of:
        value = amounts.get(name)
        if value is not None and quantity.to_milli(str(value)) % 1000:
            shown = quantity.canonical(str(value))
            yield f'{path}[{name}]: fractional byte value "{shown}" is invalid, must be an integer'


def _ports(spec: Object, path: str) -> Iterator[str]:
    places: dict[str, list[tuple[str, Object]]] = {}
    named: list[tuple[str, str]] = []
    for field in _CONTAINER_LISTS:
        for i, c in enumerate(spec.get(field) or ()):
            for j, port in enumerate(c.get("ports") or ()):
                at = f"{path}.{field}[{i}].ports[{j}]"
                if port.get("hostIP") and not port.get("hostPort"):
                    yield f"{at}: hostIP set without hostPort: {_go_port(port)}"
                same = places.setdefault(f"{port.get('containerPort')}/{port.get('protocol')}", [])
                for other, before in same:
                    if words := _clash(port, before):
                        yield f"{at}: {words} port definition with {other}"
                same.append((at, port))
                if port.get("name"):
                    named.append((at, port["name"]))
    first: dict[str, str] = {}
    for at, name in named:
        if (other := first.setdefault(name, at)) != at:
            words = f"services and probes that select ports by name will use {other}"
            yield f'{at}: duplicate port name "{name}" with {other}, {words}'


def _clash(port: Object, before: Object) -> str:
    ip, other_ip = port.get("hostIP") or "", before.get("hostIP") or ""
    host, other = port.get("hostPort") or 0, before.get("hostPort") or 0
    if ip == other_ip and host == other:
        return "duplicate"
    if not host or not other:
        return "overlapping"
    return "dangerously ambiguous" if host == other and (not ip) is not (not other_ip) else ""


def _go_port(port: Object) -> str:
    """As Go prints the struct."""
    fields = {"Name": port.get("name") or "", "HostPort": port.get("hostPort") or 0,
              "ContainerPort": port.get("containerPort") or 0, "Protocol": port.get("protocol") or "",
              "HostIP": port.get("hostIP") or ""}  # fmt: skip
    return "{" + " ".join(f"{k}:{v}" for k, v in fields.items()) + "}"


# ---- annotations that fields have replaced


def _security_annotations(spec: Object, annotations: Object, path: str, template: bool) -> Iterator[str]:
    own = spec.get("securityContext") or {}
    if own.get("seccompProfile") is None and _SECCOMP_POD in annotations:
        yield f"{path}metadata.annotations[{_SECCOMP_POD}]: {_SECCOMP}"
    for field in _CONTAINER_LISTS:
        for c in spec.get(field) or ():
            context, name = c.get("securityContext") or {}, c.get("name") or ""
            if context.get("seccompProfile") is None and (key := _SECCOMP_CONTAINER + name) in annotations:
                yield f"{path}metadata.annotations[{key}]: {_SECCOMP}"
            key = APPARMOR + name
            profile = own.get("appArmorProfile")
            if (
                template and context.get("appArmorProfile") is None and key in annotations
                and (profile is None or profile != apparmor_field(annotations[key]))
            ):  # fmt: skip
                yield f"{path}metadata.annotations[{key}]: {APPARMOR_WORDS}"


def apparmor_field(annotation: str) -> Object | None:
    """The ``appArmorProfile`` that says the same as the annotation, if one does."""
    if annotation.startswith("localhost/") and (profile := annotation.removeprefix("localhost/").strip()):
        return {"type": "Localhost", "localhostProfile": profile}
    types = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}
    return {"type": types[annotation]} if annotation in types else None


def _address(value: str, path: str) -> Iterator[str]:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return
    if address.version == 6 and str(address) != value:
        yield f'{path}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{address}")'
