"""Deletes CertificateSigningRequests that are over: issued, denied or failed an hour ago, or waiting for a day.

``expires_in`` is pure. Source: upstream's ``certificates/cleaner``.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers.base import Controller, Key
from kubette.controllers.writes import Delete

_DONE, _PENDING = timedelta(hours=1), timedelta(hours=24)


def expires_in(request: Object, now: datetime) -> float | None:
    """Seconds until the request is to be deleted; None: it carries no time to tell by."""
    status = request.get("status") or {}
    certificate = status.get("certificate") or ""
    ends: list[datetime] = []
    for condition in status.get("conditions") or ():
        updated = condition.get("lastUpdateTime")
        stays = _PENDING if condition["type"] == "Approved" and not certificate else _DONE
        if updated and condition["type"] in ("Approved", "Denied", "Failed"):
            ends.append(meta.parse_time(updated) + stays)
        if condition["type"] == "Approved" and (end := _not_after(certificate)) is not None:
            ends.append(end)
    created = meta.metadata(request).get("creationTimestamp")
    if not status.get("conditions") and created:
        ends.append(meta.parse_time(created) + _PENDING)
    return (min(ends) - now).total_seconds() if ends else None


def _not_after(certificate: str) -> datetime | None:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(base64.b64decode(certificate)).not_valid_after_utc
    except ValueError:
        return None


class CsrCleaner(Controller[Key]):
    name = "csrcleaner"

    def watch(self) -> None:
        self.requests = self.cluster.informer("certificatesigningrequests.certificates.k8s.io")
        self.requests.subscribe(lambda key, old, new: self.queue.add(key) if new is not None else None)

    async def reconcile(self, key: Key) -> float | None:
        request = self.requests.items.get(key)
        if request is None or meta.deleting(request):
            return None
        seconds = expires_in(request, self.cluster.now())
        if seconds is not None and seconds < 0:
            await self.carry_out([Delete(self.requests.kind, request)])
            return None
        return seconds
