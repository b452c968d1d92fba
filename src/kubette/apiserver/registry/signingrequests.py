"""CertificateSigningRequests: who asks is recorded, and only `approval` may approve.

Source: pkg/registry/certificates/certificates (strategy.go), certificates/validation.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from kubette.api import names
from kubette.api.errors import FieldError, duplicate, invalid, required, too_long, unsupported
from kubette.apiserver.registry import checks
from kubette.apiserver.registry.base import Context, Strategy

Object = dict[str, Any]
_SHORTEST = 600
_LONGEST_DOMAIN = 253
_LEGACY = "kubernetes.io/legacy-unknown"
#: The first PEM block: its type, and what stands between its lines.
_PEM = re.compile(rb"-----BEGIN ([^\r\n-]*)-----[ \t\r]*\n(.*?)-----END \1-----", re.DOTALL)
_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip
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
        request = spec.get("request") or ""
        if words := _request_fault(request):
            out.append(invalid("spec.request", request or None, words))
        usages = spec.get("usages") or []
        if not usages:
            out.append(required("spec.usages"))
        out += [unsupported(f"spec.usages[{i}]", u, _USAGES) for i, u in enumerate(usages) if u not in _USAGES]
        out += [duplicate(f"spec.usages[{i}]", u) for i, u in enumerate(usages) if u in usages[:i]]
        out += _signer_name(spec.get("signerName") or "")
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


def _request_fault(request: str) -> str:
    """What is wrong with a base64 PEM block of a PKCS#10 request; empty: nothing."""
    from cryptography import x509

    block = _PEM.search(base64.b64decode(request))
    if block is None or block[1] != b"CERTIFICATE REQUEST":
        return "PEM block type must be CERTIFICATE REQUEST"
    try:
        parsed = x509.load_pem_x509_csr(block[0])
        return "" if parsed.is_signature_valid else "x509: the signature does not match the request"
    except Exception as e:  # the library raises errors of several kinds for keys and algorithms that it lacks
        return f"x509: malformed certificate request: {e}"


def _signer_name(signer: str) -> list[FieldError]:
    path = "spec.signerName"
    if not signer:
        return [required(path)]
    if signer == _LEGACY:
        return [invalid(path, signer, "the legacy signerName is not allowed via this API version")]
    if signer.count("/") != 1:
        words = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(path, signer, words)]
    domain, _, name = signer.partition("/")
    out = [too_long(path, _LONGEST_DOMAIN)] if len(domain) > _LONGEST_DOMAIN else []
    out += _labels(domain, path, names.dns1123_label)
    if "." not in domain:
        out.append(invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    return out + _labels(name, path, names.dns1123_subdomain)


def _labels(value: str, path: str, rule: Callable[[str], list[str]]) -> list[FieldError]:
    """The errors of the first label that has any."""
    for label in value.split("."):
        if found := rule(label):
            return [invalid(path, value, f'validating label "{label}": {words}') for words in found]
    return []


def _conditions(obj: Object) -> list[Object]:
    return (obj.get("status") or {}).get("conditions") or []


def _stamp(conditions: list[Object], before: list[Object], ctx: Context) -> None:
    """Times of conditions that are new."""
    known = {(c.get("type"), c.get("status")) for c in before}
    for condition in conditions:
        if (condition.get("type"), condition.get("status")) not in known:
            condition.setdefault("lastUpdateTime", ctx.now())
            condition.setdefault("lastTransitionTime", ctx.now())
