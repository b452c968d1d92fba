"""Names and addresses, forth and back; what a change makes doubtful."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubette.dns import wire
from kubette.dns.objects import Endpoint, Port, Service, Slice, endpoint_slice, packed, service
from kubette.dns.records import dashed, reverse, reverse_zones, undashed
from kubette.dns.zone import Zone

WEB = ("shop", "web")


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
@example(ipaddress.ip_address("::ffff:192.0.2.1"))
def test_addresses_as_names(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert wire.text(reverse(ip.packed)) == ip.reverse_pointer + "."
    assert undashed(dashed(ip.packed)) == ip.packed
    assert packed(str(ip)) == ip.packed


@pytest.mark.parametrize(
    ("cidr", "zones"),
    [
        ("10.42.0.0/16", ["42.10.in-addr.arpa."]),
        ("10.42.7.9/16", ["42.10.in-addr.arpa."]),
        ("172.16.0.0/15", ["16.172.in-addr.arpa.", "17.172.in-addr.arpa."]),
        ("fd00:42::/32", ["2.4.0.0.0.0.d.f.ip6.arpa."]),
        ("10.1.2.3/32", ["3.2.1.10.in-addr.arpa."]),
    ],
)
def test_reverse_zones_cover_a_cidr_exactly(cidr: str, zones: list[str]) -> None:
    assert [wire.text(z) for z in reverse_zones(cidr)] == zones


@pytest.mark.parametrize("cidr", ["", "10.42.0.0", "10.42.0.0/33", "x/8"])
def test_what_is_no_cidr(cidr: str) -> None:
    with pytest.raises(ValueError, match="no CIDR"):
        reverse_zones(cidr)


@pytest.mark.parametrize("obj", [{}, {"metadata": None, "spec": None}, {"spec": {"clusterIP": "x", "ports": [{}]}}])
def test_odd_objects_yield_less(obj: dict[str, object]) -> None:
    assert service(obj).ips == ()
    assert endpoint_slice(obj) is None


def test_a_change_names_what_it_makes_doubtful() -> None:
    zone = Zone("c")
    http = (Port("http", "tcp", 80),)
    names = {wire.text(n) for n in zone.set_service(WEB, Service(WEB, (bytes((10, 43, 1, 2)),), http))}
    assert names == {"web.shop.svc.c.", "_tcp.web.shop.svc.c.", "_http._tcp.web.shop.svc.c.", "2.1.43.10.in-addr.arpa."}
    endpoints = Slice(WEB, http, (Endpoint(bytes((10, 42, 0, 1)), "", True),))
    changed = {wire.text(n) for n in zone.set_slice(("shop", "web-x"), endpoints)}
    assert "10-42-0-1.web.shop.svc.c." in changed and "1.0.42.10.in-addr.arpa." not in changed
    assert len(zone.set_service(WEB, Service(WEB, headless=True))) == 6
    assert zone.set_slice(("shop", "web-x"), None) != set()
    assert zone.set_service(WEB, None) == set()
    assert zone._owners == {} and zone._reverse == {} and zone._owned == {}


def test_one_address_of_two_services_has_two_names() -> None:
    zone = Zone("c")
    pod = (Endpoint(bytes((10, 42, 0, 1)), "pod", True),)
    for name in ("a", "b"):
        zone.set_service(("shop", name), Service(("shop", name), headless=True))
        zone.set_slice(("shop", name), Slice(("shop", name), (), pod))
    asked = wire.name("1.0.42.10.in-addr.arpa")
    answer = zone.answer(asked, wire.PTR)
    assert answer is not None and len(answer.answers) == 2
    zone.set_service(("shop", "a"), None)
    answer = zone.answer(asked, wire.PTR)
    assert answer is not None and [a.endswith(wire.name("pod.b.shop.svc.c")) for a in answer.answers] == [True]


def rdatas(zone: Zone, name: str, type_: int) -> list[bytes] | int:
    answer = zone.answer(wire.name(name), type_)
    assert answer is not None
    rows = [row[len(wire.QUESTION) + 10 :] for row in answer.answers]
    return answer.rcode if answer.rcode else rows


def srv(weight: int, port: int, target: str) -> bytes:
    return b"".join(n.to_bytes(2, "big") for n in (0, weight, port)) + wire.name(target)


@pytest.mark.parametrize("headless", [False, True])
def test_names_as_coredns_answers_them(headless: bool) -> None:
    """SRV of the plain name, of an endpoint and of a port; a name for every ready endpoint under any Service."""
    zone = Zone("c")
    ip, ready, other = bytes((10, 43, 1, 2)), bytes((10, 42, 0, 1)), bytes((10, 42, 0, 2))
    ports = (Port("http", "tcp", 80), Port("", "udp", 53))
    zone.set_service(WEB, Service(WEB, () if headless else (ip,), ports, headless=headless))
    endpoints = (Endpoint(ready, "", True), Endpoint(other, "", False))
    zone.set_slice(("shop", "web-x"), Slice(WEB, (Port("http", "tcp", 8080),), endpoints))
    web, pod = "web.shop.svc.c", "10-42-0-1.web.shop.svc.c"
    if headless:
        assert rdatas(zone, web, wire.SRV) == rdatas(zone, f"_http._tcp.{web}", wire.SRV) == [srv(100, 8080, pod)]
        assert rdatas(zone, f"_http._tcp.{web}", wire.A) == [ready]
    else:
        assert rdatas(zone, web, wire.SRV) == [srv(50, 80, web), srv(50, 53, web)]
        assert rdatas(zone, f"_http._tcp.{web}", wire.SRV) == [srv(100, 80, web)]
        assert rdatas(zone, f"_http._tcp.{web}", wire.A) == [ip]
    assert rdatas(zone, pod, wire.A) == [ready]
    assert rdatas(zone, pod, wire.AAAA) == []
    assert rdatas(zone, pod, wire.SRV) == [srv(100, 8080, pod)]
    assert rdatas(zone, "10-42-0-2.web.shop.svc.c", wire.A) == wire.NXDOMAIN  # not ready
    assert rdatas(zone, "*.web.shop.svc.c", wire.A) == wire.NXDOMAIN
