"""IngressClasses. Source: networking/validation (ValidateIngressClass)."""

from __future__ import annotations

from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, forbidden, required, too_long
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_MAX_CONTROLLER = 250


class IngressClasses(Strategy):
    def default(self, obj: Object) -> None:
        parameters = (obj.get("spec") or {}).get("parameters")
        if parameters is not None:
            parameters.setdefault("scope", "Cluster")

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        controller = spec.get("controller") or ""
        if not controller:
            out = [required("spec.controller")]
        elif len(controller) > _MAX_CONTROLLER:
            out = [too_long("spec.controller", _MAX_CONTROLLER)]
        else:
            out = checks.named(_domain_prefixed, "spec.controller", controller)
        if (parameters := spec.get("parameters")) is not None:
            out += _parameters(parameters, "spec.parameters")
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        now, before = (new.get("spec") or {}).get("controller"), (old.get("spec") or {}).get("controller")
        return checks.immutable(now, before, "spec.controller") + self.validate(new, ctx)


def _parameters(parameters: Object, path: str) -> list[FieldError]:
    out = [required(f"{path}.{f}", f"{f} is required") for f in ("kind", "name") if not parameters.get(f)]
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    out += checks.one_of(scope, ("Cluster", "Namespace"), f"{path}.scope")
    if scope == "Namespace" and not namespace:
        words = "`parameters.scope` is set to 'Namespace'"
        out.append(required(f"{path}.namespace", words))
    if scope == "Cluster" and namespace is not None:
        words = "`parameters.scope` is set to 'Cluster'"
        out.append(forbidden(f"{path}.namespace", words))
    return out


def _domain_prefixed(value: str) -> list[str]:
    domain, slash, path = value.partition("/")
    if not slash or not domain or not path:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    return names.dns1123_subdomain(domain)
