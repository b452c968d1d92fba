"""What only the real runtime promises: isolation, re-adoption, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

import kubette
from kubette.runtime import cgroups, kernel, oci, records
from kubette.runtime.images import ImageStore
from kubette.runtime.interface import (
    Container,
    ContainerSpec,
    ContainerState,
    Mount,
    Resources,
    Sandbox,
    SandboxSpec,
    Security,
    Streams,
)
from kubette.runtime.oci import OciRuntime
from kubette.runtime.sweep import sweep
from kubette.runtime.threads import in_thread

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces and mounts")
CLUSTER = f"kern{os.getpid()}"


class Node:
    """A node's runtime, which can be forgotten and made anew, as an agent that dies and comes back."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.store = ImageStore(base / "images")
        self.image = ""
        self.sandbox = Sandbox("", None, None, None)
        self.runtime = self.new_agent()

    def new_agent(self) -> OciRuntime:
        self.runtime = OciRuntime("n1", CLUSTER, self.base / "data", self.base / "run", self.store)
        return self.runtime

    async def run(self, *command: str, change: Callable[[ContainerSpec], ContainerSpec] = lambda s: s) -> str:
        spec = ContainerSpec("pod1", "main", 0, self.image, self.sandbox, command=command, log_path=self.base / "log")
        identity = await self.runtime.create(change(spec))
        await self.runtime.start(identity)
        return identity

    async def ask(self, identity: str, script: str) -> list[str]:
        result = await self.runtime.exec(identity, ["sh", "-c", script], 10)
        return result.output.decode().split()

    async def one(self, identity: str) -> Container:
        c = await self.runtime.get(identity)
        assert c is not None
        return c


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    base = Path(tempfile.mkdtemp(prefix="kubette-test-"))
    n = Node(base)
    found = await n.store.resolve("luksa/kubia")
    assert found is not None
    n.image = found.id
    n.sandbox = await n.runtime.create_sandbox(SandboxSpec("pod1", "kubia", "default", "kubia-x"))
    try:
        yield n
    finally:
        n.runtime.close()
        assert sweep(f"kubette-{CLUSTER}", [base]) == []
        assert kernel.mounts_below(base) == []
        assert not [r for r in cgroups.hierarchies().roots() if (r / f"kubette-{CLUSTER}").exists()]
        shutil.rmtree(base)


async def test_kubia_answers_on_both_ports(node: Node) -> None:
    identity = await node.run()
    script = "for i in 1 2 3 4 5 6 7 8 9; do {} && exit; sleep 0.1; done"
    for url in ("http://localhost:8080", "https://localhost:8443"):
        answer = await node.ask(identity, script.format(f"curl -sk {url}"))
        assert answer == ["You've", "hit", "kubia-x"]


async def test_a_new_agent_finds_what_runs_and_what_ended(node: Node) -> None:
    runs, ends = await node.run("sleep", "1000"), await node.run("sh", "-c", "exit 9")
    node.runtime.close()
    before = os.stat(node.sandbox.netns or "").st_ino
    node.new_agent()
    assert await asyncio.wait_for(node.runtime.wait(ends), 10) == 9
    assert (await node.one(runs)).state is ContainerState.RUNNING
    assert list(await node.runtime.sandboxes()) == [node.sandbox]
    assert os.stat(node.sandbox.netns or "").st_ino == before
    assert await node.ask(runs, "echo still") == ["still"]


async def test_what_clients_ran_ends_with_them_or_with_the_agent(node: Node) -> None:
    """The process and its children; what it has let go of lives on."""
    identity = await node.run()
    family = ["sh", "-c", "(setsid sleep 1003 >/dev/null 2>&1 &); sleep 1001 & sleep 1002 & echo up; wait"]

    async def sleep_only(*wanted: str) -> None:
        script = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done | grep -o '^sleep [0-9]*'"
        async with asyncio.timeout(10):
            while {w for w in await node.ask(identity, script) if w != "sleep"} != set(wanted):
                pass

    async def start() -> tuple[Streams, AsyncIterator[tuple[int, bytes]]]:
        streams = await node.runtime.exec_stream(identity, family, tty=False, stdin=False)
        output = streams.output()
        assert await asyncio.wait_for(anext(output), 10) == (1, b"up\n")
        return streams, output

    client, _ = await start()
    await client.close()
    await sleep_only("1003")
    _, output = await start()
    await sleep_only("1001", "1002", "1003")
    node.runtime.close()
    node.new_agent()
    async with asyncio.timeout(10):
        assert [piece async for piece in output] == []
    await sleep_only("1003")
    assert list((node.base / "run/exec").iterdir()) == []


