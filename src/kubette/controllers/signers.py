"""What the ``kubernetes.io`` signers accept and issue: rules for each signer, and the signing itself. No I/O.

Source: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers and
upstream's ``certificates/signer`` and ``certificates/authority``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from kubette.api import meta
from kubette.api.meta import Object

SERVING = "kubernetes.io/kubelet-serving"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
CLIENT = "kubernetes.io/kube-apiserver-client"
LEGACY = "kubernetes.io/legacy-unknown"

LONGEST = timedelta(days=365)
_SHORTEST = timedelta(minutes=10)
_BACKDATE = timedelta(minutes=5)
_SHORT = timedelta(hours=8)  # a certificate of less is not shortened by the backdating

_KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_EXTENDED = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": ObjectIdentifier("2.16.840.1.113730.4.1"),
}
_NODES, _NODE_PREFIX = ["system:nodes"], "system:node:"


@dataclass(frozen=True, slots=True)
class Request:
    """A certificate request, narrowed."""

    csr: x509.CertificateSigningRequest
    common_name: str
    organizations: list[str]
    names: tuple[x509.GeneralName, ...]  # subject alternative names

    def has(self, *types: type[x509.GeneralName]) -> bool:
        return any(isinstance(name, types) for name in self.names)


def parse(obj: Object) -> Request:
    """The request in a CertificateSigningRequest. ValueError where it is none."""
    csr = x509.load_pem_x509_csr(base64.b64decode(obj["spec"].get("request") or ""))
    try:
        names = tuple(csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = ()
    cn = [str(a.value) for a in csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = [str(a.value) for a in csr.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return Request(csr, cn[-1] if cn else "", organizations, names)


# ---- what each signer accepts: the reason for a refusal, or ""


def kubelet_serving(request: Request, usages: Collection[str]) -> str:
    if request.organizations != _NODES:
        return "subject organization is not system:nodes"
    if not request.has(x509.DNSName, x509.IPAddress):
        return "DNS or IP subjectAltName is required"
    if request.has(x509.RFC822Name):
        return "Email subjectAltNames are not allowed"
    if request.has(x509.UniformResourceIdentifier):
        return "URI subjectAltNames are not allowed"
    return _usages(usages, "server auth") or _node_name(request)


def kubelet_client(request: Request, usages: Collection[str]) -> str:
    if request.organizations != _NODES:
        return "subject organization is not system:nodes"
    for type_, what in (
        (x509.DNSName, "DNS"), (x509.RFC822Name, "Email"), (x509.IPAddress, "IP"),
        (x509.UniformResourceIdentifier, "URI"),
    ):  # fmt: skip
        if request.has(type_):
            return f"{what} subjectAltNames are not allowed"
    return _node_name(request) or _usages(usages, "client auth")


def api_client(request: Request, usages: Collection[str]) -> str:
    for usage in usages:
        if usage not in ("digital signature", "key encipherment", "client auth"):
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


def _node_name(request: Request) -> str:
    named = request.common_name.startswith(_NODE_PREFIX)
    return "" if named else "subject common name does not begin with system:node:"


def _usages(usages: Collection[str], purpose: str) -> str:
    wanted = {"digital signature", "key encipherment", purpose}
    if set(usages) in (wanted, wanted - {"key encipherment"}):
        return ""
    return f"usages did not match [{' '.join(sorted(wanted))}]"


SIGNERS: dict[str, Callable[[Request, Collection[str]], str]] = {
    SERVING: kubelet_serving,
    KUBELET_CLIENT: kubelet_client,
    CLIENT: api_client,
    LEGACY: lambda request, usages: "",
}


# ---- signing


@dataclass(frozen=True, slots=True)
class Authority:
    """The CA that the cluster's signers sign with."""

    cert: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

    @classmethod
    def load(cls, cert: bytes, key: bytes) -> Authority:
        loaded = serialization.load_pem_private_key(key, None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
            raise ValueError("the signing key is of a kind that cannot sign certificates")
        return cls(x509.load_pem_x509_certificate(cert), loaded)


def lifetime(seconds: int | None) -> timedelta:
    """How long a certificate lasts for which ``seconds`` were asked: at most a year, at least ten minutes."""
    if seconds is None:
        return LONGEST
    return max(_SHORTEST, min(LONGEST, timedelta(seconds=seconds)))


def sign(authority: Authority, request: Request, usages: Sequence[str], seconds: int | None, now: datetime) -> bytes:
    """The certificate in PEM. ValueError where the request or the CA does not allow it."""
    if not request.csr.is_signature_valid:
        raise ValueError("unable to verify certificate request signature")
    end_of_ca = authority.cert.not_valid_after_utc
    if now >= end_of_ca:
        raise ValueError(f"the signer has expired: NotAfter={meta.format_time(end_of_ca)}")
    ttl = lifetime(seconds)
    end = min(now + ttl if ttl < _SHORT else now + ttl - _BACKDATE, end_of_ca)
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.csr.subject)
        .issuer_name(authority.cert.subject)
        .public_key(request.csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    unknown = [u for u in usages if u not in _KEY_USAGES and u not in _EXTENDED]
    if unknown:
        raise ValueError(f"unrecognized usage values: {unknown}")
    if bits := {_KEY_USAGES[u] for u in usages if u in _KEY_USAGES}:
        wanted = {name: name in bits for name in set(_KEY_USAGES.values())}
        if not wanted["key_agreement"]:  # the standard gives these two no meaning then
            wanted |= {"encipher_only": False, "decipher_only": False}
        builder = builder.add_extension(x509.KeyUsage(**wanted), critical=True)
    if extended := list(dict.fromkeys(_EXTENDED[u] for u in usages if u in _EXTENDED)):
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if request.names:
        known = (x509.DNSName, x509.RFC822Name, x509.IPAddress, x509.UniformResourceIdentifier)
        names = [name for type_ in known for name in request.names if isinstance(name, type_)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not list(request.csr.subject))
    digest = None if isinstance(authority.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(authority.key, digest).public_bytes(serialization.Encoding.PEM)
