"""Fills Secrets of type ``kubernetes.io/service-account-token``, and deletes those whose ServiceAccount has gone.

The token does not expire; it is good as long as the Secret and the ServiceAccount exist (``apiserver/tokens.py`` checks
that). ``filled`` is pure. Source: https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets
and upstream's ``serviceaccount/tokens_controller.go``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from kubette.api import errors, meta
from kubette.api.meta import Object
from kubette.controllers.base import Controller, Index, Key, kind
from kubette.controllers.writes import Delete, Update

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"  # annotations
_ISSUER = "kubernetes/serviceaccount"
_CLAIM = "kubernetes.io/serviceaccount/"


def claims(account: Object, secret: Object) -> Object:
    """What the token says: upstream's legacy claims."""
    namespace, name = meta.key(account)
    return {
        "iss": _ISSUER,
        "sub": f"system:serviceaccount:{namespace}:{name}",
        _CLAIM + "namespace": namespace,
        _CLAIM + "secret.name": meta.name(secret),
        _CLAIM + "service-account.name": name,
        _CLAIM + "service-account.uid": meta.uid(account),
    }


def filled(secret: Object, account: Object, root_ca: str, sign: Callable[[Object], str]) -> Object:
    """The Secret with all that belongs into it; equal to ``secret`` when nothing is missing."""
    data = dict(secret.get("data") or {})
    if root_ca:
        data["ca.crt"] = _encoded(root_ca)
    if not data.get("namespace"):
        data["namespace"] = _encoded(meta.namespace(secret))
    if not data.get("token"):
        data["token"] = _encoded(sign(claims(account, secret)))
    if data == (secret.get("data") or {}):
        return secret
    annotations = {**meta.annotations(secret), NAME: meta.name(account), UID: meta.uid(account)}
    return {**secret, "metadata": {**secret["metadata"], "annotations": annotations}, "data": data}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class ServiceAccountToken(Controller[Key]):
    """Keyed by Secret."""

    name = "serviceaccount-token-controller"

    def watch(self) -> None:
        self.secrets, self.accounts = self.cluster.informer("secrets"), self.cluster.informer("serviceaccounts")
        self.tokens = Index(self.secrets, _account_of)
        self.secrets.subscribe(self._secret_changed)
        self.accounts.subscribe(self._account_changed)

    def _secret_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if new is not None and _account_of(new):
            self.queue.add(key)

    def _account_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or meta.uid(old) != meta.uid(new):
            for secret in self.tokens.get("/".join(key)):
                self.queue.add(meta.key(secret))

    async def reconcile(self, key: Key) -> float | None:
        secret = self.secrets.items.get(key)
        if secret is None or meta.deleting(secret) or not _account_of(secret):
            return None
        account = await self._account(secret)
        if account is None:
            await self.carry_out([Delete(kind("secrets"), secret)])
            return None
        if self.config.token_key is None:
            return None
        wanted = filled(secret, account, self.config.root_ca, self._sign)
        if wanted is not secret:
            await self.carry_out([Update(kind("secrets"), wanted)])
        return None

    async def _account(self, secret: Object) -> Object | None:
        """The ServiceAccount that the Secret names; that it is gone is asked of the API."""
        namespace, name, uid = meta.namespace(secret), meta.annotations(secret)[NAME], meta.annotations(secret).get(UID)
        known = self.accounts.items.get((namespace, name))
        if known is None or (uid and meta.uid(known) != uid):
            try:
                known = await self.api.get(kind("serviceaccounts"), name, namespace)
            except errors.NotFound:
                return None
        return known if not uid or meta.uid(known) == uid else None

    def _sign(self, wanted: Object) -> str:
        import jwt

        assert self.config.token_key is not None
        return jwt.encode(wanted, self.config.token_key.read_bytes(), algorithm="ES256")


def _account_of(secret: Object) -> tuple[str, ...]:
    name = meta.annotations(secret).get(NAME) if secret.get("type") == TYPE else None
    return (f"{meta.namespace(secret)}/{name}",) if name else ()
