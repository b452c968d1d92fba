"""What the signers of the cluster accept, and for how long they sign."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubette.api import meta
from kubette.api.meta import Object
from kubette.controllers import signers
from kubette.controllers.csrapproving import rights
from kubette.controllers.csrcleaner import expires_in

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
DNS, IP = x509.DNSName("n"), x509.IPAddress(ip_address("10.0.0.1"))
MAIL, URI = x509.RFC822Name("a@b.c"), x509.UniformResourceIdentifier("spiffe://a/b")
SERVING = ("digital signature", "key encipherment", "server auth")
CLIENT = ("digital signature", "client auth")


def request(cn: str, organization: str, *names: x509.GeneralName) -> Object:
    """A CertificateSigningRequest's spec."""
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, cn))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return {"spec": {"request": base64.b64encode(pem).decode()}}


@pytest.mark.parametrize(
    ("signer", "asked", "usages", "refusal"),
    [
        (signers.SERVING, request("system:node:n", "system:nodes", DNS, IP), SERVING, ""),
        (signers.SERVING, request("system:node:n", "system:nodes", DNS), SERVING[::2], ""),
        (signers.SERVING, request("system:node:n", "system:nodes"), SERVING, "DNS or IP subjectAltName is required"),
        (signers.SERVING, request("system:node:n", "system:nodes", DNS, URI), SERVING, "URI subjectAltNames are not"),
        (signers.SERVING, request("system:node:n", "system:nodes", DNS), CLIENT, "usages did not match"),
        (signers.SERVING, request("n", "system:nodes", DNS), SERVING, "does not begin with system:node:"),
        (signers.KUBELET_CLIENT, request("system:node:n", "system:nodes"), CLIENT, ""),
        (signers.KUBELET_CLIENT, request("system:node:n", "devs"), CLIENT, "organization is not system:nodes"),
        (signers.KUBELET_CLIENT, request("system:node:n", "system:nodes", DNS), CLIENT, "DNS subjectAltNames"),
        (signers.KUBELET_CLIENT, request("system:node:n", "system:nodes", MAIL), CLIENT, "Email subjectAltNames"),
        (signers.KUBELET_CLIENT, request("system:node:n", "system:nodes"), SERVING, "usages did not match"),
        (signers.CLIENT, request("alice", "devs"), CLIENT, ""),
        (signers.CLIENT, request("alice", ""), ("server auth",), "invalid usage for client certificate: server auth"),
        (signers.CLIENT, request("alice", ""), ("digital signature",), "missing required usage"),
        (signers.LEGACY, request("anything", ""), ("code signing",), ""),
    ],
)
def test_each_signer_has_its_rules(signer: str, asked: Object, usages: tuple[str, ...], refusal: str) -> None:
    said = signers.SIGNERS[signer](signers.parse(asked), usages)
    assert refusal in said and bool(said) == bool(refusal)


@pytest.fixture(scope="module")
def authority() -> signers.Authority:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=30))
    return signers.Authority(builder.sign(KEY, hashes.SHA256()), KEY)


def test_a_certificate_carries_what_was_asked_for_and_no_more(authority: signers.Authority) -> None:
    asked = signers.parse(request("system:node:n", "system:nodes", URI, DNS, IP))
    cert = x509.load_pem_x509_certificate(signers.sign(authority, asked, SERVING, 3600, NOW))
    assert cert.subject == asked.csr.subject and cert.issuer == authority.cert.subject
    sans = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(sans) == {URI, DNS, IP}
    extended = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH]
    usage = cert.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and usage.key_encipherment and not usage.key_cert_sign
    assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    cert.verify_directly_issued_by(authority.cert)


@pytest.mark.parametrize(
    ("seconds", "lasts"),
    [
        (3600, timedelta(hours=1)),  # short: not shortened by the backdating
        (60, timedelta(minutes=10)),
        (86_400, timedelta(days=1, minutes=-5)),
        (None, timedelta(days=30)),  # a year, but the CA ends before
    ],
)
def test_how_long_it_lasts(authority: signers.Authority, seconds: int | None, lasts: timedelta) -> None:
    asked = signers.parse(request("alice", "devs"))
    cert = x509.load_pem_x509_certificate(signers.sign(authority, asked, CLIENT, seconds, NOW))
    assert cert.not_valid_after_utc - NOW == lasts
    assert NOW - cert.not_valid_before_utc == timedelta(minutes=5)


def test_an_expired_ca_signs_nothing(authority: signers.Authority) -> None:
    asked = signers.parse(request("alice", "devs"))
    with pytest.raises(ValueError, match="the signer has expired"):
        signers.sign(authority, asked, CLIENT, None, NOW + timedelta(days=31))


def test_which_right_approves_a_nodes_request() -> None:
    spec = {"signerName": signers.KUBELET_CLIENT, "usages": list(CLIENT), "username": "system:node:n"}
    own = {"spec": {**request("system:node:n", "system:nodes")["spec"], **spec}}
    assert list(rights(own)) == ["selfnodeclient", "nodeclient"]
    assert list(rights({"spec": {**own["spec"], "username": "system:bootstrap:abcdef"}})) == ["nodeclient"]
    assert list(rights({"spec": {**own["spec"], "signerName": signers.CLIENT}})) == []
    assert list(rights({"spec": {**own["spec"], "usages": ["server auth"]}})) == []


def test_when_a_request_is_over() -> None:
    def left(*conditions: tuple[str, int], certificate: str = "") -> float | None:
        rows = [
            {"type": type_, "lastUpdateTime": meta.format_time(NOW - timedelta(minutes=minutes))}
            for type_, minutes in conditions
        ]
        status = {"conditions": rows, "certificate": certificate}
        created = {"creationTimestamp": meta.format_time(NOW - timedelta(hours=2))}
        return expires_in({"metadata": created, "spec": {}, "status": status}, NOW)

    assert left() == 22 * 3600, "nobody has decided"
    assert left(("Denied", 90)) == -30 * 60 == left(("Approved", 90), certificate="Zm9v")
    assert left(("Approved", 90)) == 22.5 * 3600, "approved and not issued"
    assert left(("Approved", 0), ("Failed", 90)) == -30 * 60
