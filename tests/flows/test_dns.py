"""Cluster DNS as its clients see it: objects in the API, questions over UDP and TCP on loopback, dnspython asking."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from kubette.api import errors
from kubette.api.kinds import resource
from kubette.client.config import ClientConfig
from kubette.client.reader import Reader
from kubette.dns.config import DnsConfig
from kubette.dns.service import Running, serving
from kubette.testing import apiserver
from kubette.testing.fakeapi import FakeApi

Obj = dict[str, Any]
SERVICES, SLICES = resource("services"), resource("endpointslices.discovery.k8s.io")


def service(name: str, ip: str = "", **spec: Any) -> Obj:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}, {"port": 99, "protocol": "UDP"}]
    own = {"clusterIP": ip, "clusterIPs": [ip]} if ip else {}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"ports": ports, **own, **spec}}


def slice_(of: str, *endpoints: tuple[str, str, bool], port: int = 8080, family: str = "IPv4") -> Obj:
    """Endpoints are (address, hostname, ready)."""
    return {
        "metadata": {
            "name": f"{of}-{family.lower()}", "namespace": "shop", "labels": {"kubernetes.io/service-name": of}
        },
        "addressType": family,
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": [ip], "conditions": {"ready": ready}, **({"hostname": host} if host else {})}
            for ip, host, ready in endpoints
        ],
    }  # fmt: skip


class Clients:
    """Asks the server under test."""

    def __init__(self, running: Running) -> None:
        self.running = running

    async def ask(self, name: str, type_: str = "A", *, tcp: bool = False, **options: Any) -> dns.message.Message:
        query = dns.message.make_query(name, type_, **options)
        ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await ask(query, "127.0.0.1", timeout=5, port=self.running.port)

    async def rows(self, name: str, type_: str = "A", **options: Any) -> list[str]:
        """The answer section's rdata, sorted; or the rcode, or NODATA."""
        answer = await self.ask(name, type_, **options)
        if answer.rcode():
            return [dns.rcode.to_text(answer.rcode())]
        return sorted(str(r) for rrset in answer.answer for r in rrset) or ["NODATA"]

    async def until(self, name: str, type_: str, holds: Callable[[list[str]], bool]) -> list[str]:
        async with asyncio.timeout(5):
            while True:
                rows = await self.rows(name, type_)
                if holds(rows):
                    return rows

    async def http(self, path: str) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.running.status_port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        return int(head.split()[1]), body


@pytest.fixture
async def api() -> FakeApi:
    api = FakeApi()
    await api.create(resource("namespaces"), {"metadata": {"name": "shop"}})
    return api


@contextlib.asynccontextmanager
async def dns_for(api: Any, **config: Any) -> AsyncIterator[Clients]:
    config = {"resolv_conf": Path("/nonexistent"), "listen": ("127.0.0.1",), "port": 0, "status_port": 0, **config}
    async with serving(api, DnsConfig(**config)) as running:
        yield Clients(running)


@pytest.fixture
async def cluster(api: FakeApi) -> AsyncIterator[Clients]:
    async with dns_for(api) as clients:
        await asyncio.wait_for(clients.running.synced.wait(), 5)
        yield clients


async def test_a_service_has_its_records_as_long_as_it_exists(api: FakeApi, cluster: Clients) -> None:
    web = "web.shop.svc.cluster.local"
    assert await cluster.rows(web) == ["NXDOMAIN"]
    await api.create(SERVICES, service("web", "10.43.1.2"))
    assert await cluster.until(web, "A", lambda rows: rows != ["NXDOMAIN"]) == ["10.43.1.2"]
    assert await cluster.rows(web, "AAAA") == ["NODATA"]
    assert await cluster.rows("WEB.Shop.SVC.cluster.LOCAL") == ["10.43.1.2"]
    assert await cluster.rows(f"_http._tcp.{web}", "SRV") == [f"0 100 80 {web}."]
    assert await cluster.rows(f"_tcp.{web}", "SRV") == ["NODATA"]
    assert await cluster.rows(f"_http._udp.{web}", "SRV") == ["NXDOMAIN"]
    assert await cluster.rows("2.1.43.10.in-addr.arpa", "PTR") == [f"{web}."]
    srv = await cluster.ask(f"_http._tcp.{web}", "SRV")
    assert [str(r) for r in srv.additional] == [f"{web}. 5 IN A 10.43.1.2"]
    await api.delete(SERVICES, "web", "shop")
    assert await cluster.until(web, "A", lambda rows: rows != ["10.43.1.2"]) == ["NXDOMAIN"]
    assert await cluster.rows("2.1.43.10.in-addr.arpa", "PTR") == ["NXDOMAIN"]


