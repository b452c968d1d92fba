"""ServiceAccount tokens: signed and verified here, nowhere else. ES256 JWTs with upstream's claims.

Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ and upstream's
``pkg/serviceaccount``. A token is good as long as its ServiceAccount, and the object that it is bound to, exist with
the uid that it names. A token in a Secret does not expire; it is good as long as the Secret holds it.
"""

from __future__ import annotations

import base64
import hmac
import math
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from kubette.api import meta
from kubette.api.caching import Cache
from kubette.api.meta import Object
from kubette.apiserver.registry.config import TokenClaims

_CLAIM = "kubernetes.io"
_CACHE = 1024, 16 << 20, 64 << 10  # tokens, bytes of all, bytes of one
_CLAIMS_FACTOR = 8  # memory of a token and its decoded claims, in lengths of the token
_LEGACY_ISSUER, _LEGACY = "kubernetes/serviceaccount", "kubernetes.io/serviceaccount/"
_INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"  # label of a Secret
_LEEWAY = 60.0  # seconds for which a token outlives the deletion mark of what it is bound to
#: (resource, namespace, name) → the object, or None.
Find = Callable[[str, str, str], Object | None]


class BadToken(Exception):
    """The token proves nothing."""


class Tokens:
    """Signs and checks tokens with the key in ``key_file``."""

    def __init__(self, key_file: Path, issuer: str, find: Find) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_file}: not an EC key")
        self._key = key
        self._public = key.public_key()
        self._issuer = issuer
        self._find = find
        self._verified: Cache[str, Object] = Cache(*_CACHE)

    def sign(self, wanted: TokenClaims) -> tuple[str, str]:
        """The JWT, and until when its bearer may rely on it (RFC 3339)."""
        import jwt

        now = int(time.time())
        expires = now + wanted.expiration_seconds
        private: Object = {
            "namespace": wanted.namespace,
            "serviceaccount": {"name": wanted.service_account, "uid": wanted.uid},
        }
        if wanted.bound_kind:
            private[wanted.bound_kind.lower()] = {"name": wanted.bound_name, "uid": wanted.bound_uid}
        if wanted.node_name and wanted.bound_kind != "Node":
            private["node"] = {"name": wanted.node_name, "uid": wanted.node_uid}
        if wanted.warn_after:
            private["warnafter"] = now + wanted.warn_after
        claims = {
            "aud": list(wanted.audiences), "exp": expires, "iat": now, "nbf": now, "iss": self._issuer,
            "jti": str(uuid.uuid4()), _CLAIM: private,
            "sub": f"system:serviceaccount:{wanted.namespace}:{wanted.service_account}",
        }  # fmt: skip
        token = jwt.encode(claims, self._key, algorithm="ES256")
        told = now + (wanted.warn_after or wanted.expiration_seconds)
        return token, meta.format_time(datetime.fromtimestamp(told, UTC))

    def verify(self, token: str, audiences: Sequence[str] = ()) -> Object:
        """The claims of a good token meant for one of ``audiences`` (default: this server). Raises BadToken."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._decode(token)
            self._verified.put(token, claims, _CLAIMS_FACTOR * len(token))
        if claims.get("exp", math.inf) <= time.time():
            raise BadToken("token has expired")
        if not set(audiences or (self._issuer,)) & set(claims["aud"]):
            raise BadToken("token audiences do not match")
        private = claims[_CLAIM]
        namespace = private["namespace"]
        self._alive("serviceaccounts", namespace, private["serviceaccount"])
        for field, resource in (("pod", "pods"), ("secret", "secrets")):
            if bound := private.get(field):
                self._alive(resource, namespace, bound)
        if not private.get("pod") and (node := private.get("node")):
            self._alive("nodes", "", node)
        if "legacy" in claims:
            self._is_held(token, namespace, claims["legacy"])
        return claims

    def jwks(self) -> Object:
        """The public key as a JSON Web Key Set."""
        import json

        from jwt.algorithms import ECAlgorithm

        key = json.loads(ECAlgorithm.to_jwk(self._public))
        return {"keys": [{**key, "use": "sig", "alg": "ES256"}]}

    def _decode(self, token: str) -> Object:
        """The claims of a token that this server signed; those of a Secret in the form of the others."""
        import jwt

        try:
            claims: Object = jwt.decode(
                token, self._public, algorithms=["ES256"], options={"verify_aud": False, "require": ["iss", "sub"]}
            )
            if claims["iss"] == _LEGACY_ISSUER:
                return self._from_legacy(claims)
            if claims["iss"] != self._issuer:
                raise BadToken("the token has another issuer")
            audience = claims["aud"]
            claims["aud"] = [audience] if isinstance(audience, str) else list(audience)
            claims["exp"], claims[_CLAIM]["serviceaccount"]["uid"], claims[_CLAIM]["namespace"]
            claims.pop("legacy", None)
        except (jwt.PyJWTError, KeyError, TypeError) as e:
            raise BadToken(str(e)) from e
        return claims

    def _from_legacy(self, claims: Object) -> Object:
        namespace, name = claims[_LEGACY + "namespace"], claims[_LEGACY + "service-account.name"]
        if claims["sub"] != f"system:serviceaccount:{namespace}:{name}":
            raise BadToken("sub claim is invalid")
        account = {"name": name, "uid": claims[_LEGACY + "service-account.uid"]}
        return {
            "sub": claims["sub"],
            "aud": [self._issuer],
            "legacy": claims[_LEGACY + "secret.name"],
            _CLAIM: {"namespace": namespace, "serviceaccount": account},
        }

    def _alive(self, resource: str, namespace: str, reference: dict[str, str]) -> None:
        found = self._find(resource, namespace, reference["name"])
        if found is None or meta.uid(found) != reference["uid"]:
            raise BadToken(f"{resource} {namespace}/{reference['name']} is gone")
        deleted = meta.metadata(found).get("deletionTimestamp")
        if deleted and meta.parse_time(deleted).timestamp() < time.time() - _LEEWAY:
            raise BadToken(f"{resource} {namespace}/{reference['name']} has been deleted")

    def _is_held(self, token: str, namespace: str, name: str) -> None:
        """The Secret still holds this very token."""
        secret = self._find("secrets", namespace, name)
        if secret is None or meta.deleting(secret):
            raise BadToken("Token has been invalidated")
        held = base64.b64decode((secret.get("data") or {}).get("token") or "")
        if not hmac.compare_digest(held, token.encode()):
            raise BadToken("Token does not match server's copy")
        if meta.labels(secret).get(_INVALID_SINCE):
            raise BadToken(f"the token in secret {namespace}/{name} has been marked invalid")


def extra(claims: Object) -> dict[str, list[str]]:
    """``userInfo.extra`` of a token's claims, as upstream spells it."""
    private = claims[_CLAIM]
    out: dict[str, list[str]] = {}
    if jti := claims.get("jti"):
        out["authentication.kubernetes.io/credential-id"] = [f"JTI={jti}"]
    for field in ("pod", "node"):
        if bound := private.get(field):
            out[f"authentication.kubernetes.io/{field}-name"] = [bound["name"]]
            out[f"authentication.kubernetes.io/{field}-uid"] = [bound["uid"]]
    return out
