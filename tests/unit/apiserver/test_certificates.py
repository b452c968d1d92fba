"""Who may approve and sign for a signer, and which subject no certificate is requested for."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from kubette.api.errors import Forbidden
from kubette.api.kinds import resource
from kubette.apiserver import certificates
from kubette.apiserver.authn import User
from kubette.apiserver.rbac import Attributes

SIGNER = "acme.com/internal"
REQUEST = {"metadata": {"name": "r"}, "spec": {"signerName": SIGNER}}
APPROVED = {**REQUEST, "status": {"conditions": [{"type": "Approved", "status": "True"}]}}
SIGNED = {**REQUEST, "status": {"certificate": "eA=="}}
#: verb, subresource, object, stored object, the words of the refusal
GUARDED: list[tuple[str, str, Any, Any, str]] = [
    ("approve", "approval", APPROVED, REQUEST, "to approve requests with signerName"),
    ("sign", "status", SIGNED, REQUEST, "to sign requests with signerName"),
    ("sign", "status", APPROVED, REQUEST, "to sign requests with signerName"),
]


def admit(sub: str, new: Any, old: Any, *rights: tuple[str, str]) -> None:
    """A write by a user who holds ``rights``: (verb, name) on signers."""

    def allowed(user: User, asked: Attributes) -> bool:
        assert (asked.group, asked.resource, asked.namespace) == ("certificates.k8s.io", "signers", "")
        return (asked.verb, asked.name) in rights

    certificates.admit(allowed, User("joe"), resource("certificatesigningrequests.certificates.k8s.io"), sub, new, old)


@pytest.mark.parametrize(("verb", "sub", "new", "old", "words"), GUARDED)
def test_a_signer_is_spoken_for_by_who_holds_its_verb(verb: str, sub: str, new: Any, old: Any, words: str) -> None:
    others = [(v, SIGNER) for v in ("approve", "sign", "attest") if v != verb]
    for rights in ([], others, [(verb, "acme.com/other")], [(verb, "acme.com")], [(verb, "other.com/*")]):
        with pytest.raises(Forbidden, match=f'user not permitted {words} "{SIGNER}"'):
            admit(sub, new, old, *rights)
    admit(sub, new, old, (verb, SIGNER))
    admit(sub, new, old, (verb, "acme.com/*"))


def test_the_stored_signer_counts() -> None:
    forged = {**APPROVED, "spec": {"signerName": "own.com/mine"}}
    with pytest.raises(Forbidden, match=SIGNER):
        admit("approval", forged, REQUEST, ("approve", "own.com/mine"))


def test_what_speaks_for_no_signer_is_free() -> None:
    admit("", REQUEST, None)
    admit("status", copy.deepcopy(SIGNED), SIGNED)


def csr(*organizations: str) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    names = [x509.NameAttribute(NameOID.COMMON_NAME, "joe")]
    names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    signed = built.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def test_nobody_asks_to_be_an_administrator() -> None:
    def ask(signer: str, request: str) -> None:
        spec = {"signerName": f"kubernetes.io/{signer}", "request": request}
        admit("", {"metadata": {"name": "r"}, "spec": spec}, None)

    masters = csr("devs", "system:masters")
    with pytest.raises(Forbidden, match="kube-apiserver-client signer with system:masters group is not allowed"):
        ask("kube-apiserver-client", masters)
    with pytest.raises(Forbidden, match="failed to parse CSR: PEM block type must be CERTIFICATE REQUEST"):
        ask("kube-apiserver-client", "eA==")
    ask("kube-apiserver-client", csr("devs"))
    ask("legacy-unknown", masters)  # trusted by no API server
