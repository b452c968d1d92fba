"""A node without a kernel: a runtime, images and a pod network in memory, for tests of the agent.

Containers "run" until told to exit; a program may be given that decides what happens when one starts.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kubette.runtime.broadcast import Broadcast
from kubette.runtime.interface import (
    Container,
    ContainerSpec,
    ContainerState,
    ExecResult,
    Image,
    ImageFailure,
    RuntimeFailure,
    Sandbox,
    SandboxSpec,
    Streams,
    Usage,
)


class FakeNodeRuntime:
    """``log`` tells what was done, in order: ("start", pod's container name), ("stop", name), …

    ``on_start``: called with the spec of each container that starts; an exit code ends it at once, None lets
    it run, a RuntimeFailure is raised by ``start``. ``execs``: the answer to commands."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []
        self.specs: dict[str, ContainerSpec] = {}
        self.on_start: Callable[[ContainerSpec], int | None] = lambda spec: None
        self.execs: Callable[[Sequence[str]], ExecResult] = lambda command: ExecResult(0, b"")
        self.ignores_sigterm: set[str] = set()
        self.stopped_with = 143  # the exit code of what ends by SIGTERM
        self.mount = Path("/dev/null")
        self.usage: dict[str, Usage] = {}  # of disk, by container name
        self._containers: dict[str, Container] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._exits = Broadcast()
        self._numbers = itertools.count(1)

    def running(self) -> list[str]:
        return [c.name for c in self._containers.values() if c.state is ContainerState.RUNNING]

    def spec(self, name: str) -> ContainerSpec:
        """Of the newest container of that name."""
        return [s for s in self.specs.values() if s.name == name][-1]

    def exit(self, name: str, code: int, *, oom: bool = False) -> None:
        """The program of the running container ends by itself."""
        for c in list(self._containers.values()):
            if c.name == name and c.state is ContainerState.RUNNING:
                self._end(c, code, oom)

    def _end(self, c: Container, code: int, oom: bool = False) -> None:
        state = ContainerState.EXITED
        self._containers[c.id] = replace(c, state=state, exit_code=code, finished_at=time.time(), oom_killed=oom)
        self._exits.publish(c.id)

    def reboot(self) -> None:
        """The machine was off: nothing runs any more, and no sandbox is left."""
        self._sandboxes.clear()
        for c in list(self._containers.values()):
            if c.state is ContainerState.RUNNING:
                self._end(replace(c, reason="Unknown"), 255)

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        netns = None if spec.host_network else Path("/proc/self/ns/net")
        sandbox = Sandbox(spec.pod_uid, netns, None, None, created_at=time.time())
        return self._sandboxes.setdefault(spec.pod_uid, sandbox)

    async def remove_sandbox(self, pod_uid: str) -> None:
        self._sandboxes.pop(pod_uid, None)
        for identity in [i for i, c in self._containers.items() if c.pod_uid == pod_uid]:
            del self._containers[identity]

    async def sandboxes(self) -> Sequence[Sandbox]:
        return list(self._sandboxes.values())

    async def create(self, spec: ContainerSpec) -> str:
        identity = f"{next(self._numbers):064x}"
        self.specs[identity] = spec
        self._containers[identity] = Container(
            identity, spec.pod_uid, spec.name, spec.attempt, spec.image, ContainerState.CREATED,
            created_at=time.time(), log_path=spec.log_path, labels=spec.labels,
        )  # fmt: skip
        return identity

    async def start(self, container_id: str) -> None:
        c = self._containers[container_id]
        self.log.append(("start", c.name))
        try:
            code = self.on_start(self.specs[container_id])
        except RuntimeFailure as error:
            self._end(replace(c, reason="StartError", message=str(error)), 128)
            raise
        now = time.time()
        c = self._containers[container_id] = replace(c, state=ContainerState.RUNNING, started_at=now, pid=1)
        if code is not None:
            self._end(c, code)

    async def stop(self, container_id: str, grace_seconds: float) -> None:
        c = self._containers.get(container_id)
        if c is None or c.state is not ContainerState.RUNNING:
            return
        self.log.append(("stop", c.name))
        if c.name in self.ignores_sigterm:
            await asyncio.sleep(grace_seconds)
        if self._containers[container_id].state is ContainerState.RUNNING:
            self._end(c, 137 if c.name in self.ignores_sigterm else self.stopped_with)

    async def remove(self, container_id: str) -> None:
        self._containers.pop(container_id, None)

    async def containers(self) -> Sequence[Container]:
        return list(self._containers.values())

    async def get(self, container_id: str) -> Container | None:
        return self._containers.get(container_id)

    def exits(self) -> AsyncIterator[str]:
        return self._exits.listen()

    async def exec(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        self.log.append(("exec", " ".join(command)))
        return self.execs(command)

    async def exec_stream(self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool) -> Streams:
        raise RuntimeFailure("the fake has no streams")

    async def attach_stream(self, container_id: str) -> Streams:
        raise RuntimeFailure("the fake has no streams")

    async def stats(self, container_id: str) -> Mapping[str, int]:
        return {"cpu_usage_ns": 1, "memory_bytes": 2, "memory_working_set_bytes": 2, "pids": 1}

    async def disk_usage(self, container_id: str) -> Usage:
        return self.usage.get(self.specs[container_id].name, Usage())


class FakeNodeImages:
    """``present`` by reference; ``remote`` can be pulled, ``damaged``: why the store cannot be read."""

    def __init__(self, *present: str) -> None:
        self.present = {name: self._image(name) for name in present}
        self.remote: set[str] = set()
        self.pulls: list[str] = []
        self.damaged = ""

    @staticmethod
    def _image(name: str, pinned: bool = False) -> Image:
        return Image(f"sha256:{name}", [name], [f"{name}@sha256:0"], 1000, pinned)

    def pin(self, name: str) -> None:
        self.present[name] = self._image(name, pinned=True)

    async def resolve(self, reference: str) -> Image | None:
        if reference != reference.lower():
            raise ImageFailure(f'couldn\'t parse image reference "{reference}": invalid reference', "InvalidImageName")
        return self.present.get(reference)

    async def pull(self, reference: str, auths: Sequence[Mapping[str, str]] = ()) -> Image:
        self.pulls.append(reference)
        if reference not in self.remote:
            raise ImageFailure(f'failed to pull and unpack image "{reference}": not found')
        self.present[reference] = self._image(reference)
        return self.present[reference]

    async def list(self) -> Sequence[Image]:
        if self.damaged:
            raise ImageFailure(self.damaged)
        return list(self.present.values())

    async def remove(self, reference: str) -> None:
        self.present.pop(reference, None)


class FakePodNetwork:
    """Addresses from 10.42.0.2 on; ``attached`` by pod UID."""

    def __init__(self) -> None:
        self.cidrs: tuple[str, ...] = ()
        self.attached: dict[str, tuple[str, ...]] = {}
        self._numbers = itertools.count(2)

    async def start(self, pod_cidrs: Sequence[str]) -> None:
        self.cidrs = tuple(pod_cidrs)

    async def attach(self, pod_uid: str, netns: Path, *, ip: str | None = None) -> tuple[str, ...]:
        if pod_uid not in self.attached:
            self.attached[pod_uid] = (ip or f"10.42.0.{next(self._numbers)}",)
        return self.attached[pod_uid]

    async def detach(self, pod_uid: str) -> None:
        self.attached.pop(pod_uid, None)