async def test_both_families_of_one_service(api: FakeApi, cluster: Clients) -> None:
    await api.create(SERVICES, service("web", "10.43.1.2", clusterIPs=["10.43.1.2", "fd00:43::2"]))
    web = "web.shop.svc.cluster.local"
    assert await cluster.until(web, "AAAA", lambda rows: rows != ["NXDOMAIN"]) == ["fd00:43::2"]
    assert await cluster.rows(web) == ["10.43.1.2"]
    reverse = "2.0.0.0." + "0." * 20 + "3.4.0.0.0.0.d.f.ip6.arpa"
    assert await cluster.rows(reverse, "PTR") == [f"{web}."]


async def test_a_headless_service_answers_with_its_ready_endpoints(api: FakeApi, cluster: Clients) -> None:
    pets = "pets.shop.svc.cluster.local"
    await api.create(SERVICES, service("pets", "None"))
    assert await cluster.rows(pets) == ["NXDOMAIN"]  # as the specification has it: nobody is ready
    await api.create(SLICES, slice_("pets", ("10.42.0.5", "pet-0", True), ("10.42.0.6", "", True),
                                    ("10.42.0.7", "pet-2", False)))  # fmt: skip
    assert await cluster.until(pets, "A", lambda rows: rows != ["NXDOMAIN"]) == ["10.42.0.5", "10.42.0.6"]
    assert await cluster.rows(f"pet-0.{pets}") == ["10.42.0.5"]
    assert await cluster.rows(f"10-42-0-6.{pets}") == ["10.42.0.6"]
    assert await cluster.rows(f"pet-2.{pets}") == ["NXDOMAIN"]
    assert await cluster.rows(f"_http._tcp.{pets}", "SRV") == [
        f"0 50 8080 10-42-0-6.{pets}.",
        f"0 50 8080 pet-0.{pets}.",
    ]
    assert await cluster.rows("5.0.42.10.in-addr.arpa", "PTR") == [f"pet-0.{pets}."]
    first = {str((await cluster.ask(pets)).answer[0][0]) for _ in range(4)}
    assert first == {"10.42.0.5", "10.42.0.6"}  # the order changes

    await api.patch(SERVICES, "pets", {"spec": {"publishNotReadyAddresses": True}}, "shop")
    assert await cluster.until(f"pet-2.{pets}", "A", lambda rows: rows != ["NXDOMAIN"]) == ["10.42.0.7"]
    await api.update(SLICES, slice_("pets", ("10.42.0.5", "pet-0", True)))
    assert await cluster.until(pets, "A", lambda rows: len(rows) == 1) == ["10.42.0.5"]


async def test_names_that_exist_and_names_that_do_not(api: FakeApi, cluster: Clients) -> None:
    for name in ("cluster.local", "svc.cluster.local", "shop.svc.cluster.local", "pod.cluster.local"):
        assert await cluster.rows(name) == ["NODATA"], name
    for name in ("nowhere.svc.cluster.local", "a.b.c.cluster.local", "x.shop.svc.cluster.local"):
        assert await cluster.rows(name) == ["NXDOMAIN"], name
    nothing = await cluster.ask("x.shop.svc.cluster.local")
    assert nothing.flags & dns.flags.AA
    soa = nothing.authority[0]
    assert (str(soa.name), soa.ttl, soa.rdtype, soa[0].minimum) == ("cluster.local.", 5, dns.rdatatype.SOA, 5)
    assert await cluster.rows("10-42-0-9.shop.pod.cluster.local") == ["10.42.0.9"]
    assert await cluster.rows("10-42-0-9.nowhere.pod.cluster.local") == ["NXDOMAIN"]
    assert await cluster.rows("fd00--9.shop.pod.cluster.local", "AAAA") == ["fd00::9"]
    assert await cluster.rows("dns-version.cluster.local", "TXT") == ['"1.1.0"']
    assert await cluster.rows("example.com") == ["REFUSED"]  # there is nobody to ask
    assert await cluster.rows("cluster.local", "AXFR", tcp=True) == ["REFUSED"]


