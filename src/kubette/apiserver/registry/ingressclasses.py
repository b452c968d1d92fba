"""IngressClasses. Source: networking/validation (ValidateIngressClass)."""

from __future__ import annotations

import re
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, invalid, required, too_long
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_MAX_CONTROLLER = 250
_PATH_FORM = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_HTTP_PATH = re.compile(_PATH_FORM).fullmatch


class IngressClasses(Strategy):
    def default(self, obj: Object) -> None:
        parameters = (obj.get("spec") or {}).get("parameters")
        if parameters is not None:
            parameters.setdefault("scope", "Cluster")

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        controller = spec.get("controller") or ""
        out = [too_long("spec.controller", _MAX_CONTROLLER)] if len(controller.encode()) > _MAX_CONTROLLER else []
        out += _domain_prefixed(controller, "spec.controller")
        if (parameters := spec.get("parameters")) is not None:
            out += _parameters(parameters, "spec.parameters")
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        now, before = (new.get("spec") or {}).get("controller"), (old.get("spec") or {}).get("controller")
        return checks.immutable(now, before, "spec.controller") + self.validate(new, ctx)


def _parameters(parameters: Object, path: str) -> list[FieldError]:
    out = checks.typed_reference(parameters, path)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    out += checks.known(scope, ("Cluster", "Namespace"), f"{path}.scope")
    if scope == "Namespace":
        if namespace is None:
            out.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
        else:
            out += checks.named(names.dns1123_label, f"{path}.namespace", namespace)
    if scope == "Cluster" and namespace is not None:
        words = "`parameters.scope` is set to 'Cluster'"
        out.append(forbidden(f"{path}.namespace", words))
    return out


def _domain_prefixed(value: str, path: str) -> list[FieldError]:
    """``acme.io/foo``: a domain, and a path below it."""
    if not value:
        return [required(path)]
    domain, _, rest = value.partition("/")
    if not domain or not rest:
        return [invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    out = checks.named(names.dns1123_subdomain, path, domain)
    if not _HTTP_PATH(rest):
        out.append(invalid(path, rest, f"Invalid path (regex used for validation is '{_PATH_FORM}')"))
    return out
