"""CertificateSigningRequests: who asks is recorded, and only `approval` may approve.

Source: pkg/registry/certificates/certificates (strategy.go), certificates/validation.
"""

from __future__ import annotations

from typing import Any

from kubette.api.errors import FieldError, invalid, required
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_SHORTEST = 600
_DECISIONS = ("Approved", "Denied", "Failed")


class SigningRequests(Strategy):
    selectable_fields = {"spec.signerName": lambda o: (o.get("spec") or {}).get("signerName") or ""}  # noqa: RUF012

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        super().prepare_create(obj, ctx)
        spec = obj.setdefault("spec", {})
        spec["username"], spec["groups"] = ctx.user, list(ctx.groups)
        for field in ("uid", "extra"):
            spec.pop(field, None)
        obj["status"] = {}

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        new["spec"] = old["spec"]
        before = _conditions(old)
        if ctx.subresource == "approval":
            new["status"] = {**(old.get("status") or {}), "conditions": _conditions(new)}
            _stamp(new["status"]["conditions"], before, ctx)
        elif ctx.subresource == "status":
            kept = [c for c in before if c.get("type") in _DECISIONS[:2]]
            added = [c for c in _conditions(new) if c.get("type") not in _DECISIONS[:2]]
            _stamp(added, before, ctx)
            if kept or added:
                new.setdefault("status", {})["conditions"] = kept + added

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        spec = obj["spec"]
        out: list[FieldError] = []
        if not spec.get("request"):
            out.append(required("spec.request"))
        if not spec.get("usages"):
            out.append(required("spec.usages"))
        signer = spec.get("signerName") or ""
        if not signer:
            out.append(required("spec.signerName"))
        elif signer.count("/") != 1 or "." not in signer.partition("/")[0]:
            words = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
            out.append(invalid("spec.signerName", signer, words))
        seconds = spec.get("expirationSeconds")
        if seconds is not None and seconds < _SHORTEST:
            words = f"may not specify a duration less than {_SHORTEST} seconds (10 minutes)"
            out.append(invalid("spec.expirationSeconds", seconds, words))
        return out

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        out: list[FieldError] = []
        types = [c.get("type") for c in _conditions(new)]
        for i, condition in enumerate(_conditions(new)):
            path = f"status.conditions[{i}]"
            out += checks.one_of(condition.get("status"), ("False", "True", "Unknown"), f"{path}.status")
        if "Approved" in types and "Denied" in types:
            words = "Approved and Denied conditions are mutually exclusive"
            out.append(invalid("status.conditions", types[-1], words))
        return out


def _conditions(obj: Object) -> list[Object]:
    return (obj.get("status") or {}).get("conditions") or []


def _stamp(conditions: list[Object], before: list[Object], ctx: Context) -> None:
    """Times of conditions that are new."""
    known = {(c.get("type"), c.get("status")) for c in before}
    for condition in conditions:
        if (condition.get("type"), condition.get("status")) not in known:
            condition.setdefault("lastUpdateTime", ctx.now())
            condition.setdefault("lastTransitionTime", ctx.now())
