"""skopeo and umoci, run as programs: what fetches an image, and what unpacks it.

They run in the network namespace that registries are reached from, end with the process that runs them, also when
that is killed, and are ended when they get nowhere. A failure is their own last words.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from kubette.runtime import kernel
from kubette.runtime.interface import ImageFailure


class Tools:
    """``patience``: seconds without a byte after which a registry is given up."""

    def __init__(self, netns: Path, patience: float) -> None:
        self._netns = netns
        self._patience = patience

    async def manifest(self, source: str, options: Sequence[str] = ()) -> bytes:
        """The image's manifest, as its registry has it."""
        return await self._skopeo("inspect", "--raw", *options, source, progress=lambda: 0)

    async def copy(self, source: str, layout: Path, options: Sequence[str] = ()) -> None:
        """To an OCI layout, which gets an image ``image``."""

        def fetched() -> int:
            return sum(f.stat().st_size for f in layout.rglob("*"))

        quiet = ("--insecure-policy", "--quiet")
        await self._skopeo("copy", *quiet, *options, source, f"oci:{layout}:image", progress=fetched)

    async def unpack(self, layout: Path, root: Path) -> None:
        """The layers of ``image``, one over the other, at ``root``."""
        await self._run([*_mortal(), _tool("umoci"), "raw", "unpack", "--image", f"{layout}:image", str(root)])

    async def _skopeo(self, *argv: str, progress: Callable[[], int]) -> bytes:
        try:
            netns = os.open(self._netns, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as e:
            raise ImageFailure(f"the network to pull from: {e}") from e
        try:
            enter = [_tool("nsenter"), f"--net=/proc/self/fd/{netns}"]
            return await self._run([*enter, *_mortal(), _tool("skopeo"), *argv], netns, progress=progress)
        finally:
            os.close(netns)

    async def _run(self, argv: Sequence[str], *inherited: int, progress: Callable[[], int] | None = None) -> bytes:
        """What it printed. ``inherited``: descriptors it may use; ``progress``: a number that grows."""
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*argv, stdin=null, stdout=pipe, stderr=pipe, pass_fds=inherited)
        ending = asyncio.create_task(process.communicate(), name=f"communicate-{argv[0]}")
        try:
            last = -1
            while progress and not ending.done():
                if (now := progress()) == last:
                    raise ImageFailure(f"no progress for {self._patience:g}s")
                last = now
                await asyncio.wait({ending}, timeout=self._patience)
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
