"""Reviews: questions about identity and permission that are created and never stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubette.api.errors import BadRequest, invalid_object, required
from kubette.api.kinds import Kind
from kubette.apiserver.authn import User, from_claims
from kubette.apiserver.rbac import MASTERS, Attributes
from kubette.apiserver.tokens import BadToken

if TYPE_CHECKING:
    from kubette.apiserver.app import App

Object = dict[str, Any]


def answer(app: App, user: User, kind: Kind, namespace: str, obj: Object) -> Object:
    """The review with its ``status`` filled in."""
    spec = obj.get("spec") or {}
    obj.setdefault("metadata", {})
    match kind.kind:
        case "SelfSubjectAccessReview":
            obj["status"] = _access(app, user, kind, obj, spec)
        case "SubjectAccessReview" | "LocalSubjectAccessReview":
            if kind.kind.startswith("Local"):
                asked = (spec.get("resourceAttributes") or {}).get("namespace", "")
                if asked != namespace:
                    raise BadRequest("namespace on the URL does not match spec.resourceAttributes.namespace")
            if not spec.get("user") and not spec.get("groups"):
                error = required("spec.user", "at least one of user or group must be specified")
                raise invalid_object(kind.kind, "", [error], kind.group)
            subject = User(spec.get("user") or "", tuple(spec.get("groups") or ()))
            obj["status"] = _access(app, subject, kind, obj, spec)
        case "SelfSubjectRulesReview":
            obj["status"] = _rules(app, user, spec.get("namespace") or "")
        case "SelfSubjectReview":
            obj["status"] = {"userInfo": user.info()}
        case "TokenReview":
            obj["status"] = _token(app, spec)
        case _:
            raise BadRequest(f"{kind.kind} cannot be answered")
    return obj


def _access(app: App, user: User, kind: Kind, obj: Object, spec: Object) -> Object:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (other is None):
        words = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise invalid_object(kind.kind, "", [required("spec.resourceAttributes", words)], kind.group)
    if resource is not None:
        asked = Attributes(
            resource.get("verb", ""), resource.get("group", ""), resource.get("version", ""),
            resource.get("resource", ""), resource.get("subresource", ""), resource.get("namespace", ""),
            resource.get("name", ""),
        )  # fmt: skip
    else:
        asked = Attributes((other or {}).get("verb", ""), path=(other or {}).get("path", ""))
    return {"allowed": True} if app.authorizer.allowed(user, asked) else {"allowed": False}


def _rules(app: App, user: User, namespace: str) -> Object:
    rules = list(app.authorizer.rules(user, namespace))
    if MASTERS in user.groups:
        rules.append({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
        rules.append({"verbs": ["*"], "nonResourceURLs": ["*"]})
    return {
        "resourceRules": [r for r in rules if r.get("resources")],
        "nonResourceRules": [r for r in rules if r.get("nonResourceURLs")],
        "incomplete": False,
    }


def _token(app: App, spec: Object) -> Object:
    audiences = spec.get("audiences") or [app.config.issuer]
    try:
        claims = app.tokens.verify(spec.get("token") or "", audiences)
    except BadToken as e:
        return {"authenticated": False, "user": {}, "error": str(e)}
    good = [a for a in audiences if a in claims["aud"]]
    return {"authenticated": True, "user": from_claims(claims).info(), "audiences": good}
