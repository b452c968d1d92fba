"""Ready answers: which queries get one, and that no client can fill the memory with them."""

from __future__ import annotations

import os

import dns.edns
import dns.message

from kubette.dns import wire
from kubette.dns.objects import Service
from kubette.dns.ready import ReadyAnswers
from kubette.dns.resolver import Resolver
from kubette.dns.zone import Zone

NAME = "web.shop.svc.cluster.local"


def resolver() -> Resolver:
    zone = Zone("cluster.local")
    zone.ready = True
    zone.set_service(("shop", "web"), Service(("shop", "web"), (bytes((10, 43, 1, 2)),)))
    return Resolver(zone, None)


def test_the_store_is_bounded_in_bytes_and_drops_the_oldest() -> None:
    ready = ReadyAnswers(max_bytes=10_000)
    for i in range(100):
        ready.put(i.to_bytes(2, "big"), wire.name(f"{i}.c"), b"x" * 1000)
        assert ready.size <= 10_000
    assert ready.get((99).to_bytes(2, "big")) and ready.get((0).to_bytes(2, "big")) is None
    ready.forget([wire.name(f"{i}.c") for i in range(100)])
    assert (len(ready), ready.size) == (0, 0)


def test_padding_letter_case_and_flags_take_no_place() -> None:
    it = resolver()
    for i in range(300):
        padding = dns.edns.GenericOption(12, os.urandom(600))
        assert it.answer(dns.message.make_query(NAME, "A", use_edns=0, options=[padding]).to_wire(), tcp=False)
        mixed = "".join(c.upper() if i >> n & 1 or n == 0 else c for n, c in enumerate(NAME))
        assert it.answer(dns.message.make_query(mixed, "A").to_wire(), tcp=False)
    assert len(it.ready) == 0


def test_a_plain_question_has_a_ready_answer_until_its_name_changes() -> None:
    it = resolver()
    for query in (dns.message.make_query(NAME, "A"), dns.message.make_query(NAME, "A", use_edns=0, payload=1232)):
        data = query.to_wire()
        answer = it.answer(data, tcp=False)
        assert isinstance(answer, bytes) and it.ready.get(data[2:]) == answer[2:]
    it.ready.forget([wire.name(NAME)])
    assert (len(it.ready), it.ready.size) == (0, 0)
