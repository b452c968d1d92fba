"""When a cluster counts as ready."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kubette.cluster import ready


def node(name: str, status: str) -> dict[str, Any]:
    conditions = [{"type": "MemoryPressure", "status": "True"}, {"type": "Ready", "status": status}]
    return {"metadata": {"name": name}, "status": {"conditions": conditions}}


def lease(name: str, time: str | None) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"renewTime": time} if time else {}}


def test_what_a_node_was_before_does_not_count() -> None:
    nodes = [node("node-1", "True"), node("node-2", "False"), node("node-3", "Unknown"), {"metadata": {"name": "x"}}]
    assert ready.ready_nodes(nodes) == {"node-1"}
    since = datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    leases = [
        lease("node-1", "2026-01-01T12:00:00.500001Z"),
        lease("node-2", "2026-01-01T12:00:00.400000Z"),
        lease("node-3", None),
    ]
    assert ready.alive_nodes(leases, since) == {"node-1"}


def test_a_dns_answer_is_told_from_a_refusal() -> None:
    question = ready.query("kubernetes.default.svc.cluster.local")
    assert question[12:23] == b"\x0akubernetes"
    good = question[:2] + b"\x84\x00\0\x01\0\x01\0\0\0\0"
    assert ready.answered(question, good)
    assert not ready.answered(question, question[:2] + b"\x84\x03\0\x01\0\0\0\0\0\0"), "NXDOMAIN"
    assert not ready.answered(question, b"zz" + good[2:]), "of another question"
    assert not ready.answered(question, good[:5])
