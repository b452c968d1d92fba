"""Whether a process listens where a packet arrives: sockets of the kernel, and what a trace says of them."""

from __future__ import annotations

import socket

import pytest

from kubette.trace.listening import Socket, check, parse, sockets
from kubette.trace.report import Landing, Trace
from kubette.trace.text import verdict

TCP, UDP = 6, 17
PROC_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0200012A:0050 0300012A:D431 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
"""
PROC_TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr
   0: 00000000000000000000000000000000:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000
   2: 0000000000000000FFFF00000100007F:1F93 00000000000000000000000000000000:0000 0A 00000000:00000000
"""


def test_sockets_as_the_kernel_writes_them() -> None:
    assert list(parse(PROC_TCP, TCP)) == [Socket(8080, "127.0.0.1"), Socket(80, "0.0.0.0")]
    assert list(parse(PROC_TCP6, TCP)) == [Socket(8081, "::"), Socket(8082, "::1"), Socket(8083, "127.0.0.1")]


@pytest.mark.parametrize(("proto", "kind"), [(TCP, socket.SOCK_STREAM), (UDP, socket.SOCK_DGRAM)])
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")])
def test_sockets_of_this_kernel(proto: int, kind: int, family: int, address: str) -> None:
    with socket.socket(family, kind) as one:
        one.bind((address, 0))
        mine = Socket(one.getsockname()[1], address)
        if proto == TCP:
            assert mine not in sockets(proto)  # bound, and not listening yet
            one.listen()
        assert mine in sockets(proto)


def traced(proto: int, *found: Socket, address: str = "10.42.1.2") -> Trace:
    trace = Trace("outside", "svc/web", landings=[Landing("pod", address, 8080, "node-1", "default/web")])
    check(trace, proto, lambda _: found)
    return trace


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.42.1.2"])
def test_a_process_that_listens(address: str) -> None:
    assert traced(TCP, Socket(8080, address)).arrives
    assert traced(TCP, Socket(8080, "127.0.0.1"), Socket(8080, address)).arrives


def test_nothing_listens() -> None:
    trace = traced(TCP, Socket(80, "0.0.0.0"), Socket(90, "127.0.0.1"))
    assert not trace.arrives and verdict(trace) == "it is refused at once (TCP reset)"
    assert trace.reasons == ["nothing listens on TCP port 8080 in pod default/web; it listens on 80"]
    trace = traced(UDP)
    assert verdict(trace) == "it is refused at once (unreachable)"
    assert trace.reasons == ["nothing listens on UDP port 8080 in pod default/web; it listens on no UDP port"]


def test_loopback_or_another_address_only() -> None:
    trace = traced(TCP, Socket(8080, "127.0.0.1"), Socket(8080, "::1"))
    assert not trace.arrives
    assert trace.reasons[0].startswith("pod default/web listens on 127.0.0.1 and ::1 only for TCP port 8080")
    assert trace.reasons[0].endswith("make the program listen on 0.0.0.0 or ::")
    assert traced(TCP, Socket(8080, "10.42.9.9")).reasons == [
        "pod default/web listens on 10.42.9.9 only for TCP port 8080"
    ]
    assert not traced(TCP, Socket(8080, "0.0.0.0"), address="fd00::2").arrives


def test_where_the_sockets_are_unknown_nothing_is_said() -> None:
    trace = Trace("outside", "x", landings=[Landing("pod", "10.42.1.2", 80), Landing("outside", "192.0.2.1", 80)])
    check(trace, TCP, lambda end: None if end.fate == "pod" else [])
    assert trace.arrives and not trace.reasons