async def test_the_zone_names_its_server(api: FakeApi, cluster: Clients) -> None:
    assert await cluster.rows("ns.dns.cluster.local") == ["NODATA"]
    kube_dns = service("kube-dns", "10.43.0.10")
    kube_dns["metadata"]["namespace"] = "kube-system"
    await api.create(SERVICES, kube_dns)
    assert await cluster.until("ns.dns.cluster.local", "A", lambda rows: rows != ["NODATA"]) == ["10.43.0.10"]
    answer = await cluster.ask("cluster.local", "NS")
    assert [str(r) for r in answer.answer] == ["cluster.local. 5 IN NS ns.dns.cluster.local."]
    assert [str(r) for r in answer.additional] == ["ns.dns.cluster.local. 5 IN A 10.43.0.10"]


async def test_long_answers_are_cut_for_udp_and_whole_over_tcp(api: FakeApi, cluster: Clients) -> None:
    many = "many.shop.svc.cluster.local"
    await api.create(SERVICES, service("many", "None"))
    await api.create(SLICES, slice_("many", *((f"10.42.1.{i}", "", True) for i in range(1, 101))))
    await cluster.until(many, "A", lambda rows: rows != ["NXDOMAIN"])
    plain = await cluster.ask(many)
    assert plain.flags & dns.flags.TC
    assert len(plain.to_wire()) <= 512 and len(plain.answer[0]) > 20
    with_edns = await cluster.ask(many, use_edns=0, payload=4096)
    assert with_edns.edns == 0 and with_edns.flags & dns.flags.TC and len(with_edns.answer[0]) > 60
    whole = await cluster.ask(many, tcp=True)
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer[0]) == 100


