"""Admission of CertificateSigningRequests: who may approve and sign for a signer.

The plugins CertificateApproval, CertificateSigning and CertificateSubjectRestriction of upstream
(plugin/pkg/admission/certificates). Writing the subresource is one permission, ``approve`` or ``sign`` on the
request's signer another. ``attest`` guards ClusterTrustBundles, which are not served. Pure.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubette.api.kinds import Kind
from kubette.apiserver.admission import refused
from kubette.apiserver.authn import User
from kubette.apiserver.rbac import MASTERS, Attributes

Object = dict[str, Any]
_GROUP = "certificates.k8s.io"
_CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_SIGNERS = frozenset({"kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"})


@dataclass(frozen=True, slots=True)
class Subject:
    """Of a request for a certificate."""

    common_name: str
    organizations: tuple[str, ...]


def subject(request: Any) -> Subject:
    """The subject of ``spec.request``: a PEM block in base64. ValueError where it is none."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509.oid import NameOID

    try:
        name = x509.load_pem_x509_csr(base64.b64decode(str(request), validate=True)).subject
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as e:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST") from e
    names = [str(a.value) for a in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = tuple(str(a.value) for a in name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    return Subject(names[-1] if names else "", groups)


def admit(
    allowed: Callable[[User, Attributes], bool], user: User, kind: Kind, sub: str, new: Object, old: Object | None
) -> None:
    """Raises Forbidden."""
    if kind.group == _GROUP and (why := _why_not(allowed, user, kind.plural, sub, new, old)):
        raise refused(kind, new, why)


def _why_not(
    allowed: Callable[[User, Attributes], bool], user: User, plural: str, sub: str, new: Object, old: Object | None
) -> str:
    # A signer cannot change; of a request the stored one counts.
    signer = str(((old or new).get("spec") or {}).get("signerName") or "")

    def may(verb: str) -> bool:
        names = (signer, signer.partition("/")[0] + "/*")
        return any(allowed(user, Attributes(verb, _GROUP, "*", "signers", "", "", name)) for name in names)

    match plural, sub:
        case "certificatesigningrequests", "approval" if not may("approve"):
            return f'user not permitted to approve requests with signerName "{signer}"'
        case "certificatesigningrequests", "status" if _signs(new, old or {}) and not may("sign"):
            return f'user not permitted to sign requests with signerName "{signer}"'
        case "certificatesigningrequests", "" if old is None and signer == _CLIENT:
            return _restricted_subject(new)
    return ""


def _signs(new: Object, old: Object) -> bool:
    after, before = new.get("status") or {}, old.get("status") or {}
    changed = after.get("certificate") != before.get("certificate")
    return changed or (after.get("conditions") or []) != (before.get("conditions") or [])


def _spec(obj: Object) -> Object:
    return obj.get("spec") or {}


def _restricted_subject(request: Object) -> str:
    """Nobody becomes an administrator by a certificate."""
    try:
        found = subject(_spec(request).get("request"))
    except ValueError as e:
        return f"failed to parse CSR: {e}"
    if MASTERS in found.organizations:
        return f"use of {_CLIENT} signer with {MASTERS} group is not allowed"
    return ""
