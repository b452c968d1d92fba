"""Messages of every kind, also broken ones: an answer or nothing, never an exception."""

from __future__ import annotations

import dns.message
import dns.opcode
import dns.rcode
from hypothesis import given
from hypothesis import strategies as st

from kubette.dns import wire
from kubette.dns.objects import Service
from kubette.dns.resolver import Resolver
from kubette.dns.zone import Zone


def resolver() -> Resolver:
    zone = Zone("cluster.local", ["10.43.0.0/16"])
    zone.set_namespace("shop", True)
    zone.set_service(("shop", "web"), Service(("shop", "web"), (b"\x0a\x2b\x01\x02",)))
    zone.ready = True
    return Resolver(zone, None)


def ask(query: dns.message.Message, *, tcp: bool = False) -> dns.message.Message:
    answer = resolver().answer(query.to_wire(), tcp=tcp)
    assert isinstance(answer, bytes)
    out = dns.message.from_wire(answer)
    assert query.is_response(out)
    return out


@given(st.binary(max_size=80))
def test_noise(data: bytes) -> None:
    answer = resolver().answer(data, tcp=False)
    assert answer is None or (isinstance(answer, bytes) and answer[:2] == data[:2])


@given(st.data())
def test_a_query_with_any_of_its_bytes_changed(data: st.DataObject) -> None:
    message = bytearray(dns.message.make_query("web.shop.svc.cluster.local", "A", use_edns=0).to_wire())
    for _ in range(data.draw(st.integers(1, 3))):
        message[data.draw(st.integers(2, len(message) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(message[: data.draw(st.integers(12, len(message)))])
    answer = resolver().answer(cut, tcp=False)
    assert answer is None or isinstance(answer, bytes)
    if answer is not None:
        dns.message.from_wire(answer, ignore_trailing=False)


@given(st.binary(max_size=60))
def test_records_of_noise(data: bytes) -> None:
    try:
        rows = list(wire.records(data, 0, 5))
    except wire.FormatError:
        return
    assert all(r.end <= len(data) for r in rows)


def test_what_is_refused_and_how() -> None:
    name = "web.shop.svc.cluster.local"
    assert ask(dns.message.make_query(name, "A", "CH")).rcode() == dns.rcode.REFUSED
    update = dns.message.make_query(name, "A")
    update.set_opcode(dns.opcode.STATUS)
    assert ask(update).rcode() == dns.rcode.NOTIMP
    newer = dns.message.make_query(name, "A", use_edns=1)
    assert ask(newer).rcode() == dns.rcode.BADVERS
    assert ask(dns.message.make_query(name, "ANY")).answer[0][0].address == "10.43.1.2"


def test_the_question_comes_back_as_it_was_sent() -> None:
    answer = ask(dns.message.make_query("wEb.SHOP.svc.Cluster.LOCAL", "A"))
    assert str(answer.answer[0].name) == "wEb.SHOP.svc.Cluster.LOCAL."
