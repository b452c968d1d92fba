"""Reviews: questions about identity and permission that are created and never stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubette.api.errors import BadRequest, FieldError, invalid, invalid_object, required
from kubette.api.kinds import Kind
from kubette.api.selectors import parse_fields
from kubette.apiserver.authn import User, from_claims, node_of
from kubette.apiserver.rbac import MASTERS, Attributes
from kubette.apiserver.tokens import BadToken

if TYPE_CHECKING:
    from kubette.apiserver.app import App

Object = dict[str, Any]
_ATTRIBUTES = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
_OPERATORS = {"In": "=", "NotIn": "!="}


def answer(app: App, user: User, kind: Kind, namespace: str, obj: Object) -> Object:
    """The review with its ``status`` filled in."""
    spec = obj.get("spec") or {}
    obj.setdefault("metadata", {})
    if errors := review_errors(kind.kind, namespace, obj):
        raise invalid_object(kind.kind, "", errors, kind.group)
    match kind.kind:
        case "SelfSubjectAccessReview":
            obj["status"] = _access(app, user, spec)
        case "SubjectAccessReview" | "LocalSubjectAccessReview":
            groups, extra = tuple(spec.get("groups") or ()), spec.get("extra") or {}
            obj["status"] = _access(app, User(spec.get("user") or "", groups, spec.get("uid") or "", extra), spec)
        case "SelfSubjectRulesReview":
            if not spec.get("namespace"):
                raise BadRequest("no namespace on request")
            obj["status"] = _rules(app, user, spec["namespace"])
        case "SelfSubjectReview":
            obj["status"] = {"userInfo": user.info()}
        case "TokenReview":
            if not spec.get("token"):
                raise BadRequest("token is required for TokenReview in authentication")
            obj["status"] = _token(app, spec)
        case _:
            raise BadRequest(f"{kind.kind} cannot be answered")
    return obj


def review_errors(kind: str, namespace: str, obj: Object) -> list[FieldError]:
    """What upstream's pkg/apis/authorization/validation refuses in an access review. Pure."""
    if not kind.endswith("AccessReview"):
        return []
    spec, local = obj.get("spec") or {}, kind.startswith("Local")
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    out: list[FieldError] = []
    if resource is not None and other is not None:
        words = "cannot be specified in combination with resourceAttributes"
        out.append(invalid("spec.nonResourceAttributes", other, words))
    if resource is None and other is None:
        words = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        out.append(invalid("spec.resourceAttributes", None, words))
    if not kind.startswith("Self") and not spec.get("user") and not spec.get("groups"):
        out.append(invalid("spec.user", "", "at least one of user or group must be specified"))
    allowed = ("managedFields", "namespace") if local else ("managedFields",)
    if extra := {k: v for k, v in obj["metadata"].items() if v and k not in allowed}:
        out.append(invalid("metadata", extra, "must be empty except for namespace" if local else "must be empty"))
    if local and resource is not None and (resource.get("namespace") or "") != namespace:
        path = "spec.resourceAttributes.namespace"
        out.append(invalid(path, resource.get("namespace") or "", "must match metadata.namespace"))
    if local and other is not None:
        out.append(invalid("spec.nonResourceAttributes", other, "disallowed on this kind of request"))
    for field in ("fieldSelector", "labelSelector"):
        out += _selector_errors((resource or {}).get(field), f"spec.resourceAttributes.{field}")
    return out


def _selector_errors(selector: Object | None, path: str) -> list[FieldError]:
    if selector is None:
        return []
    raw, requirements = selector.get("rawSelector"), selector.get("requirements")
    if raw and requirements:
        return [invalid(f"{path}.rawSelector", raw, "may not specified at the same time as requirements")]
    if not raw and not requirements:
        words = f"when {path} is specified, requirements or rawSelector is required"
        return [required(f"{path}.requirements", words)]
    return []


def _access(app: App, user: User, spec: Object) -> Object:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes") or {}
    if resource is None:
        asked = Attributes(other.get("verb") or "", path=other.get("path") or "")
    else:
        given = {name: resource.get(name) or "" for name in _ATTRIBUTES}
        asked = Attributes(**given, fields=_fields(resource.get("fieldSelector") or {}))
    return {"allowed": app.authorizer.allowed(user, asked)}


def _fields(selector: Object) -> tuple[tuple[str, str, str], ...]:
    """The terms of a field selector. What is not understood is left out: the question is then a broader one."""
    if raw := selector.get("rawSelector"):
        try:
            return parse_fields(raw).terms
        except ValueError:
            return ()
    return tuple(
        (r.get("key") or "", _OPERATORS[r["operator"]], r["values"][0])
        for r in selector.get("requirements") or ()
        if r.get("operator") in _OPERATORS and len(r.get("values") or ()) == 1
    )


def _rules(app: App, user: User, namespace: str) -> Object:
    rules = list(app.authorizer.rules(user, namespace))
    if MASTERS in user.groups:
        rules.append({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
        rules.append({"verbs": ["*"], "nonResourceURLs": ["*"]})
    return {
        "resourceRules": [r for r in rules if r.get("resources")],
        "nonResourceRules": [r for r in rules if r.get("nonResourceURLs")],
        "incomplete": node_of(user) is not None,  # what a node may depends on its pods
    }


def _token(app: App, spec: Object) -> Object:
    audiences = spec.get("audiences") or [app.config.issuer]
    try:
        claims = app.tokens.verify(spec.get("token") or "", audiences)
    except BadToken as e:
        return {"authenticated": False, "user": {}, "error": str(e)}
    meant = set(claims["aud"])
    good = [a for a in audiences if a in meant]
    return {"authenticated": True, "user": from_claims(claims).info(), "audiences": good}
