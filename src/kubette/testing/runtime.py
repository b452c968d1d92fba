"""A Runtime in memory, for tests of what uses one. It is verified: ``tests/netns/test_runtime.py`` holds it and
``runtime.oci`` to one contract.

Programs are looked up by name (``command[0]``): the few that the contract needs are here, a test may give more.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kubette.runtime.broadcast import Broadcast
from kubette.runtime.interface import (
    Container,
    ContainerSpec,
    ContainerState,
    ExecResult,
    RuntimeFailure,
    Sandbox,
    SandboxSpec,
    Streams,
    Usage,
)


@dataclass(slots=True)
class Process:
    """A running program's view of the world: its arguments, stdin as a queue (b"" ends it) and output."""

    args: Sequence[str]
    stdin: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    out: asyncio.Queue[tuple[int, bytes]] = field(default_factory=asyncio.Queue)
    size: tuple[int, int] = (80, 24)
    ends_on_term: bool = True


Program = Callable[[Process], Awaitable[int]]


async def _sleep(process: Process) -> int:
    await asyncio.sleep(float(process.args[1]))
    return 0


async def _echo(process: Process) -> int:
    process.out.put_nowait((1, " ".join(process.args[1:]).encode() + b"\n"))
    return 0


async def _cat(process: Process) -> int:
    while data := await process.stdin.get():
        process.out.put_nowait((1, data))
    return 0


async def _shell(process: Process) -> int:
    """``sh -c`` of ``echo WORD``, ``echo WORD >&2``, ``exec 0<&-`` and ``exit N``, joined by ``;``."""
    for part in process.args[2].split(";"):
        words = part.split()
        if words[0] == "exec":
            continue  # what is written to a program that does not read goes nowhere here
        if words[0] == "exit":
            return int(words[1])
        number = 2 if words[-1] == ">&2" else 1
        process.out.put_nowait((number, " ".join(w for w in words[1:] if w != ">&2").encode() + b"\n"))
    return 0


PROGRAMS: Mapping[str, Program] = {"sleep": _sleep, "echo": _echo, "cat": _cat, "sh": _shell}


class _Running:
    """A process and the task that runs it; also its Streams."""

    def __init__(self, program: Program, process: Process, name: str, *, kill_on_close: bool) -> None:
        self.process = process
        self.task = asyncio.create_task(self._run(program), name=name)
        self._kill_on_close = kill_on_close
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def _run(self, program: Program) -> None:
        code = 137
        try:
            code = await program(self.process)
        finally:
            if not self.code.done():
                self.code.set_result(code)
            self.process.out.put_nowait((0, b""))

    def end(self, code: int) -> None:
        if not self.code.done():
            self.code.set_result(code)
        self.task.cancel()

    async def write(self, data: bytes) -> None:
        self.process.stdin.put_nowait(data)

    async def close_stdin(self) -> None:
        self.process.stdin.put_nowait(b"")

    async def resize(self, width: int, height: int) -> None:
        self.process.size = (width, height)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while (item := await self.process.out.get())[0]:
            yield item
        self.process.out.put_nowait((0, b""))

    async def wait(self) -> int:
        return await asyncio.shield(self.code)

    async def close(self) -> None:
        if self._kill_on_close:
            self.end(137)


