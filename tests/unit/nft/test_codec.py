"""Bytes on the wire, as nft's own library writes them, and the difference between two tables."""

from __future__ import annotations

import struct

from kubette.nft import codec
from kubette.nft.expr import Family, goto
from kubette.nft.live import Objects, difference
from kubette.nft.nla import parse
from kubette.nft.transaction import AddElements, AddTable, Transaction
from kubette.nft.types import Chain, Field, Set, Table, inside

PORTS = Set("ports", (Field.INET_SERVICE,), (Field.MARK,))
VERDICTS = Set("v", (Field.INET_SERVICE,), verdicts=True)


def test_a_batch_is_begin_messages_end_and_asks_for_one_acknowledgement() -> None:
    data, origin = codec.encode(Transaction(Family.IPV4, "t", [AddTable(), AddTable()]), 7)
    sizes, at = [], 0
    while at < len(data):
        size, kind, flags, seq, _ = struct.unpack_from("=IHHII", data, at)
        sizes.append((kind, bool(flags & codec.NLM_F_ACK), seq))
        at += size
    table = codec.SUBSYS << 8
    assert sizes == [(codec.BATCH_BEGIN, False, 7), (table, False, 8), (table, True, 9), (codec.BATCH_END, False, 10)]
    assert list(origin) == [8, 9]


def test_elements_survive_encoding_and_decoding() -> None:
    elements = {struct.pack(">Hxx", p): struct.pack("=I", p) for p in range(3)}
    body = b"".join(codec.encode_elements(PORTS, dict(elements)))
    assert dict(codec.decode_elements({3: body}, PORTS)) == elements
    verdicts = {b"\0\x50\0\0": goto("lb-3")}
    body = b"".join(codec.encode_elements(VERDICTS, dict(verdicts)))
    assert dict(codec.decode_elements({3: body}, VERDICTS)) == verdicts


def test_many_elements_are_cut_where_an_attribute_would_overflow() -> None:
    elements = {struct.pack(">I", n): b"\0\0\0\0" for n in range(5000)}
    data, origin = codec.encode(Transaction(Family.IPV4, "t", [AddElements(PORTS, dict(elements))]), 1)
    assert len(origin) > 1
    found = 0
    for message in list(codec.decode(data))[1:-1]:
        found += len(list(codec.decode_elements(message.attrs, PORTS)))
    assert found == 5000


def test_a_changed_value_is_deleted_and_added_after_new_chains_and_before_old_ones_go() -> None:
    table = Table(Family.IPV4, "t")
    table.add_set(VERDICTS)
    table.add_chain(Chain("lb-1"))
    key = b"\0\x50\0\0"
    table.elements["v"][key] = goto("lb-1")
    tx = difference(table, {"v": {key: goto("lb-2")}}, Objects(add_chains=[Chain("lb-2")], drop_chains=["lb-1"]))
    assert [type(op).__name__ for op in tx.ops] == ["AddChain", "DelElements", "AddElements", "DelChain"]
    assert not difference(table, {"v": {key: goto("lb-1")}})


def test_attributes_and_networks() -> None:
    assert parse(b"\x08\x00\x01\x00abcd") == {1: b"abcd"}
    assert inside(["10.43.0.0/16"], "10.43.9.9") and not inside(["10.43.0.0/16"], "10.44.0.1")
    assert inside(["fd00::/64"], "fd00::9") and not inside(["fd00::/64"], "10.0.0.1")
