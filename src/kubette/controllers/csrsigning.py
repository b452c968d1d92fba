"""Issues the certificates of approved requests to the ``kubernetes.io`` signers, and fails those it may not sign.

The key of the CA is read from its file when there is something to sign, and not kept.
"""

from __future__ import annotations

import base64

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers import signers
from kubette.controllers.base import Controller, Key
from kubette.controllers.csrapproving import condition_true
from kubette.controllers.writes import Patch


class CsrSigning(Controller[Key]):
    name = "csrsigning"

    def watch(self) -> None:
        self.requests = self.cluster.informer("certificatesigningrequests.certificates.k8s.io")
        self.requests.subscribe(lambda key, old, new: self.queue.add(key) if new is not None else None)

    async def reconcile(self, key: Key) -> float | None:
        request = self.requests.items.get(key)
        if request is None or (request.get("status") or {}).get("certificate"):
            return None
        accepts = signers.SIGNERS.get(request["spec"].get("signerName") or "")
        if accepts is None or not condition_true(request, "Approved") or condition_true(request, "Failed", "Denied"):
            return None
        usages = request["spec"].get("usages") or []
        try:
            parsed = signers.parse(request)
            if refusal := accepts(parsed, usages):
                await self._store(request, {"conditions": [*_conditions(request), self._failed(refusal)]})
                return None
            authority = self._authority()
            if authority is None:
                return None
            seconds = request["spec"].get("expirationSeconds")
            issued = signers.sign(authority, parsed, usages, seconds, self.cluster.now())
        except ValueError as error:
            await self._store(request, {"conditions": [*_conditions(request), self._failed(str(error))]})
            return None
        await self._store(request, {"certificate": base64.b64encode(issued).decode()})
        return None

    def _authority(self) -> signers.Authority | None:
        cert, key = self.config.signing_cert, self.config.signing_key
        if cert is None or key is None:
            return None
        return signers.Authority.load(cert.read_bytes(), key.read_bytes())

    def _failed(self, message: str) -> Object:
        now = meta.format_time(self.cluster.now())
        failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": message}
        return {**failed, "lastUpdateTime": now, "lastTransitionTime": now}

    async def _store(self, request: Object, status: Object) -> None:
        at = {"uid": meta.uid(request), "resourceVersion": meta.resource_version(request)}
        await self.carry_out([Patch(self.requests.kind, request, {"metadata": at, "status": status}, "status")])


def _conditions(request: Object) -> list[Object]:
    return (request.get("status") or {}).get("conditions") or []
