"""A node in memory around the real agent: fake API, runtime, images, network; what the stories share."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kubette.agent import AgentConfig, run
from kubette.api.kinds import resource
from kubette.apiserver.pki import Authority, Pair, Pki
from kubette.testing.fakeapi import FakeApi
from kubette.testing.fakenode import FakeNodeImages, FakeNodeRuntime, FakePodNetwork

Obj = dict[str, Any]
PODS = resource("pods")


class World:
    """``config`` may be replaced before ``agent()``; that may be entered again: a new agent, the same node."""

    def __init__(self, tmp: Path) -> None:
        self.api = FakeApi()
        self.runtime = FakeNodeRuntime()
        self.images = FakeNodeImages("web:1", "side:1", "init:1")
        self.network = FakePodNetwork()
        (tmp / "pki").mkdir()
        self.pki = Pki(tmp / "pki")
        authority = Authority(self.pki.ca)
        self.server, self.client = Pair(tmp / "s.crt", tmp / "s.key"), Pair(tmp / "c.crt", tmp / "c.key")
        authority.server(self.server, "node-1", ["127.0.0.1"])
        authority.client(self.client, "kube-apiserver-kubelet-client")
        self.stranger = Pair(tmp / "x.crt", tmp / "x.key")
        authority.client(self.stranger, "system:node:node-2", "system:nodes")
        resolv = tmp / "resolv.conf"
        resolv.write_text("nameserver 192.0.2.53\nsearch example.org\n")
        self.config = AgentConfig(
            node_name="node-1",
            node_ips=("127.0.0.1",),
            cluster="t",
            data_dir=tmp / "data",
            run_dir=tmp / "run",
            ca_cert=self.pki.ca.cert,
            tls_cert=self.server.cert,
            tls_key=self.server.key,
            resolv_conf=resolv,
            port=free_port(),
            backoff_first=0.2,
            backoff_last=2,
            refresh_seconds=0.05,
        )

    @contextlib.asynccontextmanager
    async def agent(self) -> AsyncIterator[None]:
        task = asyncio.create_task(
            run(self.api, self.config, self.runtime, self.images, self.network), name="agent"
        )
        try:
            await self.node_ready(task)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def node_ready(self, task: asyncio.Task[None]) -> None:
        await self.api.until(lambda: task.done() or self.api.find("nodes", "node-1"))
        if task.done():
            task.result()
        cidrs = {"spec": {"podCIDR": "10.42.0.0/24", "podCIDRs": ["10.42.0.0/24"]}}
        await self.api.patch(resource("nodes"), "node-1", cidrs)
        await self.api.until(lambda: task.done() or self.node_condition("Ready") == "True")

    def node_condition(self, kind: str) -> str:
        node = self.api.find("nodes", "node-1") or {}
        found = (node.get("status") or {}).get("conditions") or []
        return next((c["status"] for c in found if c["type"] == kind), "")

    async def create(self, name: str = "web", containers: list[Obj] | None = None, **spec: Any) -> Obj:
        containers = containers or [{"name": "web", "image": "web:1"}]
        body = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": "node-1", "containers": containers, **spec},
        }
        return await self.api.create(PODS, body, "default")

    def pod(self, name: str = "web") -> Obj:
        return self.api.find("pods", name) or {}

    def status(self, name: str = "web") -> Obj:
        return self.pod(name).get("status") or {}

    def container(self, container: str = "web", pod: str = "web") -> Obj:
        told = self.status(pod)
        every = [*(told.get("containerStatuses") or []), *(told.get("initContainerStatuses") or [])]
        return next((c for c in every if c["name"] == container), {})

    def state(self, container: str = "web", pod: str = "web") -> tuple[str, str]:
        """("waiting", "CrashLoopBackOff") and the like."""
        for kind, detail in (self.container(container, pod).get("state") or {}).items():
            return kind, detail.get("reason", "")
        return "", ""

    def condition(self, kind: str, pod: str = "web") -> str:
        return next((c["status"] for c in self.status(pod).get("conditions") or [] if c["type"] == kind), "")

    async def ready(self, pod: str = "web") -> None:
        await self.api.until(lambda: self.condition("Ready", pod) == "True")

    async def unready(self, pod: str = "web") -> None:
        await self.api.until(lambda: self.condition("Ready", pod) == "False")

    async def event(self, reason: str, words: str = "") -> Obj:
        """Wait for an event of that reason with those words."""

        def found() -> Obj | None:
            return next(
                (e for e in self.api.all("events") if e["reason"] == reason and words in e["message"]), None
            )

        out: Obj = await self.api.until(found)
        return out

    def change(self, **values: Any) -> None:
        self.config = replace(self.config, **values)


async def eventually(holds: Callable[[], Any], timeout: float = 5.0) -> None:
    """Wait for something that no API write tells of."""
    async with asyncio.timeout(timeout):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port
