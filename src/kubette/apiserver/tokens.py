"""ServiceAccount tokens: signed and verified here, nowhere else. ES256 JWTs with upstream's claims.

Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ . A token is good as
long as its ServiceAccount, and the object that it is bound to, exist with the uid that it names.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubette.api import meta
from kubette.apiserver.registry.config import TokenClaims

_CLAIM = "kubernetes.io"
_CACHE = 1024
#: (resource, namespace, name) → the object's uid, or None.
UidOf = Callable[[str, str, str], str | None]


class BadToken(Exception):
    """The token proves nothing."""


class Tokens:
    """Signs and checks tokens with the key in ``key_file``."""

    def __init__(self, key_file: Path, issuer: str, uid_of: UidOf) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_file}: not an EC key")
        self._key = key
        self._public = key.public_key()
        self._issuer = issuer
        self._uid_of = uid_of
        self._verified: dict[str, dict[str, Any]] = {}

    def sign(self, wanted: TokenClaims) -> tuple[str, str]:
        """The JWT and its expiry (RFC 3339)."""
        import jwt

        now = int(time.time())
        expires = now + wanted.expiration_seconds
        private: dict[str, Any] = {
            "namespace": wanted.namespace,
            "serviceaccount": {"name": wanted.service_account, "uid": wanted.uid},
        }
        if wanted.bound_kind:
            private[wanted.bound_kind.lower()] = {"name": wanted.bound_name, "uid": wanted.bound_uid}
        if wanted.node_name and wanted.bound_kind != "Node":
            private["node"] = {"name": wanted.node_name, "uid": wanted.node_uid}
        claims = {
            "aud": list(wanted.audiences), "exp": expires, "iat": now, "nbf": now, "iss": self._issuer,
            "jti": str(uuid.uuid4()), _CLAIM: private,
            "sub": f"system:serviceaccount:{wanted.namespace}:{wanted.service_account}",
        }  # fmt: skip
        token = jwt.encode(claims, self._key, algorithm="ES256")
        return token, meta.format_time(datetime.fromtimestamp(expires, UTC))

    def verify(self, token: str, audiences: Sequence[str] = ()) -> dict[str, Any]:
        """The claims of a good token meant for one of ``audiences`` (default: this server). Raises BadToken."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._decode(token)
            if len(self._verified) >= _CACHE:
                self._verified.clear()
            self._verified[token] = claims
        if claims["exp"] <= time.time():
            raise BadToken("token has expired")
        if not set(audiences or (self._issuer,)) & set(claims["aud"]):
            raise BadToken("token audiences do not match")
        private = claims[_CLAIM]
        namespace = private["namespace"]
        self._alive("serviceaccounts", namespace, private["serviceaccount"])
        for field, resource in (("pod", "pods"), ("secret", "secrets")):
            if bound := private.get(field):
                self._alive(resource, namespace, bound)
        return claims

    def jwks(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        import json

        from jwt.algorithms import ECAlgorithm

        key = json.loads(ECAlgorithm.to_jwk(self._public))
        return {"keys": [{**key, "use": "sig", "alg": "ES256"}]}

    def _decode(self, token: str) -> dict[str, Any]:
        import jwt

        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._public, algorithms=["ES256"], issuer=self._issuer,
                options={"verify_aud": False, "require": ["exp", "iss", "sub", "aud"]},
            )  # fmt: skip
            audience = claims["aud"]
            claims["aud"] = [audience] if isinstance(audience, str) else list(audience)
            claims[_CLAIM]["serviceaccount"]["uid"], claims[_CLAIM]["namespace"]
        except (jwt.PyJWTError, KeyError, TypeError) as e:
            raise BadToken(str(e)) from e
        return claims

    def _alive(self, resource: str, namespace: str, reference: dict[str, str]) -> None:
        if self._uid_of(resource, namespace, reference["name"]) != reference["uid"]:
            raise BadToken(f"{resource} {namespace}/{reference['name']} is gone")


def extra(claims: dict[str, Any]) -> dict[str, list[str]]:
    """``userInfo.extra`` of a token's claims, as upstream spells it."""
    private = claims[_CLAIM]
    out = {"authentication.kubernetes.io/credential-id": [f"JTI={claims.get('jti', '')}"]}
    for field in ("pod", "node"):
        if bound := private.get(field):
            out[f"authentication.kubernetes.io/{field}-name"] = [bound["name"]]
            out[f"authentication.kubernetes.io/{field}-uid"] = [bound["uid"]]
    return out
