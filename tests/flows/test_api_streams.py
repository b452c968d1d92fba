"""Streams pass through the API server to a node's agent: a fake agent on loopback shows what arrives there."""

from __future__ import annotations

import asyncio
import base64
import io
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from kubette.apiserver.pki import ensure_pki
from kubette.testing.apiserver import Api, Object, client_tls, serving

NS = "/api/v1/namespaces/default"
POD = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
    "spec": {"nodeName": "node-1", "automountServiceAccountToken": False,
             "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]},
}  # fmt: skip


class Agent:
    """Echoes upgraded connections in capitals; answers logs with the request's own path."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.user = ""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        cert = writer.get_extra_info("peercert")
        self.user = next(v for rdn in cert["subject"] for k, v in rdn if k == "commonName")
        if "Upgrade: SPDY/3.1" in head:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nhello\n")
            while line := await reader.read(65536):
                writer.write(line.upper())
                await writer.drain()
        elif "/exec/default/p/b?" in head:
            # Refused, and the connection would take further requests.
            text = b"container not found"
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
            while more := await reader.read(65536):
                self.heads.append(more.decode())
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        elif "/b?" in head:
            text = b'container "b" in pod "p" is waiting to start: ContainerCreating'
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + head.split()[1].encode())
        writer.close()


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[tuple[Api, Agent]]:
    pki = ensure_pki(tmp_path / "pki", ["10.43.0.1"], {"node-1": ["127.0.0.1"]})
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki.ca.cert))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(pki.node_server("node-1").cert, pki.node_server("node-1").key)
    agent = Agent()
    listener = await asyncio.start_server(agent.serve, "127.0.0.1", 0, ssl=tls)
    agent.port = listener.sockets[0].getsockname()[1]
    async with serving(tmp_path, agent.port, lambda address: address.startswith("127.")) as api:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}
        await api.ok("POST", "/api/v1/nodes", node)
        node["status"] = {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}
        await api.ok("PUT", "/api/v1/nodes/node-1/status", node)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await api.ok("POST", f"{NS}/serviceaccounts", account)
        await api.ok("POST", f"{NS}/pods", POD)
        yield api, agent
    listener.close()


async def test_logs(cluster: tuple[Api, Agent]) -> None:
    api, agent = cluster
    text = await api.ok("GET", f"{NS}/pods/p/log?container=a&tailLines=5&follow=true")
    assert text == b"/containerLogs/default/p/a?follow=true&tailLines=5"
    status, error = await api.call("GET", f"{NS}/pods/p/log?container=a&tailLines=-5")
    words = 'PodLogOptions "p" is invalid: tailLines: Invalid value: -5: must be greater than or equal to 0'
    assert (status, error["reason"], error["message"]) == (422, "Invalid", words)
    assert agent.user == "kube-apiserver-kubelet-client"
    status, error = await api.call("GET", f"{NS}/pods/p/log")
    assert status == 400
    assert error["message"] == "a container name must be specified for pod p, choose one of: [a b]"
    status, error = await api.call("GET", f"{NS}/pods/p/log?container=b&tailLines=1")
    assert status == 400 and error["message"].endswith("is waiting to start: ContainerCreating")


async def test_exec_is_spliced_both_ways(cluster: tuple[Api, Agent]) -> None:
    api, agent = cluster
    tls = client_tls(api.pki)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port, ssl=tls)
    query = "container=a&command=cat&command=-n&stdin=true&stdout=true&stderr=true&tty=true"
    writer.write(
        f"POST {NS}/pods/p/exec?{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        "X-Stream-Protocol-Version: v4.channel.k8s.io\r\nAuthorization: Bearer secret\r\n"
        "Content-Length: 0\r\n\r\n".encode()
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert await asyncio.wait_for(reader.readline(), 5) == b"hello\n"
    sent = agent.heads[-1]
    assert sent.startswith("POST /exec/default/p/a?command=cat&command=-n&input=1&output=1&tty=1 HTTP/1.1\r\n")
    assert "X-Stream-Protocol-Version: v4.channel.k8s.io" in sent and "secret" not in sent
    big = b"abc\n" * 500_000  # more than any buffer: flow control carries it

    async def send() -> None:
        writer.write(big)
        await writer.drain()

    sending = asyncio.create_task(send(), name="send")
    assert await asyncio.wait_for(reader.readexactly(len(big)), 20) == big.upper()
    await sending
    writer.close()
    await asyncio.wait_for(writer.wait_closed(), 5)
    assert await api.ok("GET", "/healthz") == b"ok"


@pytest.mark.parametrize("protocol", ["SPDY/3.1", "websocket"])
async def test_a_refused_upgrade_leaves_no_way_to_the_node(cluster: tuple[Api, Agent], protocol: str) -> None:
    """CVE-2018-1002105: the backend's connection carries the API server's own identity."""
    api, agent = cluster
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port, ssl=client_tls(api.pki))
    refused = protocol if protocol == "websocket" else "HTTP/2"
    head = f"POST {NS}/pods/p/exec?container=b&command=x&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    writer.write(f"{head}Upgrade: {refused}\r\nContent-Length: 0\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"container not found"), 5)
    assert answer.startswith(b"HTTP/1.1 404 ")
    writer.write(b"GET /pods HTTP/1.1\r\nHost: x\r\n\r\n")
    rest = await asyncio.wait_for(reader.read(), 5)
    assert b"secret" not in rest and not any("GET /pods" in sent for sent in agent.heads)
    writer.close()


@pytest.mark.parametrize("protocol", [None, "binary.k8s.io", "base64.binary.k8s.io"])
async def test_a_log_over_websocket(cluster: tuple[Api, Agent], protocol: str | None) -> None:
    api, _ = cluster
    url = f"https://127.0.0.1:{api.port}{NS}/pods/p/log?container=a"
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(url, protocols=[protocol] if protocol else [], ssl=client_tls(api.pki)) as ws:
            assert ws.protocol == protocol
            got = [m.data async for m in ws]
    decode = base64.b64decode if protocol == "base64.binary.k8s.io" else bytes
    assert got[0] in ("", b"") and b"".join(map(decode, got)) == b"/containerLogs/default/p/a"
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{url[:-1]}b&tailLines=1", ssl=client_tls(api.pki))
    assert refused.value.status == 400


async def test_a_node_that_is_away(cluster: tuple[Api, Agent]) -> None:
    api, _ = cluster
    status, error = await api.call("POST", f"{NS}/pods/p/exec?container=a&command=x&stdout=1")
    assert status == 400 and error["message"] == "Upgrade request required"
    headers = {"connection": "Upgrade", "upgrade": "SPDY/3.1"}
    node = await api.ok("GET", "/api/v1/nodes/node-1")
    node["status"]["daemonEndpoints"] = {"kubeletEndpoint": {"Port": 1}}
    await api.ok("PUT", "/api/v1/nodes/node-1/status", node)
    status, error = await api.call("POST", f"{NS}/pods/p/exec?container=a&command=x&stdout=1", **headers)
    assert status == 500 and "error dialing backend" in error["message"]


async def test_proxy_to_a_pod(cluster: tuple[Api, Agent]) -> None:
    api, _ = cluster
    big = b"x" * (4 << 20)  # more than an object may be

    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        if request.path == "/page":
            return web.Response(text='<a href="/next">n</a><a href="near">', content_type="text/html")
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": f"http://{request.host}/login"})
        if request.path == "/headers":
            names = ("Authorization", "Accept-Encoding", "X-Forwarded-Uri", "X-Forwarded-Host")
            return web.json_response({n: request.headers[n] for n in names if n in request.headers})
        text = body.decode() if len(body) < 1000 else str(len(body))
        return web.Response(text=f"{request.method} {request.raw_path} {text}")

    listener = await asyncio.get_running_loop().create_server(web.Server(echo), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    pod = await api.ok("GET", f"{NS}/pods/p")
    pod["status"] = {"phase": "Running", "podIP": "127.0.0.1"}
    await api.ok("PUT", f"{NS}/pods/p/status", pod)
    through = f"{NS}/pods/p:{port}/proxy"
    assert await api.ok("GET", f"{through}/a/b?x=1") == b"GET /a/b?x=1 "
    assert await api.ok("GET", f"{through}/a%2Fb/%20c//d/") == b"GET /a%2Fb/%20c//d/ "
    assert await api.ok("POST", f"{through}/", {"k": 1}) == b'POST / {"k":1}'
    for method in ("DELETE", "OPTIONS", "PATCH", "POST", "PUT"):
        assert await api.ok(method, f"{through}?method={method}") == f"{method} /?method={method} ".encode()
    async with api.session.post(api.url + f"{through}/big", data=io.BytesIO(big)) as response:
        assert await response.text() == f"POST /big {len(big)}"
    for method in ("GET", "HEAD"):
        async with api.session.request(method, api.url + f"{through}?q=1", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (301, f"{through}/?q=1")
    async with api.session.head(api.url + f"{through}/a") as response:
        assert response.status == 200 and response.headers["Content-Length"] == "8"
    assert await api.ok("GET", f"{through}/page") == f'<a href="{through}/next">n</a><a href="near">'.encode()
    async with api.session.get(api.url + f"{through}/moved", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, f"{through}/login")
    async with api.session.get(api.url + f"{through}/headers", headers={"Accept": "text/html"}) as response:
        host = api.url.partition("//")[2]
        assert await response.json() == {"X-Forwarded-Uri": f"{through}/headers", "X-Forwarded-Host": host}
    listener.close()
    status, error = await api.call("GET", f"{NS}/pods/p:1/proxy/")
    assert status == 503 and error["message"].startswith("error trying to reach service: ")


async def test_a_service_leads_to_its_pods_only(cluster: tuple[Api, Agent]) -> None:
    api, _ = cluster
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "web", "port": 80}]}}
    await api.ok("POST", f"{NS}/services", service)
    pod = await api.ok("GET", f"{NS}/pods/p")
    pod["status"] = {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}
    await api.ok("PUT", f"{NS}/pods/p/status", pod)
    of_pod = {"kind": "Pod", "namespace": "default", "name": "p"}
    endpoints = {"metadata": {"name": "s"}}
    await api.ok("POST", f"{NS}/endpoints", endpoints)

    async def answer(address: str, target: Object | None) -> tuple[int, str]:
        given = {"ip": address, "targetRef": target} if target else {"ip": address}
        subsets = [{"addresses": [given], "ports": [{"name": "web", "port": 80}]}]
        await api.ok("PUT", f"{NS}/endpoints/s", {**endpoints, "subsets": subsets})
        status, error = await api.call("GET", f"{NS}/services/s/proxy/a")
        return status, error["message"]

    for address, target in (
        ("10.0.0.1", None), ("10.0.0.2", of_pod), ("10.0.0.1", {**of_pod, "name": "q"}),
        ("10.0.0.1", {**of_pod, "namespace": "other"}),
    ):  # fmt: skip
        assert await answer(address, target) == (503, 'no endpoints available for service "s"')
    # Of the pod, but this server's rule dials loopback only.
    for address in ("10.0.0.1", "fd00::1"):
        assert await answer(address, of_pod) == (400, "address not allowed")


@pytest.mark.parametrize("port", ["0", "65536", "99999999999", "²", "nothing"])
async def test_a_port_that_is_none(cluster: tuple[Api, Agent], port: str) -> None:
    api, _ = cluster
    pod = await api.ok("GET", f"{NS}/pods/p")
    pod["status"] = {"podIP": "127.0.0.1"}
    await api.ok("PUT", f"{NS}/pods/p/status", pod)
    for path in (f"{NS}/pods/p:{port}", f"/api/v1/nodes/node-1:{port}"):
        status, error = await api.call("GET", f"{path}/proxy/")
        assert status == 503 and "invalid port" in error["message"]


async def test_only_the_agent_sees_the_servers_certificate(cluster: tuple[Api, Agent]) -> None:
    """A node's other ports are anybody's: behind one, an impostor would get a connection of the server's identity."""
    api, agent = cluster
    assert await api.ok("GET", f"/api/v1/nodes/node-1:{agent.port}/proxy/pods") == b"/pods"
    assert agent.user == "kube-apiserver-kubelet-client"
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(api.pki.ca.cert))
    tls.verify_mode = ssl.CERT_OPTIONAL
    tls.load_cert_chain(api.pki.node_server("node-1").cert, api.pki.node_server("node-1").key)
    certificates = []

    async def other(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        certificates.append(request.transport.get_extra_info("peercert"))
        return web.Response(text="other")

    listener = await asyncio.get_running_loop().create_server(web.Server(other), "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    assert await api.ok("GET", f"/api/v1/nodes/https:node-1:{port}/proxy/") == b"other"
    assert not certificates[0]
    listener.close()


async def test_no_object_leads_to_the_servers_host(tmp_path: Path) -> None:
    """With the rule of a real server: who may write a node's or pod's status reaches nothing by it."""
    async with serving(tmp_path) as api:
        node = {"metadata": {"name": "node-1"}}
        await api.ok("POST", "/api/v1/nodes", node)
        await api.ok("POST", f"{NS}/serviceaccounts", {"metadata": {"name": "default"}})
        await api.ok("POST", f"{NS}/pods", POD)
        pod = await api.ok("GET", f"{NS}/pods/p")
        headers = {"connection": "Upgrade", "upgrade": "SPDY/3.1"}
        for kind, address in (
            ("InternalIP", "127.0.0.1"),
            ("InternalIP", "169.254.169.254"),
            ("Hostname", "localhost"),
        ):
            addresses = {"addresses": [{"type": kind, "address": address}]}
            await api.ok("PUT", "/api/v1/nodes/node-1/status", {**node, "status": addresses})
            for method, path, more in (
                ("GET", "/api/v1/nodes/node-1/proxy/pods", {}), ("GET", f"/api/v1/nodes/node-1:{api.port}/proxy/", {}),
                ("GET", f"{NS}/pods/p/log?container=a", {}), ("POST", f"{NS}/pods/p/portforward", headers),
                ("POST", f"{NS}/pods/p/exec?container=a&command=x&stdout=1", headers),
                ("POST", f"{NS}/pods/p/attach?container=a&stdout=1", headers),
            ):  # fmt: skip
                status, error = await api.call(method, path, **more)
                assert (status, error["message"]) == (400, "address not allowed"), path
        for address in ("127.0.0.1", "::1", "169.254.169.254", "0.0.0.0"):
            pod["status"] = {"podIP": address, "podIPs": [{"ip": address}]}
            await api.ok("PUT", f"{NS}/pods/p/status", {**pod, "metadata": {"name": "p"}})
            status, error = await api.call("GET", f"{NS}/pods/p:{api.port}/proxy/")
            assert (status, error["message"]) == (400, "address not allowed")
