"""Ingresses. Source: pkg/registry/networking/ingress, networking/validation (ValidateIngressCreate)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import addresses, checks
from kubette.apiserver.registry.base import Context, Strategy
from kubette.apiserver.registry.service_validation import load_balancer_ingress

Object = dict[str, Any]
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_CLASS = "kubernetes.io/ingress.class"
_BAD_ENDS = ("/..", "/.")


class Ingresses(Strategy):
    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        obj["status"] = {"loadBalancer": {}}

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        out = _validate(spec)
        marked, name = _class_annotation(obj), spec.get("ingressClassName")
        if marked is not None and name is not None and marked != name:
            words = "must match `ingressClassName` when both are specified"
            out.append(invalid(f"annotations.{_CLASS}", marked, words))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """An update may keep a Secret's name, a rule and two forms of class that an older server accepted."""
        if ctx.subresource == "status":
            return load_balancer_ingress(_addresses(new), "status.loadBalancer.ingress", _addresses(old), ports=False)
        spec = old.get("spec") or {}
        any_secret = any(_secret(t, "") for t in spec.get("tls") or ())
        any_wildcard = any("*" in (r.get("host") or "") and _rule(r, "") for r in spec.get("rules") or ())
        return _validate(new.get("spec") or {}, any_secret=any_secret, any_wildcard=any_wildcard)

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        if _class_annotation(obj) is not None and (obj.get("spec") or {}).get("ingressClassName") is None:
            yield f'annotation "{_CLASS}" is deprecated, please use \'spec.ingressClassName\' instead'

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        if ctx.subresource == "status":
            for i, one in enumerate(_addresses(new)):
                if one.get("ip"):
                    yield from addresses.ip_warnings(one["ip"], f"status.loadBalancer.ingress[{i}]")


def _addresses(obj: Object) -> list[Object]:
    return ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []


def _class_annotation(obj: Object) -> str | None:
    value = (obj["metadata"].get("annotations") or {}).get(_CLASS)
    return None if value is None else str(value)


def _validate(spec: Object, *, any_secret: bool = False, any_wildcard: bool = False) -> list[FieldError]:
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    out: list[FieldError] = []
    if not rules and backend is None:
        out.append(invalid("spec", rules or None, "either `defaultBackend` or `rules` must be specified"))
    if backend is not None:
        out += _backend(backend, "spec.defaultBackend")
    for i, rule in enumerate(rules):
        out += _rule(rule, f"spec.rules[{i}]", any_wildcard)
    for i, tls in enumerate(spec.get("tls") or ()):
        for j, host in enumerate(tls.get("hosts") or ()):
            out += _host(host, f"spec.tls[{i}].hosts[{j}]")
        out += [] if any_secret else _secret(tls, f"spec.tls[{i}].secretName")
    if (name := spec.get("ingressClassName")) is not None:
        out += checks.named(names.dns1123_subdomain, "spec.ingressClassName", name)
    return out


def _secret(tls: Object, path: str) -> list[FieldError]:
    return checks.named(names.dns1123_subdomain, path, tls["secretName"]) if tls.get("secretName") else []


def _host(host: str, path: str) -> list[FieldError]:
    if "*" in host:
        return checks.named(names.wildcard_dns1123_subdomain, path, host)
    return checks.named(names.dns1123_subdomain, path, host)


def _rule(rule: Object, path: str, any_wildcard: bool = False) -> list[FieldError]:
    """``any_wildcard``: the paths of a wildcard host are not looked at."""
    out: list[FieldError] = []
    if host := rule.get("host"):
        if _is_ip(host):
            out.append(invalid(f"{path}.host", host, "must be a DNS name, not an IP address"))
        out += _host(host, f"{path}.host")
    http = rule.get("http")
    if http is not None and not (any_wildcard and "*" in (rule.get("host") or "")):
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
        return [required(f"{path}.pathType", "pathType must be specified")]
    if kind in ("Exact", "Prefix"):
        if not value.startswith("/"):
            out.append(invalid(f"{path}.path", value, "must be an absolute path"))
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
        return checks.typed_reference(other, f"{path}.resource")
    if service is None:
        return [invalid(path, "", "resource or service backend is required")]
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
