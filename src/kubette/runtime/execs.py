"""Programs run beside a container's own: ``exec`` for clients, probes and hooks.

Each has two files while it runs: what to run, and the pid of what runs, by which the next agent ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from kubette.runtime import execwait, kernel
from kubette.runtime.interface import ExecResult, RuntimeFailure
from kubette.runtime.layout import Layout
from kubette.runtime.ocicommand import OciCommand
from kubette.runtime.streams import ExecStreams

_OUTPUT_LIMIT = 1 << 20


class Execs:
    """Of one node's containers, each named by its bundle: a directory that is called by its ID."""

    def __init__(self, layout: Layout, oci: OciCommand) -> None:
        self._layout = layout
        self._oci = oci

    def end_orphans(self) -> None:
        """Nobody listens any more to what an earlier agent's clients ran."""
        for file in self._layout.execs.iterdir():
            with contextlib.suppress(OSError, ValueError):
                if file.suffix == ".pid":
                    pid = int(file.read_text())
                    if f"/{self._layout.cgroup}/" in Path(f"/proc/{pid}/cgroup").read_text():
                        kernel.kill_tree(pid)
            file.unlink(missing_ok=True)

    async def start(self, bundle: Path, command: Sequence[str], *, tty: bool, stdin: bool) -> ExecStreams:
        """In the container as its own program runs: user, environment, directory, rights."""
        stem = self._layout.execs / secrets.token_hex(32)
        pid_file, process_file = stem.with_suffix(".pid"), stem.with_suffix(".json")
        argv = [self._oci.program, self._oci.root_option, "exec", "--pid-file", str(pid_file)]
        if tty:
            argv.append("--tty")
        elif stdin:
            argv = [sys.executable, "-I", "-S", execwait.__file__, str(pid_file), *argv, "--detach"]
        argv += ["--process", str(process_file), bundle.name]
        try:
            process: dict[str, Any] = orjson.loads((bundle / "config.json").read_bytes())["process"]
            process |= {"args": list(command), "terminal": tty}
            if tty and not any(e.startswith("TERM=") for e in process["env"]):
                process["env"].append("TERM=xterm")
            process_file.write_bytes(orjson.dumps(process))
            return await ExecStreams.start(argv, pid_file, process_file, tty=tty, stdin=stdin)
        except OSError as e:
            process_file.unlink(missing_ok=True)
            raise RuntimeFailure(f"exec: {e}") from e

    async def run(self, bundle: Path, command: Sequence[str], timeout: float) -> ExecResult:
        """To completion, with its output, bounded. TimeoutError kills what runs; no timeout: 0."""
        streams = await self.start(bundle, command, tty=False, stdin=False)
        output = bytearray()

        async def drain() -> int:
            async for _, data in streams.output():
                output.extend(data[: _OUTPUT_LIMIT - len(output)])
            return await streams.wait()

        try:
            code = await asyncio.wait_for(drain(), timeout if timeout > 0 else None)
        finally:
            await streams.close()
        return ExecResult(code, bytes(output))
