"""Requests a second that the API server answers: GET of one object, create, LIST of 2,000; all over TLS.

``python benchmarks/api.py [SECONDS]``. The server is a process of its own, on loopback, with its data in a temporary
directory: a create counts when it is on that disk. Clients are further processes; each keeps a few connections, with
client certificates and one request in flight on each. "A core" is by the server's own processor time, so it does not
depend on how much of the machine the clients take.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import machine
import uvloop

from kubette.apiserver.config import ServerConfig
from kubette.apiserver.pki import Pki, ensure_pki
from kubette.apiserver.server import run

OBJECTS = 2_000
CLIENTS = 2  # processes
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
CREATED = "/api/v1/namespaces/kube-public/configmaps"
#: name → (connections of each client, target a second)
WORK = {"GET": (8, 20_000), "create": (16, 4_000), f"LIST of {OBJECTS:,}": (2, 400)}


def pki(root: Path) -> Pki:
    return ensure_pki(root / "pki", ["10.43.0.1"], {"node-1": ["127.0.0.1"]})


async def serve(root: Path) -> None:
    """The server; it says its port once it answers."""
    keys = pki(root)
    node = keys.client("kubelet-client")
    port = int((root / "port").read_text())
    config = ServerConfig(
        root / "server", keys.ca.cert, keys.server.cert, keys.server.key, keys.sa_signing_key, node.cert, node.key,
        port=port, advertise_address="172.29.0.2",
    )  # fmt: skip
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run(config, ready), name="apiserver")
        await ready.wait()
        print("ready", flush=True)


class Connection(asyncio.Protocol):
    """Asks again as soon as it is answered."""

    def __init__(self, ask: Callable[[], bytes], answered: Callable[[], bool]) -> None:
        self._ask, self._answered = ask, answered
        self._head = bytearray()
        self._left = -1  # bytes of the body to come; -1: still in the head
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._ask())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._head[:end])
            if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
                raise SystemExit(head.decode())
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            self._left = length - (len(self._head) - end - 4)
            self._head.clear()
        else:
            self._left -= len(data)
        if self._left == 0:
            self._left = -1
            if self._answered():
                self._transport.write(self._ask())  # type: ignore[attr-defined]
            else:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def tls(root: Path) -> ssl.SSLContext:
    admin = pki(root).client("admin")
    context = ssl.create_default_context(cafile=str(pki(root).ca.cert))
    context.load_cert_chain(admin.cert, admin.key)
    return context


def request(method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def configmap(name: str) -> bytes:
    head = f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","labels":{{"app":"bench"}}}},'
    return head.encode() + b'"data":{"key":"%s"}}' % (b"x" * 200)


async def ask(root: Path, work: str, connections: int, more: Callable[[int], bool], prefix: str) -> int:
    """Keep asking on so many connections while ``more`` (of how many were answered); how many were answered."""
    asked = answered = 0

    def next_request() -> bytes:
        nonlocal asked
        asked += 1
        if work == "GET":
            return request("GET", f"{CONFIGMAPS}/c{asked % OBJECTS}")
        if work.startswith("LIST"):
            return request("GET", CONFIGMAPS)
        return request("POST", CONFIGMAPS if work == "fill" else CREATED, configmap(f"{prefix}{asked - 1}"))

    def count() -> bool:
        nonlocal answered
        answered += 1
        return more(asked)

    loop, context = asyncio.get_running_loop(), tls(root)
    port = int((root / "port").read_text())
    made = await asyncio.gather(*(
        loop.create_connection(lambda: Connection(next_request, count), "127.0.0.1", port, ssl=context)
        for _ in range(connections)
    ))  # fmt: skip
    await asyncio.gather(*(protocol.done for _, protocol in made))
    return answered


async def client(root: Path, work: str, connections: int, seconds: float) -> None:
    """One client process: answers, and the seconds that they took."""
    started = time.monotonic()
    answers = await ask(root, work, connections, lambda _: time.monotonic() - started < seconds, f"{os.getpid()}-")
    print(answers, time.monotonic() - started, flush=True)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(root: Path, server: int, work: str, connections: int, seconds: float) -> tuple[float, float]:
    """Answers a second, and answers a second of the server's processor time."""
    before = cpu_seconds(server)
    command = [sys.executable, __file__, "--client", str(root), work, str(connections), str(seconds)]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(CLIENTS)]
    results = [(out.split()[0], out.split()[1]) for out, _ in (c.communicate() for c in clients)]
    answers = sum(int(n) for n, _ in results)
    rate = sum(int(n) / float(s) for n, s in results)
    return rate, answers / (cpu_seconds(server) - before)


def main(seconds: float) -> None:
    print(machine.describe())
    with tempfile.TemporaryDirectory(prefix="kubette-bench-") as directory:
        root = Path(directory)
        (root / "port").write_text(str(machine.free_port()))
        command = [sys.executable, __file__, "--server", str(root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                if server.stdout.readline() != "ready\n":
                    raise SystemExit("the server did not start")
                uvloop.run(ask(root, "fill", 1, lambda asked: asked < OBJECTS, "c"))
                for work, (connections, target) in WORK.items():
                    rate, core = measure(root, server.pid, work, connections, seconds)
                    print(f"{work:<14} {rate:8,.0f} a second   {core:8,.0f} a core   target {target:,}")
            finally:
                server.terminate()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--server", directory]:
            uvloop.run(serve(Path(directory)))
        case ["--client", directory, work, connections, seconds]:
            uvloop.run(client(Path(directory), work, int(connections), float(seconds)))
        case arguments:
            main(float(arguments[0]) if arguments else 5.0)
