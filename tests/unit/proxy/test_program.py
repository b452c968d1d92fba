"""The proxy's program on fake kernels: nothing that fails is lost, and nothing that fails holds up the rest."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from kubette.nft.errors import NftError, classify
from kubette.nft.expr import Family
from kubette.nft.fake import FakeKernel
from kubette.nft.flows import Destination
from kubette.nft.tracer import Packet, Tracer
from kubette.nft.transaction import Transaction
from kubette.nft.types import Set, packed_ip, packed_port, packed_proto
from kubette.proxy import table as tb
from kubette.proxy.config import ProxyConfig
from kubette.proxy.program import Program
from kubette.proxy.state import Endpoint, Service, ServicePort, Slice

CONFIG = ProxyConfig(
    "node-1", ("172.29.0.11", "fd00:29::11"), ("10.42.0.0/24",), ("10.43.0.0/16", "fd00:43::/112"), ("10.42.0.0/16",)
)
VIP, VIP6 = "10.43.0.7", "fd00:43::7"
TCP, UDP = 6, 17


class Refusing(FakeKernel):
    """A kernel that refuses as often as it is told to."""

    refusals = 0

    def commit(self, tx: Transaction) -> None:
        if self.refusals:
            self.refusals -= 1
            raise classify(errno.ENOMEM, tx)
        super().commit(tx)


@pytest.fixture
def kernels() -> Iterator[dict[Family, Refusing]]:
    made = {family: Refusing() for family in Family}
    yield made
    for kernel in made.values():
        kernel.close()


def web(name: str = "web", vip: str = VIP, port: int = 80, proto: int = TCP, **fields: object) -> Service:
    ips = (vip, VIP6) if vip == VIP else (vip,)
    return Service(("d", name), (ServicePort("", proto, port),), ips, **fields)  # type: ignore[arg-type]


def slice_of(*ips: str, name: str = "web", proto: int = TCP) -> Slice:
    family = Family.IPV6 if ":" in "".join(ips) else Family.IPV4
    return Slice(("d", name), family, {("", proto): tuple(Endpoint(ip, 8080, "node-1") for ip in ips)})


def frontend(ip: str, port: int = 80) -> bytes:
    return packed_ip(ip) + packed_proto(TCP) + packed_port(port)


def test_a_family_that_is_refused_is_written_later_and_the_other_at_once(kernels: dict[Family, Refusing]) -> None:
    program = Program(CONFIG, kernels)
    program.flush()
    for refused, other in ((Family.IPV4, Family.IPV6), (Family.IPV6, Family.IPV4)):
        port = 80 + refused
        kernels[refused].refusals = 2  # the difference, and the whole table
        program.set_service(("d", "web"), web(port=port))
        assert program.flush().failures == 1
        assert program.pending
        vips = {Family.IPV4: VIP, Family.IPV6: VIP6}
        assert frontend(vips[other], port) in kernels[other].tables[other, "kubette"].elements["services"]
        assert program.flush().failures == 0
        assert not program.pending
        assert frontend(vips[refused], port) in kernels[refused].tables[refused, "kubette"].elements["services"]


def test_what_comes_while_the_kernel_refuses_is_written_with_the_rest(kernels: dict[Family, Refusing]) -> None:
    program = Program(CONFIG, kernels)
    kernels[Family.IPV4].refusals = 1
    assert program.flush().failures == 1
    kernels[Family.IPV4].refusals = 1
    program.set_service(("d", "web"), web())
    assert program.flush().failures == 1
    program.set_service(("d", "two"), web("two", "10.43.0.8"))
    assert program.flush().failures == 0
    held = kernels[Family.IPV4].tables[Family.IPV4, "kubette"].elements["services"]
    assert held.keys() == {frontend(VIP), frontend("10.43.0.8")}


def test_a_service_that_cannot_be_worked_out_holds_up_no_other(kernels: dict[Family, Refusing]) -> None:
    program = Program(CONFIG, kernels)
    odd = web("odd", "10.43.0.9", port=1 << 20)  # no such port
    program.set_service(("d", "odd"), odd)
    program.set_service(("d", "web"), web())
    flushed = program.flush()
    held = kernels[Family.IPV4].tables[Family.IPV4, "kubette"].elements["services"]
    assert (flushed.failures, held.keys()) == (1, {frontend(VIP)})
    assert program.pending
    program.set_service(("d", "odd"), web("odd", "10.43.0.9"))
    assert program.flush().failures == 0
    assert frontend("10.43.0.9") in kernels[Family.IPV4].tables[Family.IPV4, "kubette"].elements["services"]


def test_flows_are_looked_after_once_the_table_is_written(kernels: dict[Family, Refusing]) -> None:
    program = Program(CONFIG, kernels)
    program.flush()
    kernels[Family.IPV4].refusals = 2
    program.set_service(("d", "dns"), web("dns", "10.43.0.10", 53, UDP))
    program.set_slice(("d", "dns-1"), slice_of("10.42.0.2", name="dns", proto=UDP))
    assert program.flush().stale == []
    keep = frozenset({("10.42.0.2", 8080)})
    assert program.flush().stale == [Destination(Family.IPV4, "10.43.0.10", 53, keep)]
    assert program.flush().stale == []


def test_which_udp_flows_are_stale(kernels: dict[Family, Refusing]) -> None:
    """Those of backends that no longer serve; while none serves, those of backends that have gone altogether."""
    program = Program(CONFIG, kernels)
    name = ("d", "dns")
    program.set_service(name, web("dns", "10.43.0.10", 53, UDP))
    one, two = Endpoint("10.42.0.2", 53, "node-1"), Endpoint("10.42.0.3", 53, "node-1")
    unready = Endpoint("10.42.0.2", 53, "node-1", ready=False, serving=False)
    ending = Endpoint("10.42.0.2", 53, "node-1", ready=False, serving=True, terminating=True)

    def kept(*endpoints: Endpoint) -> list[set[str]]:
        found = Slice(name, Family.IPV4, {("", UDP): endpoints} if endpoints else {})
        program.set_slice(("d", "dns-1"), found)
        return [{ip for ip, _ in destination.keep} for destination in program.flush().stale]

    assert kept(one) == [{"10.42.0.2"}]  # the first
    assert kept(one, two) == []
    assert kept(ending, two) == []  # it still answers those that it has
    assert kept(unready, two) == [{"10.42.0.3"}]
    assert kept(one, two) == []
    assert kept(one) == [{"10.42.0.2"}]
    assert kept(unready) == []  # nobody would serve it better
    assert kept() == [set()]
    assert kept(one) == [{"10.42.0.2"}]
    program.set_service(name, None)
    assert [destination.keep for destination in program.flush().stale] == [frozenset()]


def test_the_clients_map_outlives_a_change_of_endpoints_and_not_the_service(kernels: dict[Family, Refusing]) -> None:
    program = Program(CONFIG, kernels)
    service = web(affinity=60)
    program.set_service(service.name, service)
    program.set_slice(("d", "web-1"), slice_of("10.42.0.2", "10.42.0.3"))
    program.flush()
    table = kernels[Family.IPV4].tables[Family.IPV4, "kubette"]
    assert [name for name in table.sets if name.startswith("affinity-")] == ["affinity-d/web/tcp/"]
    program.set_slice(("d", "web-1"), slice_of("10.42.0.2", "10.42.0.3", "10.42.0.4"))
    tx = program.flush().transactions[0]
    assert "affinity-d/web/tcp/" not in [getattr(op, "name", "") for op in tx.ops]  # the clients' map stays
    program.set_service(service.name, None)
    program.flush()
    table = kernels[Family.IPV4].tables[Family.IPV4, "kubette"]
    assert not [name for name in (*table.sets, *table.chains) if "d/web" in name]


def test_a_full_affinity_map_serves_further_clients_all_the_same(
    kernels: dict[Family, Refusing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tb, "_AFFINITY_CLIENTS", 2)
    program = Program(CONFIG, kernels)
    program.set_service(("d", "web"), web(affinity=60))
    program.set_slice(("d", "web-1"), slice_of("10.42.0.2", "10.42.0.3"))
    program.flush()
    turns = iter(range(1000))
    tracer = Tracer(kernels[Family.IPV4].tables[Family.IPV4, "kubette"], lambda n: next(turns) % n if n > 1 else 0)

    def land(client: int) -> bytes:
        out = tracer.prerouting(Packet(Family.IPV4, bytes((10, 42, 0, client)), packed_ip(VIP), TCP, 80))
        assert out.fate == "accept" and out.dnat is not None
        return out.dnat[0]

    remembered = [{land(client) for _ in range(6)} for client in (10, 11)]
    assert [len(backends) for backends in remembered] == [1, 1]
    assert len({land(12) for _ in range(6)}) == 2
    assert [{land(client) for _ in range(6)} for client in (10, 11)] == remembered


def test_a_table_that_is_behind_is_written_whole_by_the_next_change(kernels: dict[Family, Refusing]) -> None:
    program = Program(CONFIG, kernels)
    live = program.tables[Family.IPV4]
    live.load()
    kernels[Family.IPV4].refusals = 2
    key = packed_ip("10.43.0.99")
    with pytest.raises(NftError):
        live.apply({tb.GUARDED: {key: b""}})
    live.apply({})
    spec: Set = live.table.sets[tb.GUARDED]
    assert key in kernels[Family.IPV4].elements(Family.IPV4, "kubette", spec)
