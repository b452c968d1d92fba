"""Questions a second that cluster DNS answers on one core, its start-up time, and its memory.

``python benchmarks/dns.py [SERVICES]``. The server is ``kubette dns`` as a process of its own against a small API
with that many services, all on loopback; clients are processes with many questions in flight. "CPU" counts the server's
own processor time, so the figure a core does not depend on how fast the clients are.
"""

from __future__ import annotations

import os
import random
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson

from kubette.dns import wire

SECONDS = 3.0
IN_FLIGHT = 32
CLIENTS = 2


def services(count: int) -> list[dict[str, Any]]:
    return [
        {
            "metadata": {"namespace": "bench", "name": f"s{i}"},
            "spec": {
                "clusterIP": f"10.43.{i >> 8 & 255}.{i & 255}",
                "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
            },
        }
        for i in range(count)
    ]


def api(count: int) -> ThreadingHTTPServer:
    """Lists the services, and nothing else happens: watches stay silent."""
    items = {"/api/v1/services": services(count), "/api/v1/namespaces": [{"metadata": {"name": "bench"}}]}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            self.send_response(200)
            if "watch=true" in query:
                self.end_headers()
                self.wfile.flush()
                self.rfile.read()
                return
            body = orjson.dumps({"metadata": {"resourceVersion": "1"}, "items": items.get(path, [])})
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="api", daemon=True).start()
    return server


def client(port: int, count: int, kind: str) -> None:
    """Ask for SECONDS; print how many answers came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        names = [f"s{random.randrange(count)}.bench.svc.cluster.local" for _ in range(1000)]
        if kind == "nxdomain":
            names = [n + ".bench.svc.cluster.local" for n in names]
        edns = kind == "edns"
        questions = [wire.query(i, wire.name(n) + b"\0\1\0\1", edns=edns, do=False, cd=False)
                     for i, n in enumerate(names)]  # fmt: skip
        answers = asked = in_flight = 0
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            while in_flight < IN_FLIGHT:
                sock.send(questions[asked % 1000])
                asked += 1
                in_flight += 1
            if not select.select([sock], [], [], 0.2)[0]:
                in_flight = 0  # lost
                continue
            try:
                while in_flight:
                    data = sock.recv(4096, socket.MSG_DONTWAIT)
                    assert data[3] & 15 == (3 if kind == "nxdomain" else 0), data
                    answers += 1
                    in_flight -= 1
            except BlockingIOError:
                pass
        print(answers)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def wait_ready(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.005)
    raise SystemExit("the server did not become ready within 60 s")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def main(count: int) -> None:
    port, status = free_port(), free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{api(count).server_address[1]}"}}
        context = {"name": "c", "context": {"cluster": "c"}}
        file.write(orjson.dumps({"current-context": "c", "clusters": [cluster], "contexts": [context]}).decode())
        file.flush()
        started = time.monotonic()
        server = subprocess.Popen(
            [sys.executable, "-m", "kubette.cli.main", "dns", "--kubeconfig", file.name, "--listen", "127.0.0.1",
             "--port", str(port), "--status-port", str(status), "--resolv-conf", os.devnull]
        )  # fmt: skip
        try:
            wait_ready(status)
            print(f"services                     {count:>10,}")
            print(f"start → ready                {(time.monotonic() - started) * 1000:>10,.0f} ms")
            print(f"memory (PSS), ready          {pss_mb(server.pid):>10.1f} MB")
            for kind in ("plain", "edns", "nxdomain"):
                before = cpu_seconds(server.pid)
                clients = [
                    subprocess.Popen([sys.executable, __file__, "--client", str(port), str(count), kind],
                                     stdout=subprocess.PIPE)
                    for _ in range(CLIENTS)
                ]  # fmt: skip
                answers = sum(int(c.communicate()[0]) for c in clients)
                used = cpu_seconds(server.pid) - before
                print(f"{kind:<10} answers a second {answers / SECONDS:>10,.0f}    "
                      f"a CPU second of the server {answers / used:>9,.0f}")  # fmt: skip
            print(f"memory (PSS), after          {pss_mb(server.pid):>10.1f} MB")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        client(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
