"""Where the API server is and who the client is: from a kubeconfig, or from a pod's ServiceAccount.

Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ and
https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/. Certificates given inline are kept in
memory as text; nothing is written.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigError(Exception):
    """The configuration cannot be used; the message says which file and why."""


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """``ca``, ``cert`` and ``key`` are PEM text. ``token_file`` is read again as it is rotated."""

    server: str  # https://host:port
    ca: str = ""
    cert: str = ""
    key: str = ""
    token: str = ""
    token_file: Path | None = None
    namespace: str = "default"
    insecure: bool = False  # insecure-skip-tls-verify

    @staticmethod
    def load(path: Path | None = None) -> ClientConfig:
        """``path``, else $KUBECONFIG's first file, else the pod's ServiceAccount, else ~/.kube/config."""
        if path is not None:
            return ClientConfig.from_kubeconfig(path)
        if named := os.environ.get("KUBECONFIG"):
            return ClientConfig.from_kubeconfig(Path(named.split(":")[0]))
        if "KUBERNETES_SERVICE_HOST" in os.environ and (SERVICE_ACCOUNT / "token").exists():
            return ClientConfig.in_cluster()
        return ClientConfig.from_kubeconfig(Path.home() / ".kube" / "config")

    @staticmethod
    def in_cluster(directory: Path = SERVICE_ACCOUNT) -> ClientConfig:
        """Of the pod that this runs in. ConfigError outside a pod."""
        host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
        port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            raise ConfigError("not in a cluster: KUBERNETES_SERVICE_HOST is not set")
        try:
            ca = (directory / "ca.crt").read_text()
            namespace = (directory / "namespace").read_text().strip()
        except OSError as error:
            raise ConfigError(f"ServiceAccount files: {error}") from error
        host = f"[{host}]" if ":" in host else host
        return ClientConfig(f"https://{host}:{port}", ca, token_file=directory / "token", namespace=namespace)

    @staticmethod
    def from_kubeconfig(path: Path, context: str | None = None) -> ClientConfig:
        """Of ``context`` in the file at ``path``, or of its current context."""
        import yaml

        try:
            document = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except OSError as error:
            raise ConfigError(f"kubeconfig {path} cannot be read: {error.strerror}") from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"kubeconfig {path}: {error}") from error
        if not isinstance(document, dict):
            raise ConfigError(f"kubeconfig {path}: it is no mapping")
        name = context or document.get("current-context") or ""
        chosen = _named(document, "contexts", name, "context", path)
        cluster = _named(document, "clusters", chosen.get("cluster") or "", "cluster", path)
        user = _named(document, "users", chosen["user"], "user", path) if chosen.get("user") else {}
        server = cluster.get("server")
        if not isinstance(server, str) or not server:
            raise ConfigError(f"kubeconfig {path}: the cluster {chosen.get('cluster')!r} names no server")
        token_file = user.get("tokenFile")
        return ClientConfig(
            server=server.rstrip("/"),
            ca=_text(cluster, "certificate-authority", path),
            cert=_text(user, "client-certificate", path),
            key=_text(user, "client-key", path),
            token=str(user.get("token") or ""),
            token_file=path.parent / token_file if token_file else None,
            namespace=str(chosen.get("namespace") or "default"),
            insecure=bool(cluster.get("insecure-skip-tls-verify")),
        )


def _named(document: Mapping[str, Any], section: str, name: str, what: str, path: Path) -> Mapping[str, Any]:
    for row in document.get(section) or ():
        if isinstance(row, dict) and row.get("name") == name and isinstance(row.get(what), dict):
            found: Mapping[str, Any] = row[what]
            return found
    raise ConfigError(f"kubeconfig {path}: there is no {what} {name!r}")


def _text(section: Mapping[str, Any], field: str, path: Path) -> str:
    """PEM text: inline in ``FIELD-data``, or in the file that ``FIELD`` names, relative to the kubeconfig."""
    try:
        if inline := section.get(f"{field}-data"):
            return base64.b64decode(inline, validate=True).decode()
        if file := section.get(field):
            return (path.parent / str(file)).read_text()
    except (OSError, binascii.Error, UnicodeDecodeError, TypeError) as error:
        raise ConfigError(f"kubeconfig {path}: {field}: {error}") from error
    return ""
