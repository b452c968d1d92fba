"""A cluster of fakes around a real HAProxy on loopback: pods are small HTTP servers that say who they are."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from kubette.api.kinds import resource
from kubette.ingress import IngressConfig, run
from kubette.testing.fakeapi import FakeApi

Obj = dict[str, Any]
INGRESSES, CLASSES = resource("ingresses.networking.k8s.io"), resource("ingressclasses.networking.k8s.io")
SERVICES, SLICES = resource("services"), resource("endpointslices.discovery.k8s.io")
SECRETS = resource("secrets")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Connection:
    """One keep-alive HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def get(self, host: str, path: str = "/") -> tuple[int, str, bool]:
        """(status, body, whether the server closes)."""
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split()[0]) if "content-length:" in head else 0
        body = (await self.reader.readexactly(length)).decode()
        return int(head.split()[1]), body, "connection: close" in head


class World:
    def __init__(self, api: FakeApi, config: IngressConfig) -> None:
        self.api, self.config = api, config
        self.pods: dict[str, tuple[asyncio.Server, int]] = {}
        self.served: dict[str, int] = {}
        self.pause = 0.0

    @contextlib.asynccontextmanager
    async def connect(self, **tls: Any) -> AsyncIterator[Connection]:
        port = self.config.https_port if tls else self.config.http_port
        reader, writer = await asyncio.open_connection(self.config.address, port, **tls)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def get(self, host: str, path: str = "/", **tls: Any) -> tuple[int, str]:
        async with self.connect(**tls) as connection:
            status, body, _ = await connection.get(host, path)
            return status, body

    async def until(self, host: str, path: str, wanted: tuple[int, str] | int) -> None:
        """Ask until the answer is as wanted."""
        async with asyncio.timeout(10):
            while True:
                got = await self.get(host, path)
                if wanted in (got, got[0]):
                    return
                await asyncio.sleep(0.01)

    async def pod(self, name: str) -> None:
        """A pod that is up, and in no Service yet."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while await reader.readuntil(b"\r\n\r\n"):
                    self.served[name] = self.served.get(name, 0) + 1
                    await asyncio.sleep(self.pause)
                    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.pods[name] = server, server.sockets[0].getsockname()[1]

    async def service(self, name: str, *pods: str, port: int = 80, port_name: str = "http") -> None:
        spec = {"ports": [{"name": port_name, "port": port, "targetPort": port_name, "protocol": "TCP"}]}
        await self.api.create(SERVICES, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})
        for pod in pods:
            await self.join(name, pod, port_name)

    async def join(self, service: str, pod: str, port_name: str = "http") -> None:
        """The pod becomes an endpoint; in a slice of its own, since its port is."""
        if pod not in self.pods:
            await self.pod(pod)
        slice_ = {
            "metadata": {
                "name": f"{service}-{pod}", "namespace": "default",
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "ports": [{"name": port_name, "port": self.pods[pod][1], "protocol": "TCP"}],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        }  # fmt: skip
        await self.api.create(SLICES, slice_)

    async def leave(self, service: str, pod: str) -> None:
        await self.api.delete(SLICES, f"{service}-{pod}", "default")

    async def ingress(self, name: str, *rules: tuple[str, str, str, int | str], **spec: Any) -> None:
        """Rules: (host, path, service, port); a path that starts with ``=`` is Exact."""
        made = [
            {
                **({"host": host} if host else {}),
                "http": {"paths": [{
                    "path": path.removeprefix("="), "pathType": "Exact" if path.startswith("=") else "Prefix",
                    "backend": {"service": {"name": service, "port": port_ref(port)}},
                }]},
            }
            for host, path, service, port in rules
        ]  # fmt: skip
        await self.api.create(
            INGRESSES, {"metadata": {"name": name, "namespace": "default"}, "spec": {"rules": made, **spec}}
        )

    def events(self, name: str) -> list[str]:
        found = [e for e in self.api.all("events") if e["involvedObject"]["name"] == name]
        return [f"{e['type']} {e['reason']}: {e['message']}" for e in found]


def port_ref(port: int | str) -> Obj:
    return {"name": port} if isinstance(port, str) else {"number": port}


@contextlib.asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    """With the class ``kubette``, which is the default one, and the controller's Service at 172.29.0.200."""
    api = FakeApi()
    metadata = {"name": "kubette", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}
    await api.create(CLASSES, {"metadata": metadata, "spec": {"controller": "kubette/ingress"}})
    own = {"metadata": {"name": "kubette-ingress", "namespace": "kube-system"}, "spec": {"type": "LoadBalancer"}}
    made = await api.create(SERVICES, own)
    made["status"] = {"loadBalancer": {"ingress": [{"ip": "172.29.0.200", "ipMode": "VIP"}]}}
    await api.update(SERVICES, made, subresource="status")
    async with world_of(api, directory) as it:
        yield it


@contextlib.asynccontextmanager
async def world_of(api: FakeApi, directory: Path) -> AsyncIterator[World]:
    """A controller for what the API holds already."""
    config = IngressConfig(
        address="127.0.0.1", http_port=free_port(), https_port=free_port(), health_port=free_port(),
        max_connections=200, directory=directory, drain_delay=0, drain_timeout=5,
    )  # fmt: skip
    it = World(api, config)
    controller = asyncio.create_task(run(api, config), name="ingress")
    try:
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):
                    await it.get("nobody.example.com")
                    break
                if controller.done():
                    controller.result()
                await asyncio.sleep(0.01)
        yield it
    finally:
        controller.cancel()
        await asyncio.gather(controller, return_exceptions=True)
        for server, _ in it.pods.values():
            server.close()
