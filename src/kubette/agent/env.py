"""A container's environment: service variables, envFrom, env. Pure, over objects that were fetched before.

Source: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables and the kubelet's
``makeEnvironmentVariables``: envFrom, then env (which may use what came before it and the service variables),
then those service variables that nothing overrode.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kubette.agent import downward
from kubette.agent.expansion import expand
from kubette.api import meta, names
from kubette.api.meta import Object


class ConfigError(Exception):
    """The container cannot be configured: CreateContainerConfigError with this message."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the environment is made from. ConfigMaps and Secrets by name; a missing one is absent."""

    services: Sequence[Object] = ()
    config_maps: Mapping[str, Object] = field(default_factory=dict)
    secrets: Mapping[str, Object] = field(default_factory=dict)
    pod_ips: Sequence[str] = ()
    host_ips: Sequence[str] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)


def references(container: Object) -> tuple[set[str], set[str]]:
    """Names of the ConfigMaps and of the Secrets that the environment needs."""
    maps: set[str] = set()
    secrets: set[str] = set()
    for source in container.get("envFrom") or ():
        if ref := source.get("configMapRef"):
            maps.add(ref.get("name", ""))
        if ref := source.get("secretRef"):
            secrets.add(ref.get("name", ""))
    for var in container.get("env") or ():
        value_from = var.get("valueFrom") or {}
        if ref := value_from.get("configMapKeyRef"):
            maps.add(ref.get("name", ""))
        if ref := value_from.get("secretKeyRef"):
            secrets.add(ref.get("name", ""))
    return maps, secrets


def service_variables(services: Iterable[Object]) -> dict[str, str]:
    """``KUBIA_SERVICE_HOST`` and its family for each Service with a cluster IP."""
    out: dict[str, str] = {}
    for service in services:
        spec = service.get("spec") or {}
        ip, ports = spec.get("clusterIP"), spec.get("ports") or []
        if ip in (None, "", "None"):
            continue
        prefix = _upper(meta.name(service))
        out[f"{prefix}_SERVICE_HOST"] = ip
        if not ports:
            continue
        out[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                out[f"{prefix}_SERVICE_PORT_{_upper(port['name'])}"] = str(port["port"])
        host = f"[{ip}]" if ":" in ip else ip
        for i, port in enumerate(ports):
            protocol, number = port.get("protocol") or "TCP", port["port"]
            url = f"{protocol.lower()}://{host}:{number}"
            if i == 0:
                out[f"{prefix}_PORT"] = url
            one = f"{prefix}_PORT_{number}_{protocol.upper()}"
            out |= {one: url, f"{one}_PROTO": protocol.lower(), f"{one}_PORT": str(number), f"{one}_ADDR": ip}
    return out


def _upper(name: str) -> str:
    return name.replace("-", "_").upper()


def visible_services(services: Iterable[Object], namespace: str, links: bool) -> list[Object]:
    """Those that a pod's environment tells of: its namespace's, and always ``default/kubernetes``."""
    chosen: dict[str, Object] = {}
    for service in services:
        home, name = meta.namespace(service), meta.name(service)
        if home == namespace and links:
            chosen[name] = service
        elif home == "default" and name == "kubernetes":
            chosen.setdefault(name, service)
    return list(chosen.values())


def build(pod: Object, container: Object, sources: Sources) -> dict[str, str]:
    """The variables in order. ConfigError when a reference that is not optional is missing."""
    spec, namespace = pod.get("spec") or {}, meta.namespace(pod)
    links = spec.get("enableServiceLinks") is not False
    services = service_variables(visible_services(sources.services, namespace, links))
    out: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        out.update(_env_from(source, namespace, sources))
    for var in container.get("env") or ():
        name = var["name"]
        if "valueFrom" not in var or var["valueFrom"] is None:
            out[name] = expand(str(var.get("value") or ""), lambda n: out.get(n, services.get(n)))
            continue
        value = _value_from(pod, container, var["valueFrom"], sources)
        if value is not None:
            out[name] = value
    for name, value in services.items():
        out.setdefault(name, value)
    return out


def _env_from(source: Object, namespace: str, sources: Sources) -> Iterator[tuple[str, str]]:
    prefix = source.get("prefix") or ""
    if ref := source.get("configMapRef"):
        data = dict(_find(sources.config_maps, ref, "configmap").get("data") or {})
    elif ref := source.get("secretRef"):
        data = {k: _text(v) for k, v in (_find(sources.secrets, ref, "secret").get("data") or {}).items()}
    else:
        return
    for key in sorted(data):
        name = prefix + key
        if not names.env_var_name(name):
            yield name, str(data[key])


def _find(objects: Mapping[str, Object], ref: Object, kind: str) -> Object:
    name = ref.get("name", "")
    found = objects.get(name)
    if found is None and not ref.get("optional"):
        raise ConfigError(f'{kind} "{name}" not found')
    return found or {}


def _value_from(pod: Object, container: Object, source: Object, sources: Sources) -> str | None:
    """None: an optional reference that is missing; the variable is not set then."""
    try:
        if ref := source.get("fieldRef"):
            return downward.field_value(pod, ref["fieldPath"], sources.pod_ips, sources.host_ips)
        if ref := source.get("resourceFieldRef"):
            return downward.resource_value(pod, container, ref, sources.allocatable)
    except downward.Unknown as error:
        raise ConfigError(str(error)) from error
    for field_name, objects, word in (
        ("configMapKeyRef", sources.config_maps, "ConfigMap"),
        ("secretKeyRef", sources.secrets, "Secret"),
    ):
        if ref := source.get(field_name):
            data = _find(objects, ref, word.lower()).get("data") or {}
            if ref["key"] not in data:
                if ref.get("optional"):
                    return None
                raise ConfigError(f"couldn't find key {ref['key']} in {word} {meta.namespace(pod)}/{ref['name']}")
            return _text(data[ref["key"]]) if word == "Secret" else str(data[ref["key"]])
    return None


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode(errors="surrogateescape")
