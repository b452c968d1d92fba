"""The cluster's own certificate authority: keys, certificates and kubeconfigs. EC P-256, files 0600.

Pure of any cluster: ``ensure_pki`` fills a directory, and makes only what is missing, so that a stopped
cluster starts with the identities that it had.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = 10
ORGANIZATION_MASTERS = "system:masters"
ORGANIZATION_NODES = "system:nodes"

#: file stem → (CN, O) of the clients that every cluster has.
CLIENTS: dict[str, tuple[str, str]] = {
    "admin": ("kubernetes-admin", ORGANIZATION_MASTERS),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    "kubelet-client": ("kube-apiserver-kubelet-client", ""),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate file and the file of its key."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Pki:
    """The files of one directory; see ``CLIENTS`` for the names of ``client``."""

    directory: Path

    def pair(self, stem: str) -> Pair:
        return Pair(self.directory / f"{stem}.crt", self.directory / f"{stem}.key")

    @property
    def ca(self) -> Pair:
        return self.pair("ca")

    @property
    def server(self) -> Pair:
        return self.pair("server")

    @property
    def sa_signing_key(self) -> Path:
        return self.directory / "sa.key"

    def client(self, name: str) -> Pair:
        """``admin``, ``controller-manager``, ``scheduler``, ``proxy`` or ``kubelet-client``."""
        return self.pair(name)

    def node_client(self, node: str) -> Pair:
        """The identity ``system:node:NODE`` of a node's agent."""
        return self.pair(f"node-{node}")

    def node_server(self, node: str) -> Pair:
        """The serving certificate of the node API on 10250."""
        return self.pair(f"node-{node}-server")


class Authority:
    """Signs with the CA in ``pair``, which is made when it is missing."""

    def __init__(self, pair: Pair, name: str = "kubette-ca") -> None:
        if not (pair.cert.exists() and pair.key.exists()):
            key = ec.generate_private_key(ec.SECP256R1())
            cert = _sign(_name(name, ""), key.public_key(), _name(name, ""), key, ca=True)
            _write(pair, cert, key)
        self._cert = x509.load_pem_x509_certificate(pair.cert.read_bytes())
        loaded = serialization.load_pem_private_key(pair.key.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{pair.key}: not an EC key")
        self._key = loaded

    def client(self, pair: Pair, common_name: str, organization: str = "") -> None:
        """Issue a client certificate into ``pair``."""
        self._issue(pair, _name(common_name, organization), ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def server(self, pair: Pair, common_name: str, sans: Iterable[str], organization: str = "") -> None:
        """Issue a serving certificate for ``sans``: names and IP addresses."""
        self._issue(pair, _name(common_name, organization), ExtendedKeyUsageOID.SERVER_AUTH, sans)

    def _issue(self, pair: Pair, subject: x509.Name, usage: x509.ObjectIdentifier, sans: Iterable[str]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self._cert.subject
        cert = _sign(subject, key.public_key(), issuer, self._key, usage=usage, sans=sans)
        _write(pair, cert, key)


def ensure_pki(
    directory: Path, sans: Sequence[str], nodes: Mapping[str, Sequence[str]] | Sequence[str] = ()
) -> Pki:
    """All keys and certificates of a cluster in ``directory``; what is there already stays.

    ``sans``: further names and addresses of the API server (its own IP, first service IP). ``nodes``: name →
    addresses. The server's certificate is issued anew when a wanted name is missing in it."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    pki = Pki(directory)
    authority = Authority(pki.ca)
    names = [
        "localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local", *sans,
    ]  # fmt: skip
    if not _serves(pki.server, names):
        authority.server(pki.server, "kube-apiserver", dict.fromkeys(names))
    for stem, (common_name, organization) in CLIENTS.items():
        if not _exists(pki.client(stem)):
            authority.client(pki.client(stem), common_name, organization)
    if not pki.sa_signing_key.exists():
        write_private(pki.sa_signing_key, _pem(ec.generate_private_key(ec.SECP256R1())))
    for node in nodes:
        addresses = list(nodes[node]) if isinstance(nodes, Mapping) else []
        ensure_node(authority, pki, node, addresses)
    return pki


def ensure_node(authority: Authority, pki: Pki, node: str, addresses: Sequence[str]) -> None:
    """The client and serving certificates of one node."""
    if not _exists(pki.node_client(node)):
        authority.client(pki.node_client(node), f"system:node:{node}", ORGANIZATION_NODES)
    names = [node, *addresses]
    if not _serves(pki.node_server(node), names):
        authority.server(pki.node_server(node), f"system:node:{node}", names, ORGANIZATION_NODES)


def kubeconfig(
    server: str, ca: Path, client: Pair, *, cluster: str = "kubette", user: str = "", embed: bool = True
) -> dict[str, Any]:
    """A kubeconfig with one context named ``cluster``; ``embed`` puts the PEM data in, else file paths."""
    user = user or f"{cluster}-admin"
    if embed:
        trust: dict[str, Any] = {"certificate-authority-data": _b64(ca)}
        identity: dict[str, Any] = {"client-certificate-data": _b64(client.cert), "client-key-data": _b64(client.key)}
    else:
        trust = {"certificate-authority": str(ca)}
        identity = {"client-certificate": str(client.cert), "client-key": str(client.key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, **trust}}],
        "users": [{"name": user, "user": identity}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
    }


def write_private(path: Path, data: bytes) -> None:
    """Write atomically, readable by the owner only."""
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as f:
        f.write(data)
    temporary.replace(path)


def _b64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _exists(pair: Pair) -> bool:
    return pair.cert.exists() and pair.key.exists()


def _serves(pair: Pair, names: Iterable[str]) -> bool:
    """Whether the pair exists and its certificate is good for all names."""
    if not _exists(pair):
        return False
    cert = x509.load_pem_x509_certificate(pair.cert.read_bytes())
    try:
        sans = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return all(_san(name) in sans for name in names)


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common_name: str, organization: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(pair: Pair, cert: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    write_private(pair.key, _pem(key))
    write_private(pair.cert, cert.public_bytes(serialization.Encoding.PEM))


def _sign(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    ca: bool = False,
    usage: x509.ObjectIdentifier | None = None,
    sans: Iterable[str] = (),
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, content_commitment=False, key_encipherment=not ca,
                data_encipherment=False, key_agreement=False, key_cert_sign=ca, crl_sign=ca,
                encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )  # fmt: skip
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names := [_san(name) for name in sans]:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())
