"""ServiceAccounts and their tokens. Source: pkg/registry/core/serviceaccount (storage/token.go)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kubette.api import meta
from kubette.api.errors import (
    BadRequest,
    FieldError,
    ServiceUnavailable,
    conflict,
    invalid,
    invalid_object,
    not_found,
)
from kubette.api.kinds import resource
from kubette.apiserver.registry import config
from kubette.apiserver.registry.base import Context, Strategy, SubresourceResult
from kubette.apiserver.registry.config import TokenClaims

Object = dict[str, Any]
_GROUP = "authentication.k8s.io"
_DEFAULT_SECONDS, _SHORTEST, _LONGEST = 3600, 600, 1 << 32
#: The lifetime that admission puts into a pod's own volume; a token that asks for it is good for a year, since old
#: clients read their token once.
_RENEWED_SECONDS, _EXTENDED_SECONDS = 3607, 365 * 24 * 3600
_ONLY_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"
_BINDABLE = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


class ServiceAccounts(Strategy):
    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        _only_names(obj)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        super().prepare_update(new, old, ctx)
        _only_names(new)

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        if _ONLY_MOUNTABLE in meta.annotations(obj):
            words = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
            yield f"metadata.annotations[{_ONLY_MOUNTABLE}]: {words}"

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        return () if _ONLY_MOUNTABLE in meta.annotations(old) else self.warnings_on_create(new, ctx)

    def connect(self, sub: str, parent: Object, body: Object, ctx: Context) -> SubresourceResult | None:
        return _token(parent, body, ctx) if sub == "token" else None


def _only_names(account: Object) -> None:
    """Of a referenced Secret only the name counts."""
    if account.get("secrets"):
        account["secrets"] = [{"name": s["name"]} if s.get("name") else {} for s in account["secrets"]]


def _token(account: Object, request: Object, ctx: Context) -> SubresourceResult:
    settings = config.current()
    if settings.sign_token is None:
        raise ServiceUnavailable("this server has no key to sign tokens with")
    name, namespace = meta.name(account), meta.namespace(account)
    _check_identity(meta.metadata(request), account)
    spec = request.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    seconds = _DEFAULT_SECONDS if seconds is None else seconds
    if errors := _seconds(seconds):
        raise invalid_object("TokenRequest", "", errors, _GROUP)
    if meta.deleting(account):
        raise conflict("serviceaccounts", name, why="the service account is being deleted")
    audiences = tuple(spec.get("audiences") or settings.api_audiences)
    bound = _bound(spec.get("boundObjectRef"), account, ctx)
    claims = TokenClaims(namespace, name, meta.uid(account), audiences, seconds, **bound)
    own = claims.bound_kind == "Pod" and set(audiences) <= set(settings.api_audiences)
    if own and seconds == _RENEWED_SECONDS:
        claims = replace(claims, expiration_seconds=_EXTENDED_SECONDS, warn_after=seconds)
    token, expires = settings.sign_token(claims)
    answer: Object = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": name, "namespace": namespace, "uid": meta.uid(account), "creationTimestamp": ctx.now(),
        },
        "spec": {"audiences": list(audiences), "expirationSeconds": seconds},
        "status": {"token": token, "expirationTimestamp": expires},
    }
    if reference := spec.get("boundObjectRef"):
        answer["spec"]["boundObjectRef"] = reference
    return SubresourceResult(answer=answer)


def _check_identity(wanted: Object, account: Object) -> None:
    """What the request's own metadata says of the account holds. Raises otherwise."""
    name, namespace, uid = meta.name(account), meta.namespace(account), meta.uid(account)
    if wanted.get("namespace") and wanted["namespace"] != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    if wanted.get("name") and wanted["name"] != name:
        error = invalid("metadata.name", wanted["name"], "must match the service account name if specified")
        raise invalid_object("TokenRequest", name, [error], _GROUP)
    if wanted.get("uid") and wanted["uid"] != uid:
        why = f"the UID in the token request ({wanted['uid']}) does not match the UID of the service account ({uid})"
        raise conflict("TokenRequest", name, _GROUP, why)


def _seconds(seconds: int) -> list[FieldError]:
    path = "spec.expirationSeconds"
    if seconds < _SHORTEST:
        return [invalid(path, seconds, "may not specify a duration less than 10 minutes")]
    if seconds > _LONGEST:
        return [invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []


def _bound(ref: Object | None, account: Object, ctx: Context) -> dict[str, Any]:
    """The claims about the object that the token is bound to. Raises when it is not what the request says."""
    if not ref:
        return {}
    kind, name = ref.get("kind") or "", ref.get("name") or ""
    group, _, version = (ref.get("apiVersion") or "").rpartition("/")
    plural = _BINDABLE.get(kind)
    if plural is None or group:
        raise BadRequest(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    namespace = None if kind == "Node" else meta.namespace(account)
    found = ctx.reader.get(resource(plural), namespace, name)
    if found is None:
        raise not_found(plural, name)
    uid = meta.uid(found)
    if kind == "Pod" and (found.get("spec") or {}).get("serviceAccountName") != meta.name(account):
        raise BadRequest(
            f'cannot bind token for serviceaccount "{meta.name(account)}" to pod running with '
            "different serviceaccount name."
        )
    if ref.get("uid") and ref["uid"] != uid:
        why = (
            f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise conflict(kind, name, why=why)
    out = {"bound_kind": kind, "bound_name": name, "bound_uid": uid}
    if kind == "Pod" and (node := (found.get("spec") or {}).get("nodeName")):
        out["node_name"] = node
        found_node = ctx.reader.get(resource("nodes"), None, node)
        out["node_uid"] = meta.uid(found_node) if found_node else ""
    return out
