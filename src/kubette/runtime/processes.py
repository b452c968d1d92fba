"""A container's processes: conmon, which holds its output and writes its exit code, and what the OCI runtime makes.

conmon is nobody's child, so agents come and go without containers noticing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

from kubette.runtime import cgroups, kernel
from kubette.runtime import spec as specs
from kubette.runtime.interface import RuntimeFailure
from kubette.runtime.layout import Layout
from kubette.runtime.ocicommand import OciCommand, oci_message, program
from kubette.runtime.records import Record, Records


class Processes:
    """Of the containers of one node."""

    def __init__(self, layout: Layout, records: Records, oci: OciCommand) -> None:
        self._layout = layout
        self._records = records
        self._oci = oci
        self._conmon = program("conmon")

    async def start(self, record: Record) -> None:
        """conmon, the first process, and its program. RuntimeFailure says why not; ``discard`` then."""
        answer = await self._create(record)
        number = int(answer.get("data", answer.get("pid", -1)))
        if number <= 0:
            words = str(answer.get("message", "")).strip().splitlines()
            raise RuntimeFailure(
                "failed to create containerd task: failed to create shim task: "
                + oci_message(words[-1] if words else f"conmon failed with {number}", "create")
            )
        record.pid, record.ticks = number, kernel.start_ticks(number)
        record.conmon = int(_conmon_pid_file(self._records.directory(record.id)).read_text())
        record.conmon_ticks = kernel.start_ticks(record.conmon)
        self._records.save(record)
        await self._oci.call("start", record.id, verb="create")

    async def _create(self, record: Record) -> dict[str, Any]:
        """What conmon answers when the OCI runtime has made the first process, or could not."""
        argv = self._argv(record)
        start_read, start_write = os.pipe()
        sync_read, sync_write = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=self._records.directory(record.id),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=(start_read, sync_write),
                start_new_session=True,
                env={"PATH": specs.DEFAULT_PATH, "_OCI_STARTPIPE": str(start_read), "_OCI_SYNCPIPE": str(sync_write)},
            )
        except OSError as e:
            os.close(start_write)
            os.close(sync_read)
            raise RuntimeFailure(f"conmon: {e}") from e
        finally:
            os.close(start_read)
            os.close(sync_write)
        try:
            h, cgroup = self._layout.hierarchies, self._layout.conmon_cgroup(record.pod_uid)
            cgroups.create(h, cgroup)
            cgroups.enter(h, cgroup, process.pid)  # its children, all that follows, start in there
            os.write(start_write, b"\0")
            line = await _read_line(sync_read)
        finally:
            os.close(start_write)
            os.close(sync_read)
        await process.wait()
        answer: dict[str, Any] = json.loads(line) if line else {"data": -1}
        return answer

    def _argv(self, record: Record) -> list[str]:
        directory, log = self._records.directory(record.id), Path(record.log_path)
        log.parent.mkdir(parents=True, exist_ok=True)
        relative = os.path.relpath(log, directory)  # conmon takes no colon in it; it stays in its working directory
        argv = [
            self._conmon, "--api-version", "1", "-c", record.id, "-u", record.id, "-n", record.name,
            "-r", self._oci.program, "-b", str(directory), "-p", str(directory / "pid"),
            "-P", str(_conmon_pid_file(directory)), "-l", f"k8s-file:{relative}", "--exit-dir", str(self._layout.exits),
            "--full-attach", "--socket-dir-path", str(directory), "--no-sync-log",
            "--runtime-arg", self._oci.root_option,
        ]  # fmt: skip
        argv += ["-t"] if record.tty else []
        argv += ["-i"] if record.stdin else []
        argv += ["--leave-stdin-open"] if record.stdin and not record.stdin_once else []
        return argv

    async def discard(self, record: Record) -> None:
        """Everything the OCI runtime and the kernel hold for a container goes; its record stays."""
        h = self._layout.hierarchies
        if not record.pid:  # by an agent that died while this was made: it is perhaps still being made
            for pid in cgroups.processes(h, self._layout.conmon_cgroup(record.pod_uid)):
                with contextlib.suppress(OSError):
                    if record.id.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGKILL)
        cgroup = self._layout.container_cgroup(record.pod_uid, record.id)
        if cgroups.processes(h, cgroup):
            await asyncio.to_thread(cgroups.kill, h, cgroup)
        for argv in (("delete",), ("delete", "--force")):
            if self._oci.holds(record.id):
                with contextlib.suppress(RuntimeFailure):
                    await self._oci.call(*argv, record.id, verb="delete")
        cgroups.remove(h, cgroup)


def _conmon_pid_file(directory: Path) -> Path:
    return directory / "conmon.pid"


async def _read_line(fd: int) -> bytes:
    """All of a pipe up to its end; conmon writes one JSON line to it and closes."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(fd), "rb", 0)
    )
    try:
        return await reader.readline()
    finally:
        transport.close()