async def test_one_client_cannot_shut_others_out_of_tcp(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle connections give way to new ones, the oldest first, for each client and in all."""
    monkeypatch.setattr("kubette.dns.server._CONNECTIONS_PER_CLIENT", 4)
    monkeypatch.setattr("kubette.dns.server._CONNECTIONS", 6)
    await api.create(SERVICES, service("web", "10.43.1.2"))
    async with dns_for(api) as clients, contextlib.AsyncExitStack() as stack:

        async def idle(source: str) -> asyncio.StreamReader:
            reader, writer = await asyncio.open_connection("127.0.0.1", clients.running.port, local_addr=(source, 0))
            stack.callback(writer.close)
            return reader

        async def closed(reader: asyncio.StreamReader) -> None:
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 5) == b""

        await asyncio.wait_for(clients.running.synced.wait(), 5)
        mine = [await idle("127.0.0.2") for _ in range(8)]
        for reader in mine[:4]:
            await closed(reader)
        assert not any(reader.at_eof() for reader in mine[4:])
        others = [await idle("127.0.0.3") for _ in range(4)]
        for reader in mine[4:6]:
            await closed(reader)
        assert await clients.rows("web.shop.svc.cluster.local", tcp=True) == ["10.43.1.2"]
        assert not any(reader.at_eof() for reader in others)


async def test_long_datagrams_never_reach_the_receive_buffer(api: FakeApi, cluster: Clients) -> None:
    await api.create(SERVICES, service("web", "10.43.1.2"))
    web = "web.shop.svc.cluster.local"
    await cluster.until(web, "A", lambda rows: rows == ["10.43.1.2"])
    size = len(dns.message.make_query(web, "A", use_edns=0, options=[dns.edns.GenericOption(12, b"")]).to_wire())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", cluster.running.port))
        loop = asyncio.get_running_loop()
        sent = []
        for length in (1233, 3900, 1232):  # the last is answered; of the others, an answer would come before its
            padding = dns.edns.GenericOption(12, bytes(length - size))
            sent.append(dns.message.make_query(web, "A", use_edns=0, options=[padding]).to_wire(max_size=4096))
            client.send(sent[-1])
        assert [len(data) for data in sent] == [1233, 3900, 1232]
        answer = await asyncio.wait_for(loop.sock_recv(client, 4096), 5)
        assert answer[:2] == sent[-1][:2]


async def test_nothing_is_called_missing_before_everything_is_known() -> None:
    class Silent(FakeApi):
        async def list(self, *args: Any, **kwargs: Any) -> Obj:
            await asyncio.Event().wait()
            raise AssertionError

    async with dns_for(Silent()) as clients:
        assert await clients.rows("kubernetes.default.svc.cluster.local") == ["SERVFAIL"]
        assert (await clients.http("/readyz"))[0] == 503
        assert (await clients.http("/healthz"))[0] == 200


async def test_probes_and_metrics(api: FakeApi, cluster: Clients) -> None:
    for _ in range(3):
        await cluster.rows("kubernetes.shop.svc.cluster.local")
    assert (await cluster.http("/readyz"))[0] == 200
    code, text = await cluster.http("/metrics")
    assert code == 200 and 'kubette_dns_questions_total{proto="udp"} 3\n' in text
    assert "kubette_dns_ready_answers_total 2\n" in text and 'made_answers_total{rcode="NXDOMAIN"} 1\n' in text


class Upstream(asyncio.DatagramProtocol):
    """A recursive server on loopback that knows what it is told; ``log`` is what it was asked."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.log: list[str] = []
        self._answers = answers

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        name = str(query.question[0].name)
        self.log.append(name)
        answer = dns.message.make_response(query, recursion_available=True)
        if name in self._answers:
            answer.answer = [dns.rrset.from_text(*row.split(maxsplit=4)) for row in self._answers[name]]
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), addr)


@contextlib.asynccontextmanager
async def upstream(answers: dict[str, list[str]]) -> AsyncIterator[tuple[Upstream, int]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: Upstream(answers), ("127.0.0.1", 0))
    try:
        yield protocol, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def test_other_names_are_asked_of_the_next_server_that_answers(api: FakeApi) -> None:
    known = {"example.com.": ["example.com. 300 IN A 192.0.2.7"], "a.example.com.": ["a.example.com. 1 IN A 192.0.2.8"]}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:  # takes questions and says nothing
        mute.bind(("127.0.0.1", 0))
        async with upstream(known) as (server, port):
            servers = (("127.0.0.1", mute.getsockname()[1]), ("127.0.0.1", port))
            async with dns_for(api, upstreams=servers, upstream_timeout=0.2) as clients:
                await asyncio.wait_for(clients.running.synced.wait(), 5)
                assert await clients.rows("example.com") == ["192.0.2.7"]
                assert await clients.rows("EXAMPLE.com") == ["192.0.2.7"]
                assert await clients.rows("missing.example.com") == ["NXDOMAIN"]
                assert await clients.rows("example.com", tcp=True) == ["192.0.2.7"]
                assert server.log == ["example.com.", "missing.example.com."]  # the second came from the cache
                assert await clients.rows("9.2.0.192.in-addr.arpa", "PTR") == ["NXDOMAIN"]
                assert await clients.rows("9.9.42.10.in-addr.arpa", "PTR") == ["NXDOMAIN"]  # ours alone
                assert server.log[-1] == "9.2.0.192.in-addr.arpa."


async def test_over_tcp_from_a_server_that_has_only_udp(api: FakeApi) -> None:
    async with upstream({"example.com.": ["example.com. 300 IN A 192.0.2.7"]}) as (_, port):
        async with dns_for(api, upstreams=(("127.0.0.1", port),)) as clients:
            assert await clients.rows("example.com", tcp=True) == ["192.0.2.7"]


async def test_servfail_when_nobody_answers(api: FakeApi) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        async with dns_for(api, upstreams=(mute.getsockname(),), upstream_timeout=0.1) as clients:
            assert await clients.rows("example.com") == ["SERVFAIL"]