async def test_an_agent_that_died_while_it_started_a_container(node: Node) -> None:
    """The next one finds a container that nobody started, and can remove all that there is of it."""
    spec = ContainerSpec("pod1", "main", 0, node.image, node.sandbox, log_path=node.base / "log")
    for stage in ("conmon.pid", "pid"):  # conmon runs and makes it; it is made
        identity = await node.runtime.create(spec)
        starting = asyncio.create_task(node.runtime.start(identity))
        directory = node.base / "data/containers" / identity
        while not (directory / stage).exists():  # noqa: ASYNC110 (another process makes it)
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        node.runtime.close()
        node.new_agent()
        await node.runtime.remove(identity)
        assert await node.runtime.containers() == []
        assert cgroups.processes(cgroups.hierarchies(), f"kubette-{CLUSTER}") == set()
        assert list((node.base / "run/oci").iterdir()) == [] and not directory.exists()


async def test_a_container_whose_conmon_was_killed_is_ended(node: Node) -> None:
    identity = await node.run("sleep", "1000")
    conmon = int((node.base / "data/containers" / identity / "conmon.pid").read_text())
    os.kill(conmon, signal.SIGKILL)
    assert await asyncio.wait_for(node.runtime.wait(identity), 10) == 137
    assert (await node.one(identity)).state is ContainerState.EXITED


async def test_nothing_stays_in_the_callers_cgroups(node: Node) -> None:
    await node.run("sleep", "1000")
    pids = cgroups.processes(cgroups.hierarchies(), f"kubette-{CLUSTER}/n1/podpod1")
    assert len(pids) == 2  # conmon and the program
    for pid in pids:
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            assert line.split(":", 2)[2].startswith(f"/kubette-{CLUSTER}/n1/podpod1/"), line


async def test_the_hosts_secrets_are_not_there(node: Node) -> None:
    identity = await node.run("sleep", "1000")
    # What runs kubette lies at its own path, wherever that is; nothing else of the host's does.
    own = tuple(f"{Path(path).resolve()}/" for path in (sys.prefix, sys.base_prefix, kubette.__path__[0]))
    files = await node.ask(identity, "find /home /root /etc/shadow /etc/ssh /var/lib ! -type d 2>/dev/null | tr ' ' _")
    assert [path for path in files if not path.startswith(own)] == []
    assert await node.ask(identity, "touch /usr/kubette-was-here && echo yes") == ["yes"]
    assert not Path("/usr/kubette-was-here").exists()
    python = await node.ask(identity, f"touch {os.__file__} 2>&1 || echo refused")
    assert python[-1:] == ["refused"] or Path(os.__file__).is_relative_to("/usr")


async def test_containers_that_share_processes(node: Node) -> None:
    node.sandbox = await node.runtime.create_sandbox(SandboxSpec("pod1b", "p", "default", "h", share_pid=True))
    other = await node.run("sleep", "1234", change=lambda s: replace(s, pod_uid="pod1b", name="other"))
    main = await node.run("sleep", "4321", change=lambda s: replace(s, pod_uid="pod1b"))
    seen = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done | grep -o '^sleep [0-9]*'"
    assert {"1234", "4321"} <= set(await node.ask(main, seen))
    assert {c.id for c in await node.runtime.containers()} == {other, main}
    orphan = "(sh -c 'sleep 0.01 & echo $!' | cat); for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; done; ls /proc"
    number, *left = await node.ask(main, orphan)
    assert number not in left, "what loses its parent is reaped"
    node.runtime.close()
    node.new_agent()
    await node.runtime.stop(main, 0)
    assert (await node.one(other)).state is ContainerState.RUNNING
    again = await node.run("sleep", "4322", change=lambda s: replace(s, pod_uid="pod1b", attempt=1))
    assert {"1234", "4322"} <= set(await node.ask(again, seen))


