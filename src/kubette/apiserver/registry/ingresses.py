"""Ingresses. Source: pkg/registry/networking/ingress, networking/validation (ValidateIngressCreate)."""

from __future__ import annotations

import ipaddress
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.service_validation import load_balancer_ingress

Object = dict[str, Any]
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")


class Ingresses(Strategy):
    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"loadBalancer": {}}

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
        out: list[FieldError] = []
        if not rules and backend is None:
            out.append(invalid("spec", rules, "either `defaultBackend` or `rules` must be specified"))
        if backend is not None:
            out += _backend(backend, "spec.defaultBackend")
        for i, rule in enumerate(rules):
            out += _rule(rule, f"spec.rules[{i}]")
        for i, tls in enumerate(spec.get("tls") or ()):
            out += _tls(tls, f"spec.tls[{i}]")
        if (name := spec.get("ingressClassName")) is not None:
            out += checks.named(names.dns1123_subdomain, "spec.ingressClassName", name)
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        if ctx.subresource == "status":
            balancer = (new.get("status") or {}).get("loadBalancer") or {}
            return load_balancer_ingress(balancer.get("ingress") or [], "status.loadBalancer.ingress")
        return self.validate(new, ctx)


def _host(host: str, path: str) -> list[FieldError]:
    if "*" in host:
        return checks.named(names.wildcard_dns1123_subdomain, path, host)
    return checks.named(names.dns1123_subdomain, path, host)


def _rule(rule: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    if host := rule.get("host"):
        if _is_ip(host):
            out.append(invalid(f"{path}.host", host, "must be a DNS name, not an IP address"))
        out += _host(host, f"{path}.host")
    http = rule.get("http")
    if http is not None:
        paths = http.get("paths") or []
        if not paths:
            out.append(required(f"{path}.http.paths"))
        for i, one in enumerate(paths):
            out += _path(one, f"{path}.http.paths[{i}]")
    return out


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _path(one: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    kind, value = one.get("pathType"), one.get("path") or ""
    if not kind:
        out.append(required(f"{path}.pathType", "pathType must be specified"))
    elif kind in ("Exact", "Prefix"):
        if not value.startswith("/"):
            out.append(invalid(f"{path}.path", value, "must be an absolute path"))
        else:
            found = [s for s in _BAD_SEQUENCES if s in value]
            out += [invalid(f"{path}.path", value, f"must not contain '{s}'") for s in found]
            ends = [s for s in _BAD_ENDS if value.endswith(s)]
            out += [invalid(f"{path}.path", value, f"cannot end with '{s}'") for s in ends]
    elif kind == "ImplementationSpecific":
        if value and not value.startswith("/"):
            out.append(invalid(f"{path}.path", value, "must be an absolute path"))
    else:
        out += checks.one_of(kind, _PATH_TYPES, f"{path}.pathType")
    return out + _backend(one.get("backend") or {}, f"{path}.backend")


def _backend(backend: Object, path: str) -> list[FieldError]:
    service, other = backend.get("service"), backend.get("resource")
    if other is not None and service is not None:
        words = "cannot set both resource and service backends"
        return [invalid(path, "", words)]
    if other is not None:
        return [required(f"{path}.resource.{f}") for f in ("kind", "name") if not other.get(f)]
    if service is None:
        return [required(path, "resource or service backend is required")]
    out: list[FieldError] = []
    name, port = service.get("name") or "", service.get("port") or {}
    if not name:
        out.append(required(f"{path}.service.name"))
    else:
        out += checks.named(names.dns1123_label, f"{path}.service.name", name)
    number, named = port.get("number") or 0, port.get("name") or ""
    if named and number:
        out.append(invalid(path, "", "cannot set both port name & port number"))
    elif named:
        out += checks.named(names.port_name, f"{path}.service.port.name", named)
    elif number:
        out += checks.port(number, f"{path}.service.port.number")
    else:
        out.append(required(path, "port name or number is required"))
    return out


def _tls(tls: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for i, host in enumerate(tls.get("hosts") or ()):
        out += _host(host, f"{path}.hosts[{i}]")
    if secret := tls.get("secretName"):
        out += checks.named(names.dns1123_subdomain, f"{path}.secretName", secret)
    return out