async def test_an_external_name_is_followed(api: FakeApi) -> None:
    known = {
        "db.example.com.": ["db.example.com. 60 IN CNAME real.example.com.", "real.example.com. 60 IN A 192.0.2.9"]
    }
    await api.create(SERVICES, service("db", type="ExternalName", externalName="db.example.com"))
    await api.create(SERVICES, service("own", type="ExternalName", externalName="web.shop.svc.cluster.local"))
    await api.create(SERVICES, service("loop", type="ExternalName", externalName="loop.shop.svc.cluster.local"))
    await api.create(SERVICES, service("web", "10.43.1.2"))
    async with upstream(known) as (_, port), dns_for(api, upstreams=(("127.0.0.1", port),)) as clients:
        await asyncio.wait_for(clients.running.synced.wait(), 5)
        answer = await clients.ask("db.shop.svc.cluster.local")
        assert [str(r) for r in answer.answer] == [
            "db.shop.svc.cluster.local. 5 IN CNAME db.example.com.",
            "db.example.com. 60 IN CNAME real.example.com.",
            "real.example.com. 60 IN A 192.0.2.9",
        ]
        assert await clients.rows("own.shop.svc.cluster.local") == ["10.43.1.2", "web.shop.svc.cluster.local."]
        assert await clients.rows("own.shop.svc.cluster.local", "CNAME") == ["web.shop.svc.cluster.local."]
        assert await clients.rows("loop.shop.svc.cluster.local") == ["SERVFAIL"]
        await api.update(SERVICES, service("db", "10.43.1.3"))
        assert await clients.until("db.shop.svc.cluster.local", "A", lambda r: r == ["10.43.1.3"])


async def test_of_the_real_server_by_the_small_client(tmp_path: Path) -> None:
    async with apiserver.serving(tmp_path) as api:
        pair = api.pki.client("admin")
        ca = api.pki.ca.cert.read_text()
        reader = Reader(ClientConfig(api.url, ca, pair.cert.read_text(), pair.key.read_text()))
        with pytest.raises(errors.Forbidden):
            await Reader(ClientConfig(api.url, ca)).list(SERVICES)
        with pytest.raises(errors.BadRequest):
            async for _ in reader.watch(SERVICES, resource_version="-1"):
                pass
        with pytest.raises(errors.ServiceUnavailable):
            await Reader(ClientConfig(api.url)).list(SERVICES)  # signed by nobody that we know
        async with dns_for(reader) as clients:
            await asyncio.wait_for(clients.running.synced.wait(), 5)
            assert await clients.rows("kubernetes.default.svc.cluster.local") == ["10.43.0.1"]
            for i in range(3):
                web = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"web{i}"}}
                await api.ok("POST", "/api/v1/namespaces/default/services", {**web, "spec": {"ports": [{"port": 80}]}})
                name = f"web{i}.default.svc.cluster.local"
                rows = await clients.until(name, "A", lambda rows: rows != ["NXDOMAIN"])
                assert rows[0].startswith("10.43.")


async def test_the_process_goes_on_answering_for_a_while_after_sigterm(tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(
        "{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}],"
        " clusters: [{name: x, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: x, user: {token: x}}]}"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = [
        "dns", "--kubeconfig", str(config), "--listen", "127.0.0.1", "--port", str(port), "--status-port", "-1",
        "--linger", "1", "--upstream", "127.0.0.1:1",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "kubette.cli.main", *arguments)

    async def rcode() -> int:
        query = dns.message.make_query("web.shop.svc.cluster.local", "A")
        return (await dns.asyncquery.udp(query, "127.0.0.1", timeout=1, port=port)).rcode()

    try:
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError, dns.exception.Timeout):
                    assert await rcode() == dns.rcode.SERVFAIL  # it knows nothing yet, as there is no API
                    break
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        while time.monotonic() < start + 0.5:
            assert await rcode() == dns.rcode.SERVFAIL
        assert await asyncio.wait_for(process.wait(), 10) == 0
        assert time.monotonic() - start >= 1
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
