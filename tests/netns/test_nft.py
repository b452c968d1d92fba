"""A table committed by our own encoder is what ``nft list`` prints, and all of it or nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubette.network import netns
from kubette.nft.expr import Family, goto
from kubette.nft.socket import Kernel
from kubette.nft.transaction import remove, replace
from kubette.nft.types import Chain, Field, Set, Table, packed_ip, packed_port, packed_proto


@pytest.fixture
def space() -> Iterator[Path]:
    path = Path(f"/run/netns/kbt-test-{os.getpid()}-nft")
    netns.create(path)
    yield path
    netns.remove(path)


def test_a_table_with_a_verdict_map_reaches_the_kernel_and_goes(space: Path) -> None:
    table = Table(Family.IPV4, "kubette")
    table.add_set(Set("services", (Field.IPV4_ADDR, Field.INET_PROTO, Field.INET_SERVICE), verdicts=True))
    table.add_chain(Chain("lb-3"))
    key = packed_ip("10.43.0.7") + packed_proto(6) + packed_port(80)
    table.elements["services"][key] = goto("lb-3")

    def story() -> tuple[str, str]:
        kernel = Kernel()
        try:
            kernel.commit(replace(table))
            kernel.commit(replace(table))
            there = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
            kernel.commit(remove(Family.IPV4, "kubette"))
            gone = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
            return there, gone
        finally:
            kernel.close()

    there, gone = netns.inside(space, story)
    assert "table ip kubette" in there
    assert "type ipv4_addr . inet_proto . inet_service : verdict" in there
    assert "10.43.0.7 . tcp . 80 : goto lb-3" in there
    assert gone == ""
