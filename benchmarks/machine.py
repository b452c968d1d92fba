"""One line on the machine that a figure was measured on."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from pathlib import Path

#: Programs that do the same job, as a user would have them installed.
PEERS = ("kind", "k3d", "k3s", "minikube", "kube-apiserver")


def describe() -> str:
    """CPU, cores, memory, kernel, Python."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


def free_port() -> int:
    """A TCP port of loopback that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def peers() -> list[str]:
    return [name for name in PEERS if shutil.which(name)]


if __name__ == "__main__":
    found = peers()
    print(describe() + (f"; peers: {', '.join(found)}" if found else ""))