async def test_an_ephemeral_container_sees_the_processes_of_its_target(node: Node) -> None:
    main = await node.run("sleep", "1234")
    look = await node.run("sleep", "100", change=lambda s: replace(s, name="look", pid_of=main))
    assert await node.ask(look, "tr '\\0' ' ' < /proc/1/cmdline") == ["sleep", "1234"]


async def test_seccomp_and_a_read_only_root(node: Node) -> None:
    profile = await node.run(
        "sleep", "100", change=lambda s: replace(s, security=Security(seccomp="RuntimeDefault", read_only_root=True))
    )
    assert await node.ask(profile, "grep ^Seccomp: /proc/1/status") == ["Seccomp:", "2"]
    denied = await node.ask(profile, "unshare -U true 2>&1; touch /usr/x 2>&1; true")
    assert "permitted" in denied and "Read-only" in denied


async def test_limits_and_oom(node: Node) -> None:
    def limited(s: ContainerSpec) -> ContainerSpec:
        return replace(s, resources=Resources(memory_bytes=32 << 20, pids=50))

    identity = await node.run("python3", "-c", "x = b'x' * 300_000_000", change=limited)
    assert await asyncio.wait_for(node.runtime.wait(identity), 20) == 137
    assert (await node.one(identity)).oom_killed


async def test_a_container_has_its_own_oom_score_not_the_agents(node: Node) -> None:
    """The agent's is -999 where it may lower it; any other difference shows the same."""
    kernel.set_oom_score_adj(300)
    try:
        identity = await node.run(
            "sh", "-c", "cat /proc/self/oom_score_adj; sleep 1000",
            change=lambda s: replace(s, resources=Resources(oom_score_adj=7)),
        )  # fmt: skip
        assert await node.ask(identity, "cat /proc/1/oom_score_adj /proc/self/oom_score_adj") == ["7", "7"]
    finally:
        kernel.set_oom_score_adj(0)


async def test_what_a_container_has_written_is_measured(node: Node) -> None:
    identity = await node.run("sleep", "1000")
    assert (await node.runtime.disk_usage(identity)).bytes < 1_000_000
    await node.ask(identity, "head -c 3000000 /dev/zero > /written; head -c 3000000 /dev/zero > /dev/shm/memory")
    assert 3_000_000 <= (await node.runtime.disk_usage(identity)).bytes < 5_000_000
    await node.runtime.remove(identity)
    assert (await node.runtime.disk_usage(identity)).bytes == 0


async def test_users_mounts_and_the_pods_shared_memory(node: Node) -> None:
    (node.base / "volume").mkdir()
    (node.base / "volume/file").write_text("content")

    def change(s: ContainerSpec) -> ContainerSpec:
        mount = Mount(node.base / "volume", "/usr/share/deep/volume", read_only=True)
        return replace(
            s, mounts=[mount], security=Security(run_as_user=65534, run_as_group=65534, supplemental_groups=(77,))
        )

    one, two = await node.run("sleep", "1000", change=change), await node.run("sleep", "1000")
    assert await node.ask(one, "id -u; id -G; cat /usr/share/deep/volume/file") == [
        "65534", "65534", "77", "content"
    ]  # fmt: skip
    assert await node.ask(one, "touch /usr/share/deep/volume/x 2>/dev/null || echo ro") == ["ro"]
    await node.ask(one, "echo shared > /dev/shm/x")
    assert await node.ask(two, "cat /dev/shm/x /proc/1/comm; hostname") == ["shared", "sleep", "kubia-x"]


async def test_a_terminal(node: Node) -> None:
    identity = await node.run("sleep", "1000")
    s = await node.runtime.exec_stream(
        identity,
        ["sh", "-c", "read x; until stty size | grep '33 99'; do :; done; echo $TERM; exit 5"],
        tty=True,
        stdin=True,
    )
    await s.resize(99, 33)
    await s.write(b"go\n")
    seen = b""
    async for _, data in s.output():
        seen += data
    assert await s.wait() == 5
    await s.close()
    assert seen.split() == [b"go", b"33", b"99", b"xterm"]


async def test_logs_are_in_cri_format(node: Node) -> None:
    identity = await node.run("sh", "-c", "echo one; echo two >&2; printf three")
    await asyncio.wait_for(node.runtime.wait(identity), 10)
    lines = [line.split(" ", 3)[1:] for line in (node.base / "log").read_text().splitlines()]
    assert sorted(lines) == [["stderr", "F", "two"], ["stdout", "F", "one"], ["stdout", "P", "three"]]


