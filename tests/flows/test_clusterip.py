"""How a ClusterIP becomes nftables rules: docs/life-of-a-clusterip.md, executed.

The steps below have the numbers of that document.
"""

from __future__ import annotations

import socket
from typing import Any

from kubette.nft.expr import Family, goto
from kubette.nft.fake import FakeKernel
from kubette.nft.tracer import Packet, Tracer
from kubette.nft.transaction import AddElements, DelElements
from kubette.nft.types import packed_ip, packed_number, packed_port, packed_proto
from kubette.proxy import state
from kubette.proxy.config import ProxyConfig
from kubette.proxy.policy import frontends
from kubette.proxy.program import Program

SERVICE = {
    "metadata": {"namespace": "default", "name": "kubia"},
    "spec": {
        "type": "ClusterIP",
        "clusterIP": "10.43.0.7",
        "clusterIPs": ["10.43.0.7"],
        "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
    },
}


def endpoint_slice(*pods: tuple[str, int]) -> dict[str, Any]:
    """All pods in one slice; a named target port may differ, then upstream makes a slice for each number."""
    return {
        "metadata": {"namespace": "default", "name": "kubia-x", "labels": {state.SERVICE_NAME_LABEL: "kubia"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": pods[0][1] if pods else None, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}, "nodeName": "node-2"} for ip, _ in pods],
    }


def test_the_life_of_a_clusterip() -> None:
    kernel = FakeKernel()
    program = Program(ProxyConfig("node-1", ("172.29.0.11",), ("10.42.0.0/24",)), {Family.IPV4: kernel})
    program.flush()
    name = ("default", "kubia")

    # 1. API objects are narrowed to what matters
    service = state.service(SERVICE)
    two = state.endpoint_slice(endpoint_slice(("10.42.1.2", 8080), ("10.42.1.3", 8080)))
    assert service is not None and two is not None
    assert service.cluster_ips == ("10.43.0.7",)

    # 2. policy says who may serve
    (frontend,) = frontends(service, [two], program.node)
    assert frontend.pool.backends == {("10.42.1.2", 8080), ("10.42.1.3", 8080)}

    # 3., 4. the program turns it into map elements, and the difference into one transaction
    program.set_service(name, service)
    program.set_slice(("default", "kubia-x"), two)
    program.flush()
    table = kernel.tables[Family.IPV4, "kubette"]
    key = packed_ip("10.43.0.7") + packed_proto(6) + packed_port(80)
    assert table.elements["services"] == {key: goto("services-lb-2")}
    assert table.elements["services-endpoints"][key + packed_number(1)] == packed_ip("10.42.1.3") + packed_port(8080)

    # 5. a packet finds its way
    def land(slot: int) -> tuple[str, int]:
        tracer = Tracer(kernel.tables[Family.IPV4, "kubette"], lambda n: slot % n)
        out = tracer.prerouting(Packet(Family.IPV4, packed_ip("10.42.0.2"), packed_ip("10.43.0.7"), 6, 80))
        assert [s.chain for s in out.steps][:3] == ["prerouting", "prerouting", "from-outside"]
        return (socket.inet_ntoa(out.packet.dst), out.packet.dport) if out.fate == "accept" else (out.fate, 0)

    assert [land(0), land(1)] == [("10.42.1.2", 8080), ("10.42.1.3", 8080)]

    # 6. one endpoint replaced: two elements in one transaction
    program.set_slice(
        ("default", "kubia-x"), state.endpoint_slice(endpoint_slice(("10.42.1.2", 8080), ("10.42.1.9", 8080)))
    )
    (tx,) = program.flush().transactions
    assert [type(op) for op in tx.ops] == [DelElements, AddElements]
    assert tx.weight == 2
    assert land(1) == ("10.42.1.9", 8080)

    # 7. nobody left: refused at once
    program.set_slice(("default", "kubia-x"), state.endpoint_slice(endpoint_slice()))
    program.flush()
    assert land(0) == ("reset", 0)

    # 8. somebody flushes the ruleset: written again
    kernel.flush_ruleset()
    assert program.tables[Family.IPV4].repair()
    assert land(0) == ("reset", 0)
    kernel.close()
