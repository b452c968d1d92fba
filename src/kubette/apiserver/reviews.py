"""Reviews: questions about identity and permission that are created and never stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubette.api.errors import BadRequest, FieldError, invalid, invalid_object
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
    if errors := review_errors(kind.kind, namespace, obj):
        raise invalid_object(kind.kind, "", errors, kind.group)
    match kind.kind:
        case "SelfSubjectAccessReview":
            obj["status"] = _access(app, user, spec)
        case "SubjectAccessReview" | "LocalSubjectAccessReview":
            subject = User(spec.get("user") or "", tuple(spec.get("groups") or ()))
            obj["status"] = _access(app, subject, spec)
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
    return out


def _access(app: App, user: User, spec: Object) -> Object:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
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
