"""When a cluster may be used: the API answers, every node is Ready, and cluster DNS resolves.

Asked from where a user is: the API over HTTPS from the host, DNS with a real query from a node.
"""

from __future__ import annotations

import http.client
import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from kubette.cluster.adminapi import Api
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