async def test_sweep_ends_what_no_agent_remembers(node: Node) -> None:
    identity = await node.run("sleep", "1000")
    pid = (await node.one(identity)).pid
    node.runtime.close()
    assert sweep(f"kubette-{CLUSTER}", [node.base]) == []
    assert kernel.start_ticks(pid) == 0 and kernel.mounts_below(node.base) == []


def test_what_must_not_touch_a_disk_is_kept_off_it(tmp_path: Path) -> None:
    directory = tmp_path / "pods"
    for _ in range(2):  # a new agent finds it as it is
        kernel.keep_off_disk(directory)
        (directory / "secret").touch()
    mounted = kernel.mounts_below(tmp_path)
    assert len(mounted) <= 1  # none where the directory for tests lies on a tmpfs
    kernel.unmount(directory)
    assert [path.name for path in directory.iterdir()] == ([] if mounted else ["secret"])


async def test_a_log_that_was_renamed_goes_on_in_a_new_file(node: Node) -> None:
    script = "echo one; while [ ! -e /go ]; do sleep 0.05; done; echo two; sleep 1000"
    identity = await node.run("sh", "-c", script)
    log = node.base / "log"

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 (a file, another process)
                await asyncio.sleep(0.01)

    await until(lambda: log.exists() and log.read_text() != "")
    log.rename(node.base / "old")
    node.runtime.reopen_logs(identity)
    await until(log.exists)
    await node.ask(identity, "touch /go")
    await until(lambda: "two" in log.read_text())
    assert "one" in (node.base / "old").read_text() and "one" not in log.read_text()


@pytest.mark.parametrize(
    ("name", "number"),
    [("SIGUSR1", signal.SIGUSR1), ("USR1", signal.SIGUSR1), ("9", signal.SIGKILL), ("SIG_IGN", signal.SIGTERM),
     ("Signals", signal.SIGTERM), ("0", signal.SIGTERM), ("²", signal.SIGTERM), ("", signal.SIGTERM)],
)  # fmt: skip
def test_a_stop_signal_is_one_of_the_kernels(name: str, number: int) -> None:
    assert oci._number(name) == number


async def test_a_pod_has_a_limit_of_processes(node: Node) -> None:
    limited = await node.runtime.create_sandbox(SandboxSpec("pod1c", "p", "default", "h", pids_limit=20))
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do sleep 1000 & done"
    identity = await node.run(
        "sh", "-c", script, change=lambda s: replace(s, sandbox=limited, pod_uid="pod1c")
    )
    assert await asyncio.wait_for(node.runtime.wait(identity), 30) != 0
    assert "fork" in (node.base / "log").read_text().lower()
    await node.runtime.remove_sandbox("pod1c")


def test_no_user_of_the_machine_reaches_what_containers_write(node: Node) -> None:
    for directory in (node.base / "data", node.base / "run"):
        assert directory.stat().st_mode & 0o777 == 0o700


def test_a_record_that_a_full_disk_refuses_is_saved_later(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    kernel.mount("tmpfs", disk, "tmpfs", 0, "size=64k")
    try:
        held = records.Records(disk)
        (disk / "c1").mkdir()
        record = records.Record("c1", "pod1", "main", 0, "image", "/log")
        held.add(record)
        held.save(record)
        with pytest.raises(OSError, match="No space"):
            (disk / "c1/filler").write_bytes(b"x" * (1 << 20))
        record.exit_code = 3
        held.save(record)
        held.save_rest()
        assert records.Records(disk).require("c1").exit_code == 0
        (disk / "c1/filler").unlink()
        held.save_rest()
        assert records.Records(disk).require("c1").exit_code == 3
    finally:
        kernel.unmount(disk)


async def test_work_in_a_thread_is_never_left_half_done() -> None:
    """A cancellation waits for the thread; so what undoes the work comes after it."""
    began, go, did = threading.Event(), threading.Event(), []

    def work() -> None:
        began.set()
        assert go.wait(10)
        did.append("work")

    task = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(began.wait, 10)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert did == ["work"]
