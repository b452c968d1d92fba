"""Who asks: client certificates and ServiceAccount tokens. Decides identity, never permission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubette.api import names
from kubette.api.errors import Unauthorized
from kubette.apiserver.tokens import BadToken, Tokens, extra

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
#: Group and prefix of the users that are nodes.
NODES, NODE_PREFIX = "system:nodes", "system:node:"
_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class User:
    """An identity, as ``authentication.k8s.io`` UserInfo."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, list[str]] = field(default_factory=dict, hash=False, compare=False)

    def info(self) -> dict[str, Any]:
        out: dict[str, Any] = {"username": self.name}
        if self.uid:
            out["uid"] = self.uid
        if self.groups:
            out["groups"] = list(self.groups)
        if self.extra:
            out["extra"] = dict(self.extra)
        return out


ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))


def node_of(user: User) -> str | None:
    """The node that asks; None for everybody else. A member of the group that names no node is the node ""."""
    if NODES not in user.groups or not user.name.startswith(NODE_PREFIX):
        return None
    return user.name.removeprefix(NODE_PREFIX)


def service_account(name: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount that a user's name is; None where it is none's."""
    if not name.startswith(_ACCOUNT):
        return None
    parts = name.removeprefix(_ACCOUNT).split(":")
    if len(parts) != 2 or names.dns1123_label(parts[0]) or names.dns1123_subdomain(parts[1]):
        return None
    return parts[0], parts[1]


def from_certificate(peercert: Mapping[str, Any]) -> User | None:
    """Of ``SSLObject.getpeercert()``: CN is the name, each O a group. None without a CN."""
    name = ""
    groups = []
    for rdn in peercert.get("subject", ()):
        for attribute, value in rdn:
            if attribute == "commonName":
                name = value
            elif attribute == "organizationName":
                groups.append(value)
    return User(name, (*groups, AUTHENTICATED)) if name else None


def from_claims(claims: Mapping[str, Any]) -> User:
    """The user of a verified ServiceAccount token."""
    private = claims["kubernetes.io"]
    namespace = private["namespace"]
    return User(
        claims["sub"],
        ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED),
        private["serviceaccount"]["uid"],
        extra(dict(claims)),
    )


def authenticate(peercert: Mapping[str, Any] | None, authorization: str, tokens: Tokens) -> User | None:
    """The user, None where no credentials were given. Raises Unauthorized for bad ones."""
    if peercert and (user := from_certificate(peercert)):
        return user
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    try:
        return from_claims(tokens.verify(token.strip()))
    except BadToken as e:
        raise Unauthorized("Unauthorized") from e
