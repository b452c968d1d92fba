"""One contract, two runtimes: containers in the kernel, and the fake that tests of others use."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from kubette.runtime import cgroups
from kubette.runtime.images import ImageStore
from kubette.runtime.interface import (
    Container,
    ContainerSpec,
    ContainerState,
    Runtime,
    RuntimeFailure,
    Sandbox,
    SandboxSpec,
    Streams,
)
from kubette.runtime.oci import OciRuntime
from kubette.runtime.sweep import sweep
from kubette.testing.runtime import FakeRuntime, looks_like_id

CLUSTER = f"test{os.getpid()}"
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces and mounts")


class World:
    """A runtime with one pod."""

    def __init__(self, runtime: Runtime, image: str, base: Path) -> None:
        self.runtime, self.image, self.base = runtime, image, base
        self.sandbox = Sandbox("", None, None, None)

    async def container(self, *command: str, start: bool = True, stdin: bool = False, name: str = "main") -> str:
        spec = ContainerSpec(
            "pod1", name, 0, self.image, self.sandbox, command=command, stdin=stdin,
            log_path=self.base / "log", labels={"k": "v"},
        )  # fmt: skip
        identity = await self.runtime.create(spec)
        if start:
            await self.runtime.start(identity)
        return identity

    async def until_exited(self, identity: str) -> Container:
        async def wait() -> Container:
            hints = self.runtime.exits()
            hint = asyncio.ensure_future(anext(hints))
            try:
                while True:
                    c = await self.runtime.get(identity)
                    assert c is not None
                    if c.state is ContainerState.EXITED:
                        return c
                    await asyncio.wait({hint}, timeout=1)
                    if hint.done():
                        hint = asyncio.ensure_future(anext(hints))
            finally:
                hint.cancel()
                await asyncio.gather(hint, return_exceptions=True)
                await hints.aclose()  # type: ignore[attr-defined]

        return await asyncio.wait_for(wait(), 10)


@pytest.fixture(params=["fake", pytest.param("oci", marks=NEEDS_ROOT)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    base = Path(tempfile.mkdtemp(prefix="kubette-test-"))
    runtime: Runtime
    if request.param == "fake":
        runtime, image = FakeRuntime(base), "sha256:any"
    else:
        store = ImageStore(base / "images")
        found = await store.resolve("luksa/kubia")
        assert found is not None
        runtime, image = OciRuntime("n1", CLUSTER, base / "data", base / "run", store), found.id
    w = World(runtime, image, base)
    w.sandbox = await runtime.create_sandbox(SandboxSpec("pod1", "kubia", "default", "kubia-x"))
    try:
        yield w
    finally:
        await runtime.remove_sandbox("pod1")
        if isinstance(runtime, OciRuntime):
            runtime.close()
            assert sweep(f"kubette-{CLUSTER}", [base]) == []
            h = cgroups.hierarchies()
            assert not [r for r in h.roots() if (r / f"kubette-{CLUSTER}").exists()]
        shutil.rmtree(base)


async def everything(streams: Streams) -> tuple[bytes, bytes, int]:
    out = {1: b"", 2: b""}
    async for number, data in streams.output():
        out[number] += data
    code = await streams.wait()
    await streams.close()
    return out[1], out[2], code


async def test_a_container_lives_and_dies(world: World) -> None:
    identity = await world.container("sleep", "1000", start=False)
    assert looks_like_id(identity)
    (c,) = await world.runtime.containers()
    assert (c.state, c.pod_uid, c.name, c.labels) == (ContainerState.CREATED, "pod1", "main", {"k": "v"})
    await world.runtime.start(identity)
    (c,) = await world.runtime.containers()
    assert c.state is ContainerState.RUNNING and c.pid > 0 and c.started_at >= c.created_at > 0
    await world.runtime.stop(identity, 0)
    (c,) = await world.runtime.containers()
    assert (c.state, c.exit_code, c.pid) == (ContainerState.EXITED, 137, 0) and c.finished_at >= c.started_at
    await world.runtime.remove(identity)
    assert await world.runtime.containers() == []
    await world.runtime.stop(identity, 5)  # idempotent
    await world.runtime.remove(identity)


async def test_exit_code_and_hint(world: World) -> None:
    c = await world.until_exited(await world.container("sh", "-c", "echo out; exit 3"))
    assert (c.exit_code, c.oom_killed, c.reason) == (3, False, "")


async def test_a_program_that_is_not_there(world: World) -> None:
    identity = await world.container("nonesuch", start=False)
    with pytest.raises(RuntimeFailure, match='exec: "nonesuch": executable file not found') as caught:
        await world.runtime.start(identity)
    assert caught.value.reason == "RunContainerError"
    c = await world.runtime.get(identity)
    assert c is not None and (c.state, c.exit_code, c.reason) == (ContainerState.EXITED, 128, "StartError")


async def test_exec(world: World) -> None:
    identity = await world.container("sleep", "1000")
    result = await world.runtime.exec(identity, ["sh", "-c", "echo hello; exit 7"], 10)
    assert (result.exit_code, result.output) == (7, b"hello\n")
    with pytest.raises(TimeoutError):
        await world.runtime.exec(identity, ["sleep", "1000"], 0.3)
    with pytest.raises(RuntimeFailure, match="executable file not found"):
        await world.runtime.exec(identity, ["nonesuch"], 10)
    await world.runtime.stop(identity, 0)
    with pytest.raises(RuntimeFailure, match="not running"):
        await world.runtime.exec(identity, ["echo", "x"], 10)


async def test_exec_streams(world: World) -> None:
    identity = await world.container("sleep", "1000")
    s = await world.runtime.exec_stream(identity, ["sh", "-c", "echo o; echo e >&2; exit 4"], tty=False, stdin=False)
    assert await asyncio.wait_for(everything(s), 10) == (b"o\n", b"e\n", 4)
    s = await world.runtime.exec_stream(identity, ["cat"], tty=False, stdin=True)
    await s.write(b"typed")
    await s.close_stdin()
    assert await asyncio.wait_for(everything(s), 10) == (b"typed", b"", 0)
    s = await world.runtime.exec_stream(identity, ["sleep", "1000"], tty=False, stdin=False)
    await s.close()  # the client has gone: so has the process
    assert await asyncio.wait_for(s.wait(), 5) == 137


async def test_a_process_that_reads_no_more(world: World) -> None:
    """What it does not take is discarded; its output and exit code still come."""
    identity = await world.container("sleep", "1000")
    for script in ("exec 0<&-; echo end; exit 5", "echo end; exit 5"):
        s = await world.runtime.exec_stream(identity, ["sh", "-c", script], tty=False, stdin=True)
        reading = asyncio.create_task(everything(s), name="reading")
        for _ in range(200):
            await asyncio.wait_for(s.write(bytes(65536)), 10)
            if reading.done():
                break
        await s.close_stdin()
        await s.write(b"more")
        assert await asyncio.wait_for(reading, 10) == (b"end\n", b"", 5)
        await s.close()


async def test_attach(world: World) -> None:
    identity = await world.container("cat", stdin=True)
    s = await world.runtime.attach_stream(identity)
    await s.write(b"typed\n")
    output = s.output()
    assert await asyncio.wait_for(anext(output), 10) == (1, b"typed\n")
    await output.aclose()  # type: ignore[attr-defined]
    await s.close()
    c = await world.runtime.get(identity)
    assert c is not None and c.state is ContainerState.RUNNING


async def test_a_sandbox_takes_its_containers_with_it(world: World) -> None:
    await world.container("sleep", "1000")
    again = await world.runtime.create_sandbox(SandboxSpec("pod1", "kubia", "default", "kubia-x"))
    assert again == world.sandbox
    sandboxes: Sequence[Sandbox] = await world.runtime.sandboxes()
    assert list(sandboxes) == [world.sandbox]
    await world.runtime.remove_sandbox("pod1")
    assert await world.runtime.containers() == [] and await world.runtime.sandboxes() == []