class FakeRuntime:
    """``directory``: where the pinned namespaces of its sandboxes would lie (nothing is made there)."""

    def __init__(self, directory: Path = Path("/nonexistent"), programs: Mapping[str, Program] = PROGRAMS) -> None:
        self.directory = directory
        self.programs = {**PROGRAMS, **programs}
        self.images: set[str] | None = None  # None: every image is there
        self.specs: dict[str, ContainerSpec] = {}
        self.usage: dict[str, Usage] = {}  # of disk, by container ID
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, Container] = {}
        self._running: dict[str, _Running] = {}
        self._exits = Broadcast()
        self._numbers = itertools.count(1)

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        at = self.directory / spec.pod_uid
        sandbox = Sandbox(
            spec.pod_uid,
            None if spec.host_network else at / "net",
            None if spec.host_ipc else at / "ipc",
            at / "uts",
            spec.host_pid,
        )
        return self._sandboxes.setdefault(spec.pod_uid, sandbox)

    async def remove_sandbox(self, pod_uid: str) -> None:
        for c in [c for c in self._containers.values() if c.pod_uid == pod_uid]:
            await self.remove(c.id)
        self._sandboxes.pop(pod_uid, None)

    async def sandboxes(self) -> Sequence[Sandbox]:
        return list(self._sandboxes.values())

    async def create(self, spec: ContainerSpec) -> str:
        if self.images is not None and spec.image not in self.images:
            raise RuntimeFailure(f'image "{spec.image}" not found', "CreateContainerError")
        identity = f"{next(self._numbers):064x}"
        self.specs[identity] = spec
        self._containers[identity] = Container(
            identity, spec.pod_uid, spec.name, spec.attempt, spec.image, ContainerState.CREATED,
            created_at=time.time(), log_path=spec.log_path, labels=dict(spec.labels),
        )  # fmt: skip
        return identity

    async def start(self, container_id: str) -> None:
        c = self._get(container_id)
        if c.state is not ContainerState.CREATED:
            return
        spec = self.specs[container_id]
        try:
            running = self._launch([*spec.command, *spec.args] or ["sleep", "1000000"], "create", False)
        except RuntimeFailure as e:
            self._finish(container_id, 128, reason="StartError", message=str(e))
            raise
        self._running[container_id] = running
        self._containers[container_id] = replace(
            c, state=ContainerState.RUNNING, started_at=time.time(), pid=int(container_id, 16)
        )
        running.code.add_done_callback(lambda f: self._finish(container_id, f.result()))

    def _launch(self, command: Sequence[str], verb: str, kill_on_close: bool) -> _Running:
        program = self.programs.get(command[0])
        if program is None:
            raise RuntimeFailure(
                f'OCI runtime {verb} failed: exec: "{command[0]}": executable file not found in $PATH: unknown'
            )
        return _Running(program, Process(list(command)), f"fake-{command[0]}", kill_on_close=kill_on_close)

    def finish(self, container_id: str, code: int, *, oom: bool = False) -> None:
        """For tests: the container's process ends now, with that code."""
        self._containers[container_id] = replace(self._get(container_id), oom_killed=oom)
        self._running[container_id].end(code)

    def _finish(self, container_id: str, code: int, *, reason: str = "", message: str = "") -> None:
        c = self._containers.get(container_id)
        if c is None or c.state is ContainerState.EXITED:
            return
        self._containers[container_id] = replace(
            c, state=ContainerState.EXITED, exit_code=code, finished_at=time.time(), pid=0,
            reason=reason, message=message,
        )  # fmt: skip
        self._exits.publish(container_id)

    async def stop(self, container_id: str, grace_seconds: float) -> None:
        c = self._containers.get(container_id)
        if c is None or c.state is ContainerState.EXITED:
            return
        running = self._running.get(container_id)
        if running is None:
            self._finish(container_id, 137)
            return
        if not running.process.ends_on_term and grace_seconds > 0:
            await asyncio.wait({running.code}, timeout=grace_seconds)
        running.end(143 if running.process.ends_on_term and grace_seconds > 0 else 137)
        await asyncio.wait({running.task})
        self._finish(container_id, running.code.result())

    async def remove(self, container_id: str) -> None:
        await self.stop(container_id, 0)
        for table in (self._containers, self.specs, self._running):
            table.pop(container_id, None)

    async def containers(self) -> Sequence[Container]:
        return list(self._containers.values())

    async def get(self, container_id: str) -> Container | None:
        return self._containers.get(container_id)

    def exits(self) -> AsyncIterator[str]:
        return self._exits.listen()

    async def exec(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        running = self._exec(container_id, command)
        output = bytearray()

        async def run() -> int:
            async for _, data in running.output():
                output.extend(data)
            return await running.wait()

        try:
            return ExecResult(await asyncio.wait_for(run(), timeout if timeout > 0 else None), bytes(output))
        finally:
            await running.close()

    async def exec_stream(self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool) -> Streams:
        running = self._exec(container_id, command)
        if not stdin:
            await running.close_stdin()
        return running

    def _exec(self, container_id: str, command: Sequence[str]) -> _Running:
        if self._get(container_id).state is not ContainerState.RUNNING:
            raise RuntimeFailure(f"container {container_id} is not running")
        return self._launch(command, "exec", True)

    async def attach_stream(self, container_id: str) -> Streams:
        if self._get(container_id).state is not ContainerState.RUNNING:
            raise RuntimeFailure(f"container {container_id} is not running")
        return self._running[container_id]

    async def stats(self, container_id: str) -> Mapping[str, int]:
        self._get(container_id)
        return {"cpu_usage_ns": 0, "memory_bytes": 0, "memory_working_set_bytes": 0, "pids": 1}

    async def disk_usage(self, container_id: str) -> Usage:
        return self.usage.get(container_id, Usage())

    def _get(self, container_id: str) -> Container:
        c = self._containers.get(container_id)
        if c is None:
            raise RuntimeFailure(f"container {container_id} not found")
        return c


def looks_like_id(text: str) -> bool:
    """Container IDs are 64 hexadecimal digits, of the real runtime and of this one."""
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None
