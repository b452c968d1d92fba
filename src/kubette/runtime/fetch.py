"""skopeo and umoci, run as programs: what fetches an image, and what unpacks it.

They run in the network namespace that registries are reached from and end with the process that runs them, also when
that is killed. A program that makes no progress or fills the disk is killed. A failure is the program's own last line.

The programs take paths as parts of longer words (``oci:PATH:NAME``), so they get names in their working directory.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kubette.runtime import beneath, diskspace, kernel
from kubette.runtime.interface import ImageFailure

LAYOUT, ROOT = "oci", "rootfs"  # names in a working directory
_LOOK_SECONDS = 0.2  # between two looks at the disk


class Tools:
    """``patience``: seconds without a byte after which a registry is given up."""

    def __init__(self, netns: Path, patience: float) -> None:
        self._netns = netns
        self._patience = patience

    async def manifest(self, source: str, options: Sequence[str] = ()) -> bytes:
        """The image's manifest, as its registry has it."""
        return await self._skopeo("inspect", "--raw", *options, source, progress=lambda: 0)

    async def copy(self, source: str, work: Path, options: Sequence[str] = ()) -> None:
        """Make an OCI layout ``LAYOUT`` in ``work`` with an image ``image``. ``source`` may name files in ``work``."""

        def fetched() -> int:
            return beneath.usage(work).bytes

        quiet = ("--insecure-policy", "--quiet")
        argv = ("copy", *quiet, *options, source, f"oci:{LAYOUT}:image")
        await self._skopeo(*argv, cwd=work, progress=fetched)

    async def unpack(self, work: Path) -> None:
        """The layers of ``image`` of that layout, one over the other, at ``ROOT`` in ``work``."""
        argv = ("raw", "unpack", "--image", f"{LAYOUT}:image", ROOT)
        await self._run([*_mortal(), _tool("umoci"), *argv], cwd=work)

    async def _skopeo(self, *argv: str, progress: Callable[[], int], cwd: Path | None = None) -> bytes:
        try:
            netns = os.open(self._netns, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as e:
            raise ImageFailure(f"the network to pull from: {e}") from e
        try:
            enter = [_tool("nsenter"), f"--net=/proc/self/fd/{netns}"]
            command = [*enter, *_mortal(), _tool("skopeo"), *argv]
            return await self._run(command, netns, progress=progress, cwd=cwd)
        finally:
            os.close(netns)

    async def _run(
        self,
        argv: Sequence[str],
        *inherited: int,
        progress: Callable[[], int] | None = None,
        cwd: Path | None = None,
    ) -> bytes:
        """What it printed. ``inherited``: descriptors it may use; ``progress``: a number that grows; ``cwd``: where it
        runs and writes."""
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=null, stdout=pipe, stderr=pipe, pass_fds=inherited, cwd=cwd
        )
        kernel.set_oom_score_adj(0, process.pid)  # not the agent's own: a download may be killed before pods are
        ending = asyncio.create_task(process.communicate(), name=f"communicate-{argv[0]}")
        try:
            last, patient_until = -1, 0.0
            while not ending.done():
                if cwd is not None:
                    diskspace.require_reserve(cwd)
                if progress and time.monotonic() >= patient_until:
                    if (now := await asyncio.to_thread(progress)) == last:
                        raise ImageFailure(f"no progress for {self._patience:g}s")
                    last, patient_until = now, time.monotonic() + self._patience
                await asyncio.wait({ending}, timeout=min(_LOOK_SECONDS, self._patience))
            out, err = await ending
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
        if process.returncode:
            raise ImageFailure(_last_words(err) or f"exit status {process.returncode}")
        return out


def _mortal() -> list[str]:
    """A command that runs another, which the kernel kills when this process dies."""
    return [_tool("setpriv"), "--pdeathsig", "KILL"]


def _tool(name: str) -> str:
    path = kernel.which(name)
    if path is None:
        raise ImageFailure(f"{name} is not installed on this machine")
    return path


def _last_words(err: bytes) -> str:
    lines = err.decode(errors="replace").strip().splitlines()
    words = next((line for line in reversed(lines) if "level=fatal" in line), lines[-1] if lines else "")
    if 'msg="' in words:
        words = words.partition('msg="')[2].rstrip('"').replace('\\"', '"').replace("\\\\", "\\")
    words = words.strip().removeprefix("⨯").strip()
    return re.sub(r'^Error parsing image name "[^"]*": ', "", words)  # which it says of whatever fails
