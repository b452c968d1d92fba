"""The story of an Ingress, told on a fake API and a real HAProxy on loopback."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .ingress_world import INGRESSES, SECRETS, SERVICES, World, eventually, world, world_of

pytestmark = pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed: make setup")
CROWD = ("a", "b", "c")


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "run") as it:
        yield it


async def test_hosts_and_paths_lead_to_services(cluster: World) -> None:
    for name in ("kubia", "exact", "deep", "wild", "any"):
        await cluster.service(name, name)
    await cluster.ingress(
        "routes",
        ("kubia.example.com", "/", "kubia", 80),
        ("kubia.example.com", "/kubia", "deep", "http"),
        ("kubia.example.com", "=/kubia", "exact", "http"),
        ("*.example.com", "/", "wild", 80),
        ("", "/any/", "any", 80),
    )
    await cluster.until("kubia.example.com", "/", (200, "kubia"))
    for host, path, answer in (
        ("kubia.example.com", "/other?x=/kubia", "kubia"),
        ("KUBIA.example.com:80", "/kubia", "exact"),
        ("kubia.example.com.", "/kubia/", "deep"),
        ("kubia.example.com", "/kubia/x", "deep"),
        ("kubia.example.com", "/kubiax", "kubia"),
        ("foo.example.com", "/kubia", "wild"),
        ("else.test", "/any", "any"),
        ("else.test", "/any/thing", "any"),
    ):
        assert await cluster.get(host, path) == (200, answer), (host, path)
    for host, path in (("a.b.example.com", "/"), ("example.com", "/"), ("else.test", "/"), ("else.test", "/anyx")):
        assert (await cluster.get(host, path))[0] == 404, (host, path)


async def test_default_backends(cluster: World) -> None:
    for name in ("rest", "own"):
        await cluster.service(name, name)
    await cluster.ingress("everything", defaultBackend={"service": {"name": "rest", "port": {"number": 80}}})
    await cluster.ingress(
        "one-host", ("h.test", "/x", "rest", 80), defaultBackend={"service": {"name": "own", "port": {"number": 80}}}
    )
    await cluster.until("h.test", "/", (200, "own"))
    assert await cluster.get("other.test", "/") == (200, "rest")
    assert await cluster.get("h.test", "/x") == (200, "rest")


async def test_the_address_gets_into_the_status_of_those_served(cluster: World) -> None:
    await cluster.ingress("ours")
    await cluster.ingress("by-name", ingressClassName="kubette")
    await cluster.ingress("theirs", ingressClassName="other")

    def address(name: str) -> object:
        found = cluster.api.find("ingresses.networking.k8s.io", name)
        return ((found or {}).get("status") or {}).get("loadBalancer")

    await cluster.api.until(lambda: address("ours") and address("by-name"))
    assert address("ours") == {"ingress": [{"ip": "172.29.0.200"}]}
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "172.29.0.201"}]}}}
    await cluster.api.patch(SERVICES, "kubette-ingress", status, "kube-system", subresource="status")
    await cluster.api.until(lambda: address("ours") == {"ingress": [{"ip": "172.29.0.201"}]})
    assert not address("theirs")


async def test_what_cannot_be_had_is_told_and_disturbs_nobody(cluster: World) -> None:
    await cluster.service("kubia", "kubia")
    await cluster.ingress(
        "bad", ("bad.test", "/", "ghost", 80), ("bad.test", "/port", "kubia", "grpc"),
        ("bad.test", "/fine", "kubia", 80), tls=[{"hosts": ["bad.test"], "secretName": "none"}],
    )  # fmt: skip
    await cluster.ingress("good", ("good.test", "/", "kubia", 80))
    await cluster.until("good.test", "/", (200, "kubia"))
    assert (await cluster.get("bad.test", "/"))[0] == 503
    assert (await cluster.get("bad.test", "/port"))[0] == 503
    assert await cluster.get("bad.test", "/fine") == (200, "kubia")
    await cluster.api.until(lambda: len(cluster.events("bad")) == 3)
    told = " ".join(cluster.events("bad"))
    assert "Warning ServiceNotFound: service default/ghost does not exist" in told
    assert "Warning PortNotFound: service default/kubia has no TCP port grpc" in told
    assert "Warning InvalidCertificate: secret default/none" in told
    assert not cluster.events("good")
    await cluster.service("ghost", "late")
    await cluster.until("bad.test", "/", (200, "late"))


async def test_no_request_is_dropped_while_endpoints_and_routes_change(cluster: World) -> None:
    """Every pod is replaced many times, also by more than there were slots for, and routes come and go meanwhile."""
    await cluster.service("kubia", *CROWD)
    await cluster.ingress("kubia", ("kubia.test", "/", "kubia", 80))
    await cluster.until("kubia.test", "/", 200)
    cluster.pause = 0.002
    stop = asyncio.Event()
    answers: list[int] = []

    async def anew() -> None:
        while not stop.is_set():
            answers.append((await cluster.get("kubia.test"))[0])

    async def kept() -> None:
        """On connections that are kept until the server says that it closes."""
        while not stop.is_set():
            async with cluster.connect() as connection:
                closed = False
                while not closed and not stop.is_set():
                    status, _, closed = await connection.get("kubia.test")
                    answers.append(status)

    async with asyncio.TaskGroup() as clients:
        for _ in range(4):
            clients.create_task(anew())
            clients.create_task(kept())
        before = generations(cluster)
        for i in range(12):
            await cluster.join("kubia", f"p{i}")
        for name in CROWD:
            await cluster.leave("kubia", name)
        await eventually(lambda: all(cluster.served.get(f"p{i}") for i in range(12)))
        assert generations(cluster) == before  # endpoints alone: no reload
        for i in range(8):
            await cluster.ingress(f"more-{i}", (f"more-{i}.test", "/", "kubia", 80))
            await cluster.leave("kubia", f"p{i}")
            await cluster.until(f"more-{i}.test", "/", 200)
        assert generations(cluster) != before
        stop.set()
    assert len(answers) > 200
    assert set(answers) == {200}


def generations(cluster: World) -> str:
    assert cluster.config.directory is not None
    return (cluster.config.directory / "current").readlink().name


async def test_without_endpoints_503_and_back(cluster: World) -> None:
    await cluster.service("kubia", "one")
    await cluster.ingress("kubia", ("kubia.test", "/", "kubia", 80))
    await cluster.until("kubia.test", "/", (200, "one"))
    await cluster.leave("kubia", "one")
    await cluster.until("kubia.test", "/", 503)
    await cluster.join("kubia", "one")
    await cluster.until("kubia.test", "/", (200, "one"))
    await cluster.api.delete(INGRESSES, "kubia", "default")
    await cluster.until("kubia.test", "/", 404)


async def test_haproxy_is_started_again_when_it_was_killed(cluster: World) -> None:
    await cluster.service("kubia", "one")
    await cluster.ingress("kubia", ("kubia.test", "/", "kubia", 80))
    await cluster.until("kubia.test", "/", (200, "one"))
    for _ in range(2):
        await _kill_master()
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    if await cluster.get("kubia.test") == (200, "one"):
                        break
    await cluster.join("kubia", "two")
    async with asyncio.timeout(10):
        while (await cluster.get("kubia.test"))[1] != "two":
            pass


async def _kill_master() -> None:
    killed = _master()
    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: _master() not in (0, killed))


def _master() -> int:
    """The process id of our HAProxy; 0 without one."""
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
            stat = Path(f"/proc/{child}/stat").read_text().rpartition(")")
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            if stat[0].endswith("(haproxy") and stat[2].split()[0] != "Z" and "-W" in words:
                return int(child)
    return 0


async def test_a_request_in_flight_outlives_its_endpoint_and_the_controller(tmp_path: Path) -> None:
    async with world(tmp_path / "run") as cluster:
        await cluster.service("kubia", "slow")
        await cluster.ingress("kubia", ("kubia.test", "/", "kubia", 80))
        await cluster.until("kubia.test", "/", (200, "slow"))
        cluster.pause = 0.5
        before = cluster.served["slow"]
        asking = asyncio.create_task(cluster.get("kubia.test"), name="slow request")
        await eventually(lambda: cluster.served["slow"] > before)
        await cluster.leave("kubia", "slow")
        await cluster.until("kubia.test", "/", 503)
    assert await asking == (200, "slow")  # the world has ended: HAProxy was drained


async def test_health_and_tls(cluster: World, tmp_path: Path) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.config.health_port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 200 " in await reader.readline()
    writer.close()
    data = pair(tmp_path, "kubia.test")
    await secret(cluster, "kubia", data, "kubernetes.io/tls")
    await secret(cluster, "torn", {**data, "tls.crt": data["tls.key"]}, "kubernetes.io/tls")
    await cluster.service("kubia", "kubia")
    await cluster.ingress("kubia", ("kubia.test", "/", "kubia", 80), tls=[
        {"hosts": ["torn.test"], "secretName": "torn"}, {"hosts": ["kubia.test"], "secretName": "kubia"}])  # fmt: skip
    await cluster.until("kubia.test", "/", (200, "kubia"))
    assert await cluster.get("kubia.test", ssl=trusting(), server_hostname="kubia.test") == (200, "kubia")
    with pytest.raises(ssl.SSLError):
        await cluster.get("kubia.test", ssl=trusting(), server_hostname="torn.test")


def pair(directory: Path, name: str) -> dict[str, str]:
    from kubette.runtime.selfsigned import write_pair

    write_pair(directory / "crt", directory / "key", name)
    return {f"tls.{n}": base64.b64encode((directory / n).read_bytes()).decode() for n in ("crt", "key")}


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def secret(cluster: World, name: str, data: dict[str, str], type_: str = "Opaque") -> None:
    metadata = {"name": name, "namespace": "default"}
    await cluster.api.create(SECRETS, {"metadata": metadata, "type": type_, "data": data})


async def test_a_tls_secret_of_any_type_serves_and_a_broken_one_is_reported(cluster: World, tmp_path: Path) -> None:
    data = pair(tmp_path, "kubia.test")
    await secret(cluster, "opaque", data)
    await secret(cluster, "keyless", {"tls.crt": data["tls.crt"], "other": ""})
    await secret(cluster, "noise", {"tls.crt": "/w==", "tls.key": data["tls.key"]}, "example.com/pair")
    await secret(cluster, "torn", {"tls.crt": data["tls.crt"], "tls.key": pair(tmp_path, "b.test")["tls.key"]})
    await cluster.service("kubia", "kubia")
    names = ("opaque", "keyless", "noise", "torn", "none")
    await cluster.ingress("kubia", ("kubia.test", "/", "kubia", 80),
                          tls=[{"hosts": [f"{n}.test"], "secretName": n} for n in names])  # fmt: skip
    await cluster.until("kubia.test", "/", (200, "kubia"))
    got = await cluster.get("kubia.test", ssl=trusting(), server_hostname="opaque.test")
    assert got == (200, "kubia")
    await cluster.api.until(lambda: len(cluster.events("kubia")) == 4)
    reported = " ".join(cluster.events("kubia"))
    assert "Warning InvalidCertificate: secret default/keyless: has no tls.key" in reported
    assert "secret default/noise: tls.crt and tls.key are not PEM" in reported
    assert "secret default/torn: certificate and key cannot be used" in reported
    assert "secret default/none: does not exist" in reported


async def test_thousands_of_hosts_and_long_paths_are_served_or_refused_alone(cluster: World, tmp_path: Path) -> None:
    await cluster.service("kubia", "kubia")
    await secret(cluster, "pair", pair(tmp_path, "many.test"))
    hosts = [f"h{i}.many.test" for i in range(2100)]
    await cluster.ingress("many", ("h2099.many.test", "/", "kubia", 80), tls=[{"hosts": hosts, "secretName": "pair"}])
    await cluster.ingress("long", ("long.test", "/" + "x" * 17_000 + "victim.test/", "kubia", 80))
    await cluster.ingress("good", ("good.test", "/", "kubia", 80))
    await cluster.until("good.test", "/", (200, "kubia"))
    got = await cluster.get("h2099.many.test", ssl=trusting(), server_hostname="h2099.many.test")
    assert got == (200, "kubia")
    assert (await cluster.get("victim.test"))[0] == 404
    await cluster.api.until(lambda: cluster.events("long"))
    assert "Warning InvalidPath" in cluster.events("long")[0]


async def test_an_ingress_that_haproxy_refuses_stops_itself_only(
    cluster: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it comes with others, also at the next start; mended, it is served."""
    monkeypatch.setattr("kubette.ingress.text._HOSTS_PER_LINE", 100_000)  # HAProxy refuses such a line
    await cluster.service("kubia", "kubia")
    await secret(cluster, "pair", pair(tmp_path, "many.test"))
    for i in range(4):
        await cluster.ingress(f"before-{i}", (f"before-{i}.test", "/", "kubia", 80))
    for name in ("bad", "worse"):
        tls = [{"hosts": [f"h{i}.{name}.test" for i in range(2100)], "secretName": "pair"}]
        await cluster.ingress(name, (f"h0.{name}.test", "/", "kubia", 80), tls=tls)
    await cluster.ingress("after", ("after.test", "/", "kubia", 80))
    await cluster.until("after.test", "/", (200, "kubia"))
    assert await cluster.get("before-0.test") == (200, "kubia")
    assert (await cluster.get("h0.bad.test"))[0] == 404
    for name in ("bad", "worse"):
        await cluster.api.until(lambda name=name: cluster.events(name))
        assert "Warning Rejected: not served, because HAProxy refuses its configuration" in cluster.events(name)[0]
        assert str(tmp_path) not in cluster.events(name)[0]
    assert not cluster.events("after")
    async with world_of(cluster.api, tmp_path / "second") as second:
        await second.until("before-3.test", "/", 200)
    await cluster.api.patch(INGRESSES, "bad", {"spec": {"tls": None}}, "default")
    await cluster.until("h0.bad.test", "/", (200, "kubia"))
