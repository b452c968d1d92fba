"""The OCI runtime's command line (runc, or crun where cgroups are v2), and its errors in containerd's words."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kubette.runtime import kernel
from kubette.runtime.cgroups import Hierarchies
from kubette.runtime.interface import RuntimeFailure


class OciCommand:
    """One program with one state directory."""

    def __init__(self, program: str, root: Path) -> None:
        self.program = program
        self.root_option = f"--root={root}"
        self._root = root

    def holds(self, container_id: str) -> bool:
        """Whether it has state of that container."""
        return (self._root / container_id).exists()

    async def call(self, *argv: str, verb: str) -> None:
        """RuntimeFailure when it fails; ``verb``: what it was doing, as the message tells it."""
        process = await asyncio.create_subprocess_exec(
            self.program, self.root_option, *argv,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, err = await process.communicate()
        if process.returncode:
            words = err.decode(errors="replace").strip().splitlines()
            raise RuntimeFailure(
                "failed to start containerd task: " + oci_message(words[-1] if words else "no reason given", verb)
            )


def choose(h: Hierarchies) -> str:
    """The OCI runtime for this machine's cgroups, or the other one."""
    return program("crun", "runc") if h.is_v2 else program("runc", "crun")


def program(*names: str) -> str:
    """The path of the first that is installed. RuntimeFailure when none is."""
    for name in names:
        if path := kernel.which(name):
            return path
    raise RuntimeFailure(f"{names[0]} is not installed", "ContainerRuntimeMissing")


def oci_message(line: str, verb: str) -> str:
    """The OCI runtime's last line in containerd's words."""
    text = line.strip()
    if 'msg="' in text:
        text = text.partition('msg="')[2].rstrip('"').replace('\\"', '"')
    if text.startswith(("ERRO[", "FATA[")):
        text = text.partition("]")[2].strip()
    return f"OCI runtime {verb} failed: {text}: unknown"
