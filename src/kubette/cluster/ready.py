"""When a cluster may be used: the API answers, every node is Ready, and cluster DNS resolves.

Asked from where a user is: the API over HTTPS from the host, DNS with a real query from a node.
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from kubette.clusterspec import ClusterSpec
from kubette.network import local, netns

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_PAUSE = 0.01  # seconds between questions; each has a deadline of its own


def query(name: str) -> bytes:
    """A DNS question for the A records of ``name`` (RFC 1035, section 4)."""
    labels = b"".join(bytes((len(part),)) + part.encode() for part in name.rstrip(".").split("."))
    return struct.pack("!HHHHHH", secrets.randbits(16), 0x0100, 1, 0, 0, 0) + labels + b"\0\0\x01\0\x01"


def answered(question: bytes, answer: bytes) -> bool:
    """Whether ``answer`` is one to ``question``, without error and with a record."""
    if len(answer) < 12 or answer[:2] != question[:2]:
        return False
    flags, _, count = struct.unpack("!HHH", answer[2:8])
    return bool(flags & 0x8000) and not flags & 0xF and count > 0


class Api:
    """A few GETs with the admin's certificate; the whole client would take longer to load than they take."""

    def __init__(self, spec: ClusterSpec, seconds: float = 5.0) -> None:
        """``seconds``: how long one answer may take."""
        self._spec, self._seconds = spec, seconds
        self._context: ssl.SSLContext | None = None
        self._connection: http.client.HTTPSConnection | None = None

    def get(self, path: str) -> Any:
        """The JSON answer. OSError or HTTPException when there is none."""
        if self._context is None:
            pki = self._spec.pki_dir
            self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
            self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                self._spec.control_plane_ip, self._spec.api_port, timeout=self._seconds, context=self._context
            )
        try:
            self._connection.request("GET", path)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise
        if response.status != 200:
            raise http.client.HTTPException(f"{path}: HTTP {response.status}")
        return json.loads(body)

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()


class NotReady(Exception):
    """What was waited for did not come."""


def until(what: str, check: Callable[[], bool], deadline: float, alive: Callable[[], bool]) -> None:
    """Ask until ``check`` holds. NotReady when ``deadline`` (monotonic) passes or ``alive`` ends."""
    while True:
        try:
            if check():
                return
        except (OSError, http.client.HTTPException, ValueError):
            pass
        if not alive():
            raise NotReady(f"the cluster's processes ended while waiting for {what}")
        if time.monotonic() > deadline:
            raise NotReady(f"gave up waiting for {what}")
        time.sleep(_PAUSE)


def nodes_ready(api: Api, spec: ClusterSpec, since: datetime) -> bool:
    """Whether every node is Ready, and says so itself: by a lease renewed after ``since``. What a cluster that was
    stopped or killed has stored of its nodes is what they were."""
    if not ready_nodes(api.get("/api/v1/nodes")["items"]) >= set(spec.nodes):
        return False
    return alive_nodes(api.get(_LEASES)["items"], since) >= set(spec.nodes)


def ready_nodes(nodes: Iterable[dict[str, Any]]) -> set[str]:
    """Those whose condition says so."""
    out = set()
    for node in nodes:
        conditions = (node.get("status") or {}).get("conditions") or ()
        if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
            out.add(node["metadata"]["name"])
    return out


def alive_nodes(leases: Iterable[dict[str, Any]], since: datetime) -> set[str]:
    """Those that have renewed their lease after ``since``."""
    times = {row["metadata"]["name"]: (row.get("spec") or {}).get("renewTime") for row in leases}
    return {name for name, time in times.items() if time and datetime.fromisoformat(time) > since}


def dns_answers(spec: ClusterSpec, node: str) -> bool:
    """A query from the node to the cluster's DNS address, by way of its service proxy."""

    def ask() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            question = query(f"kubernetes.default.svc.{spec.domain}")
            sock.connect((spec.dns_ip, 53))
            sock.send(question)
            return answered(question, sock.recv(4096))

    return netns.inside(local.namespace(spec.name, node), ask)
