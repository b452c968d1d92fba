"""Approves the client certificates that nodes ask for themselves, where a right says that they may.

The requester needs ``create`` on ``certificatesigningrequests/selfnodeclient`` (a node that renews its own) or
``…/nodeclient`` (a new node with a bootstrap token). Source: upstream's ``certificates/approver``.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers import signers
from kubette.controllers.base import Controller, Key, kind
from kubette.controllers.writes import Update

_MESSAGES = {
    "selfnodeclient": "Auto approving self kubelet client certificate after SubjectAccessReview.",
    "nodeclient": "Auto approving kubelet client certificate after SubjectAccessReview.",
}


def condition_true(request: Object, *types: str) -> bool:
    return any((meta.condition(request, t) or {}).get("status", "True") == "True" for t in types if _has(request, t))


def _has(request: Object, type_: str) -> bool:
    return meta.condition(request, type_) is not None


def rights(request: Object) -> Iterator[str]:
    """The subresources by whose right the request would be approved, the narrower first."""
    if request["spec"].get("signerName") != signers.KUBELET_CLIENT:
        return
    try:
        parsed = signers.parse(request)
    except ValueError:
        return
    if signers.kubelet_client(parsed, request["spec"].get("usages") or ()):
        return
    if request["spec"].get("username") == parsed.common_name:
        yield "selfnodeclient"
    yield "nodeclient"


class CsrApproving(Controller[Key]):
    name = "csrapproving"

    def watch(self) -> None:
        self.requests = self.cluster.informer("certificatesigningrequests.certificates.k8s.io")
        self.requests.subscribe(lambda key, old, new: self.queue.add(key) if new is not None else None)

    async def reconcile(self, key: Key) -> float | None:
        request = self.requests.items.get(key)
        if request is None or (request.get("status") or {}).get("certificate"):
            return None
        if condition_true(request, "Approved", "Denied"):
            return None
        for right in rights(request):
            if await self._allowed(request, right):
                await self._approve(request, _MESSAGES[right])
                return None
        return None

    async def _allowed(self, request: Object, right: str) -> bool:
        spec = request["spec"]
        asked = {
            "user": spec.get("username", ""),
            "uid": spec.get("uid", ""),
            "groups": spec.get("groups") or [],
            "extra": spec.get("extra") or {},
            "resourceAttributes": {
                "group": "certificates.k8s.io",
                "resource": "certificatesigningrequests",
                "subresource": right,
                "verb": "create",
                "version": "*",
            },
        }
        review = kind("subjectaccessreviews.authorization.k8s.io")
        answer = await self.api.create(
            review, {"apiVersion": review.api_version, "kind": review.kind, "metadata": {}, "spec": asked}
        )
        return bool((answer.get("status") or {}).get("allowed"))

    async def _approve(self, request: Object, message: str) -> None:
        approved = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message}
        status = request.get("status") or {}
        changed = {**request, "status": {**status, "conditions": [*(status.get("conditions") or ()), approved]}}
        await self.carry_out([Update(self.requests.kind, changed, "approval")])
