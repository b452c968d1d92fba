"""How a client finds its server and its identity."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from kubette.client.config import ClientConfig, ConfigError

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: one
contexts:
- {{name: one, context: {{cluster: c, user: u, namespace: shop}}}}
- {{name: broken, context: {{cluster: missing, user: u}}}}
clusters:
- {{name: c, cluster: {{server: "https://127.0.0.1:6443/", certificate-authority-data: {ca}}}}}
users:
- {{name: u, user: {{client-certificate: client.crt, client-key: client.key}}}}
"""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    (tmp_path / "client.crt").write_text("CERT")
    (tmp_path / "client.key").write_text("KEY")
    path = tmp_path / "config"
    path.write_text(KUBECONFIG.format(ca=base64.b64encode(b"CA").decode()))
    return path


def test_kubeconfig_inline_and_files_beside_it(kubeconfig: Path) -> None:
    assert ClientConfig.from_kubeconfig(kubeconfig) == ClientConfig(
        server="https://127.0.0.1:6443", ca="CA", cert="CERT", key="KEY", namespace="shop"
    )


def test_what_is_missing_is_named(kubeconfig: Path) -> None:
    with pytest.raises(ConfigError, match="there is no cluster 'missing'"):
        ClientConfig.from_kubeconfig(kubeconfig, "broken")
    with pytest.raises(ConfigError, match="there is no context 'none'"):
        ClientConfig.from_kubeconfig(kubeconfig, "none")
    (kubeconfig.parent / "client.key").unlink()
    with pytest.raises(ConfigError, match="client-key"):
        ClientConfig.from_kubeconfig(kubeconfig)
    kubeconfig.write_text("a: [")
    with pytest.raises(ConfigError, match="kubeconfig"):
        ClientConfig.from_kubeconfig(kubeconfig)


def test_in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("ca.crt", "CA"), ("namespace", "shop\n"), ("token", "T")):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert ClientConfig.in_cluster(tmp_path) == ClientConfig(
        "https://[fd00::1]:443", "CA", token_file=tmp_path / "token", namespace="shop"
    )
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(ConfigError, match="not in a cluster"):
        ClientConfig.in_cluster(tmp_path)
