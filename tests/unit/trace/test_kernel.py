"""The table that objects call for against what a kernel holds."""

from __future__ import annotations

from kubette.nft.expr import Family, goto
from kubette.nft.types import Elements, Field, Set, Table, packed_ip, packed_number, packed_port, packed_proto
from kubette.trace.kernel import differences

KEY = packed_ip("10.43.0.7") + packed_proto(6) + packed_port(80)
POD = packed_ip("10.42.0.2") + packed_port(8080)


def table(services: Elements, endpoints: Elements) -> Table:
    made = Table(Family.IPV4, "kubette")
    key = (Field.IPV4_ADDR, Field.INET_PROTO, Field.INET_SERVICE)
    made.add_set(Set("services", key, verdicts=True))
    made.add_set(Set("services-endpoints", (*key, Field.MARK), (Field.IPV4_ADDR, Field.INET_SERVICE)))
    made.elements = {"services": services, "services-endpoints": endpoints}
    return made


def test_slots_may_differ_and_backends_may_not() -> None:
    other = packed_ip("10.42.0.3") + packed_port(8080)
    wanted = table({KEY: goto("services-lb-2")}, {KEY + packed_number(0): POD, KEY + packed_number(1): other})
    held = table({KEY: goto("services-lb-2")}, {KEY + packed_number(0): other, KEY + packed_number(1): POD})
    assert differences(wanted, lambda spec: held.elements[spec.name]) == []
    held = table({KEY: goto("services-lb-1")}, {KEY + packed_number(0): POD})
    assert differences(wanted, lambda spec: held.elements[spec.name]) == [
        "the kernel lacks 10.43.0.7 . tcp . 80 : goto services-lb-2 in services",
        "the kernel has 10.43.0.7 . tcp . 80 : goto services-lb-1 in services, which no object calls for",
        "the kernel lacks 10.43.0.7 . tcp . 80 : 10.42.0.3 . 8080 in services-endpoints",
    ]
