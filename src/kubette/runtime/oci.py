"""Pods as real containers: an OCI runtime (runc, or crun on cgroup v2) under conmon.

A sandbox is three pinned namespaces, a tmpfs for /dev/shm and a cgroup; nothing runs for it. A container
is a directory with an OCI bundle and a record. conmon holds its output and writes its exit code to a file,
so agents come and go without containers noticing. Truth is on disk and in the kernel; this object only
caches it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from kubette.runtime import cgroups, devices, kernel, pause, records, rootfs, seccomp
from kubette.runtime import spec as specs
from kubette.runtime.images import ImageStore
from kubette.runtime.interface import (
    Container,
    ContainerSpec,
    ExecResult,
    RuntimeFailure,
    Sandbox,
    SandboxSpec,
    Streams,
)
from kubette.runtime.records import Record
from kubette.runtime.streams import AttachStreams, ExecStreams, control, oci_message

_EXEC_OUTPUT_LIMIT = 1 << 20
_SHM_SIZE = 64 << 20


class OciRuntime:
    """The runtime of one node. ``data_dir`` outlives reboots, ``run_dir`` need not."""

    def __init__(self, node: str, cluster: str, data_dir: Path, run_dir: Path, image_store: ImageStore) -> None:
        self._cgroup = f"kubette-{cluster}/{node}"
        self._images = image_store
        self._containers_dir = data_dir / "containers"
        self._exits_dir = data_dir / "exits"
        self._sandbox_dir = run_dir / "sandboxes"
        self._exec_dir = run_dir / "exec"
        self._oci_root = run_dir / "oci"
        for directory in (
            self._containers_dir, self._exits_dir, self._sandbox_dir, self._exec_dir, self._oci_root
        ):  # fmt: skip
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._h = cgroups.hierarchies()
        self._oci = _program("crun", "runc") if self._h.is_v2 else _program("runc", "crun")
        self._conmon = _program("conmon")
        self._caps = specs.own_capabilities()
        self._min_oom = specs.own_oom_score_adj()
        self._records: dict[str, Record] = {}
        self._exited: dict[str, asyncio.Event] = {}
        self._listeners: set[asyncio.Queue[str]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inotify = -1
        self._conmon_fds: dict[str, int] = {}
        for directory in self._containers_dir.iterdir():
            if record := records.load(directory):
                self._records[record.id] = record
            else:  # a crash between making the directory and its record
                rootfs.unmount(directory)
                shutil.rmtree(directory, ignore_errors=True)
        self._end_orphaned_execs()

    def _end_orphaned_execs(self) -> None:
        """Nobody listens any more to what an earlier agent's clients ran."""
        for file in self._exec_dir.iterdir():
            with contextlib.suppress(OSError, ValueError):
                if file.suffix == ".pid":
                    pid = int(file.read_text())
                    if f"/{self._cgroup}/" in Path(f"/proc/{pid}/cgroup").read_text():
                        kernel.kill_tree(pid)
            file.unlink(missing_ok=True)

    # --- sandboxes -----------------------------------------------------------------------------------

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        self._watch()
        directory = self._sandbox_dir / spec.pod_uid
        if existing := self._load_sandbox(directory):
            return existing
        self._discard_sandbox(directory)
        directory.mkdir(mode=0o700)
        names = ["uts"]
        if not spec.host_network:
            names.append("net")
        if not spec.host_ipc:
            names.append("ipc")
        try:
            kernel.pin_namespaces({n: directory / n for n in names}, spec.hostname, spec.sysctls)
            shm = directory / "shm"
            shm.mkdir()
            kernel.mount(
                "shm", shm, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC,
                f"mode=1777,size={_SHM_SIZE}",
            )  # fmt: skip
            cgroups.create(self._h, self._pod_cgroup(spec.pod_uid) + "/_conmon")
            (directory / "hostname").write_text(spec.hostname)
            records.write_json(
                directory / "sandbox.json",
                {
                    "pod_uid": spec.pod_uid,
                    "names": names,
                    "host_pid": spec.host_pid,
                    "share_pid": spec.share_pid,
                    "created_at": time.time(),
                },
            )
        except OSError as e:
            self._discard_sandbox(directory)
            raise RuntimeFailure(f"failed to create pod sandbox: {e}", "CreatePodSandboxError") from e
        sandbox = self._load_sandbox(directory)
        assert sandbox is not None
        return sandbox

    async def remove_sandbox(self, pod_uid: str) -> None:
        self._watch()
        for record in [r for r in self._records.values() if r.pod_uid == pod_uid]:
            await self.stop(record.id, 0)
            await self.remove(record.id)
        directory = self._sandbox_dir / pod_uid
        cgroup = self._pod_cgroup(pod_uid)
        if cgroups.processes(self._h, cgroup):
            await asyncio.to_thread(cgroups.kill, self._h, cgroup)
        cgroups.remove(self._h, cgroup)
        self._discard_sandbox(directory)

    async def sandboxes(self) -> Sequence[Sandbox]:
        found = (self._load_sandbox(d) for d in self._sandbox_dir.iterdir())
        return [s for s in found if s is not None]

    def _load_sandbox(self, directory: Path) -> Sandbox | None:
        try:
            data = orjson.loads((directory / "sandbox.json").read_bytes())
        except (OSError, ValueError):
            return None
        paths = {n: directory / n for n in data["names"]}
        if not (directory / "shm").is_mount():
            return None  # the machine was rebooted, or somebody unmounted it: not a sandbox any more
        return Sandbox(
            data["pod_uid"],
            paths.get("net"),
            paths.get("ipc"),
            paths.get("uts"),
            bool(data["host_pid"]),
            float(data.get("created_at", 0)),
            bool(data.get("share_pid")),
        )

    @staticmethod
    def _discard_sandbox(directory: Path) -> None:
        (directory / "sandbox.json").unlink(missing_ok=True)
        for name in ("net", "ipc", "uts", "shm"):
            if (directory / name).exists():
                kernel.unmount(directory / name)
        shutil.rmtree(directory, ignore_errors=True)

    def _pod_cgroup(self, pod_uid: str) -> str:
        return f"{self._cgroup}/pod{pod_uid}"

    # --- containers ----------------------------------------------------------------------------------

    async def create(self, spec: ContainerSpec) -> str:
        """Prepare root, bundle and record. Like containerd's, nothing runs (or fails to) before ``start``."""
        self._watch()
        image = self._images.get(spec.image)
        if image is None:
            raise RuntimeFailure(f'image "{spec.image}" not found', "CreateContainerError")
        pidns = await self._pid_namespace(spec)
        identity = secrets.token_hex(32)
        directory = self._containers_dir / identity
        directory.mkdir(mode=0o700)
        try:
            source = self._images.root(spec.image)
            root, extra = rootfs.prepare(directory, source)
            taken = {"/", *(os.path.normpath(m.target) for m in spec.mounts)}
            declared = {os.path.normpath(f"/{v.lstrip('/')}") for v in image.volumes}
            own = rootfs.volumes(directory, source, declared - taken)
            user = specs.user_of(spec, image, root)
            shm = None if spec.sandbox.ipcns is None else self._sandbox_dir / spec.pod_uid / "shm"
            config = specs.config(
                spec,
                image,
                root=root,
                user=user,
                hostname=self._hostname(spec.pod_uid),
                cgroup=f"/{self._pod_cgroup(spec.pod_uid)}/{identity}",
                shm=shm or Path("/dev/shm"),
                extra_mounts=extra,
                volumes=own,
                available=self._caps,
                cgroup_namespace=self._h.is_v2,
                min_oom_score_adj=self._min_oom,
                devices=devices.of_host() if spec.security.privileged else (),
                pidns=pidns,
                profile=seccomp.profile(spec.security.seccomp, specs.capabilities(spec)),
            )
            (directory / "config.json").write_bytes(orjson.dumps(config))
            record = Record(
                id=identity, pod_uid=spec.pod_uid, name=spec.name, attempt=spec.attempt, image=spec.image,
                log_path=str(spec.log_path), labels=dict(spec.labels),
                stop_signal=spec.stop_signal or image.stop_signal,
                tty=spec.tty, stdin=spec.stdin, stdin_once=spec.stdin_once, created_at=time.time(),
                user=[user.uid, user.gid, *user.groups],
            )  # fmt: skip
            records.save(directory, record)
        except BaseException as e:
            rootfs.unmount(directory)
            shutil.rmtree(directory, ignore_errors=True)
            if isinstance(e, OSError):
                raise RuntimeFailure(f"failed to create container: {e}", "CreateContainerError") from e
            raise
        self._records[identity] = record
        return identity

    async def _pid_namespace(self, spec: ContainerSpec) -> Path | None:
        """That of the container whose processes it is to see, or of the pod; None: one of its own."""
        if not spec.pid_of and not spec.sandbox.share_pid:
            return None
        record = self._record(spec.pid_of or await self._paused(spec.sandbox))
        self._refresh(record)
        if record.state != "running":
            raise RuntimeFailure(f"container {spec.pid_of} is not running", "CreateContainerError")
        return Path(f"/proc/{record.pid}/ns/pid")

    async def _paused(self, sandbox: Sandbox) -> str:
        """The ID of the container that holds the pod's PID namespace, made if there is none that runs."""
        for record in [r for r in self._records.values() if r.pod_uid == sandbox.pod_uid and r.name == pause.NAME]:
            self._refresh(record)
            if record.state == "running":
                return record.id
            await self.remove(record.id)
        identity = await self.create(pause.spec(sandbox, self._sandbox_dir / sandbox.pod_uid / "pause.log"))
        await self.start(identity)
        return identity

    def _hostname(self, pod_uid: str) -> str:
        try:
            return (self._sandbox_dir / pod_uid / "hostname").read_text()
        except OSError:
            return os.uname().nodename

    async def start(self, container_id: str) -> None:
        self._watch()
        record = self._record(container_id)
        if record.state != "created":
            return
        directory = self._containers_dir / container_id
        try:
            await self._create_process(record, directory)
            await self._call_oci("start", container_id, verb="create")
        except RuntimeFailure as e:
            await self._abandon(record)
            record.reason, record.message, record.exit_code = "StartError", str(e), 128
            self._finish(record, time.time())
            raise
        if record.state == "created":  # a program that ended at once may have been seen before this
            record.state, record.started_at = "running", time.time()
            records.save(directory, record)
            self._refresh(record)
        self._watch_conmon(record)

    async def _create_process(self, record: Record, directory: Path) -> None:
        log = Path(record.log_path)
        log.parent.mkdir(parents=True, exist_ok=True)
        pid_file, conmon_pid_file = directory / "pid", directory / "conmon.pid"
        start_read, start_write = os.pipe()
        sync_read, sync_write = os.pipe()
        argv = [
            self._conmon, "--api-version", "1", "-c", record.id, "-u", record.id, "-n", record.name,
            "-r", self._oci, "-b", str(directory), "-p", str(pid_file), "-P", str(conmon_pid_file),
            "-l", f"k8s-file:{log}", "--exit-dir", str(self._exits_dir), "--full-attach",
            "--socket-dir-path", str(directory), "--no-sync-log", "--runtime-arg", f"--root={self._oci_root}",
        ]  # fmt: skip
        argv += ["-t"] if record.tty else []
        argv += ["-i"] if record.stdin else []
        argv += ["--leave-stdin-open"] if record.stdin and not record.stdin_once else []
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=directory,
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
            cgroup = self._pod_cgroup(record.pod_uid) + "/_conmon"
            cgroups.create(self._h, cgroup)
            cgroups.enter(self._h, cgroup, process.pid)  # its children, all that follows, start in there
            os.write(start_write, b"\0")
            answer = await _read_line(sync_read)
        finally:
            os.close(start_write)
            os.close(sync_read)
        await process.wait()
        data = json.loads(answer) if answer else {"data": -1}
        number = int(data.get("data", data.get("pid", -1)))
        if number <= 0:
            words = str(data.get("message", "")).strip().splitlines()
            raise RuntimeFailure(
                "failed to create containerd task: failed to create shim task: "
                + oci_message(words[-1] if words else f"conmon failed with {number}", "create")
            )
        record.pid, record.ticks = number, kernel.start_ticks(number)
        record.conmon = int(conmon_pid_file.read_text())
        record.conmon_ticks = kernel.start_ticks(record.conmon)
        records.save(directory, record)

    async def stop(self, container_id: str, grace_seconds: float) -> None:
        self._watch()
        record = self._records.get(container_id)
        if record is None:
            return
        self._refresh(record)
        if record.state == "created" and not record.pid:
            record.exit_code = 137
            self._finish(record, time.time())
            return
        if record.state == "exited":
            return
        if grace_seconds > 0:
            number = getattr(signal, record.stop_signal, None) or _number(record.stop_signal)
            self._signal(record, number)
            if await self._wait_exit(record, grace_seconds):
                return
        self._signal(record, signal.SIGKILL)
        if await self._wait_exit(record, 5):
            return
        await self._abandon(record)
        record.exit_code = 137
        self._finish(record, time.time())

    async def remove(self, container_id: str) -> None:
        self._watch()
        record = self._records.get(container_id)
        if record is None:
            return
        self._refresh(record)
        if record.state == "running":
            await self.stop(container_id, 0)
        await self._abandon(record)
        self._records.pop(container_id, None)
        directory = self._containers_dir / container_id
        (directory / "record.json").unlink(missing_ok=True)
        rootfs.unmount(directory)
        (self._exits_dir / container_id).unlink(missing_ok=True)
        self._unwatch_conmon(container_id)
        self._exited.pop(container_id, None)
        await asyncio.to_thread(shutil.rmtree, directory, True)

    async def containers(self) -> Sequence[Container]:
        self._watch()
        for record in self._records.values():
            self._refresh(record)
        return [r.container() for r in self._records.values() if r.name != pause.NAME]

    async def get(self, container_id: str) -> Container | None:
        self._watch()
        record = self._records.get(container_id)
        if record is None:
            return None
        self._refresh(record)
        return record.container()

    async def exits(self) -> AsyncIterator[str]:
        self._watch()
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def wait(self, container_id: str) -> int:
        """The exit code, once there is one."""
        self._watch()
        record = self._record(container_id)
        await self._wait_exit(record, None)
        return record.exit_code

    def reopen_logs(self, container_id: str) -> None:
        """After the log file was renamed: conmon opens a new one of the old name."""
        control(self._containers_dir / container_id, "2 0 0\n")

    async def stats(self, container_id: str) -> Mapping[str, int]:
        record = self._record(container_id)
        return cgroups.stats(self._h, f"{self._pod_cgroup(record.pod_uid)}/{container_id}")

    # --- exec and attach -----------------------------------------------------------------------------

    async def exec(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        streams = await self._exec(container_id, command, tty=False, stdin=False)
        output = bytearray()

        async def run() -> int:
            async for _, data in streams.output():
                output.extend(data[: _EXEC_OUTPUT_LIMIT - len(output)])
            return await streams.wait()

        try:
            code = await asyncio.wait_for(run(), timeout if timeout > 0 else None)
        finally:
            await streams.close()
        return ExecResult(code, bytes(output))

    async def exec_stream(self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool) -> Streams:
        return await self._exec(container_id, command, tty=tty, stdin=stdin)

    async def _exec(self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool) -> ExecStreams:
        self._watch()
        record = self._record(container_id)
        self._refresh(record)
        if record.state != "running":
            raise RuntimeFailure(f"container {container_id} is not running")
        process: dict[str, Any] = orjson.loads((self._containers_dir / container_id / "config.json").read_bytes())[
            "process"
        ]
        process |= {"args": list(command), "terminal": tty}
        if tty and not any(e.startswith("TERM=") for e in process["env"]):
            process["env"].append("TERM=xterm")
        stem = self._exec_dir / secrets.token_hex(32)
        pid_file, process_file = stem.with_suffix(".pid"), stem.with_suffix(".json")
        process_file.write_bytes(orjson.dumps(process))
        argv = [self._oci, f"--root={self._oci_root}", "exec", "--pid-file", str(pid_file)]
        argv += ["--tty"] if tty else []
        argv += ["--process", str(process_file), container_id]
        try:
            return await ExecStreams.start(argv, pid_file, process_file, tty=tty, stdin=stdin)
        except OSError as e:
            process_file.unlink(missing_ok=True)
            raise RuntimeFailure(f"exec: {e}") from e

    async def attach_stream(self, container_id: str) -> Streams:
        self._watch()
        record = self._record(container_id)
        self._refresh(record)
        if record.state != "running":
            raise RuntimeFailure(f"container {container_id} is not running")

        async def exit_code() -> int:
            return await self.wait(container_id)

        return AttachStreams(self._containers_dir / container_id, record.tty, exit_code)

    # --- exits ---------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Start watching for exits in the loop that uses this runtime (once a loop)."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self.close()
        self._loop = loop
        self._inotify = kernel.inotify(self._exits_dir, kernel.IN_MOVED_TO | kernel.IN_CLOSE_WRITE)
        loop.add_reader(self._inotify, self._on_inotify)
        for record in self._records.values():
            self._refresh(record)
            self._watch_conmon(record)

    def close(self) -> None:
        """Stop watching. Containers go on."""
        if self._loop is not None and self._inotify >= 0:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._inotify)
            os.close(self._inotify)
            self._inotify = -1
        for container_id in list(self._conmon_fds):
            self._unwatch_conmon(container_id)
        self._loop = None

    def _on_inotify(self) -> None:
        for name in kernel.inotify_names(self._inotify):
            if record := self._records.get(name):
                self._refresh(record)

    def _watch_conmon(self, record: Record) -> None:
        if record.state != "running" or record.id in self._conmon_fds or self._loop is None:
            return
        try:
            fd = os.pidfd_open(record.conmon)
        except OSError:
            self._refresh(record)
            return
        self._conmon_fds[record.id] = fd
        self._loop.add_reader(fd, self._on_conmon, record)

    def _unwatch_conmon(self, container_id: str) -> None:
        fd = self._conmon_fds.pop(container_id, -1)
        if fd >= 0:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(fd)
            os.close(fd)

    def _on_conmon(self, record: Record) -> None:
        self._unwatch_conmon(record.id)
        self._refresh(record)

    def _refresh(self, record: Record) -> None:
        """Bring a record up to date with exit file and processes.

        conmon ends after it wrote the exit file. Where it ended without one (it was killed), nobody
        holds the container's output any more, and the container is ended too.
        """
        if record.state == "exited" or not record.pid:
            return
        try:
            code = int((self._exits_dir / record.id).read_text())
            finished = (self._exits_dir / record.id).stat().st_mtime
        except (OSError, ValueError):
            if kernel.start_ticks(record.conmon) == record.conmon_ticks or record.state != "running":
                return
            if (self._exits_dir / record.id).exists():
                self._refresh(record)
                return
            code, finished = 137, time.time()
            if kernel.start_ticks(record.pid) != record.ticks:  # nobody saw how it ended: a reboot, mostly
                code, record.reason = 255, "Unknown"
            self._signal(record, signal.SIGKILL)
        record.started_at = record.started_at or finished
        record.exit_code = code
        cgroup = f"{self._pod_cgroup(record.pod_uid)}/{record.id}"
        record.oom_killed = code == 137 and cgroups.oom_kills(self._h, cgroup) > 0
        self._finish(record, finished)

    def _finish(self, record: Record, when: float) -> None:
        record.state, record.finished_at = "exited", when
        if (self._containers_dir / record.id).is_dir():
            records.save(self._containers_dir / record.id, record)
        self._exited.setdefault(record.id, asyncio.Event()).set()
        for queue in self._listeners:
            queue.put_nowait(record.id)

    async def _wait_exit(self, record: Record, timeout: float | None) -> bool:
        self._refresh(record)
        if record.state == "exited":
            return True
        event = self._exited.setdefault(record.id, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), timeout)
        return event.is_set()

    # --- the OCI runtime -----------------------------------------------------------------------------

    def _record(self, container_id: str) -> Record:
        record = self._records.get(container_id)
        if record is None:
            raise RuntimeFailure(f"container {container_id} not found")
        return record

    def _signal(self, record: Record, number: int) -> None:
        """To the container's first process, if it still is that process."""
        try:
            fd = os.pidfd_open(record.pid)
        except OSError:
            return
        try:
            if kernel.start_ticks(record.pid) == record.ticks:
                signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(fd)

    async def _call_oci(self, *argv: str, verb: str) -> None:
        process = await asyncio.create_subprocess_exec(
            self._oci, f"--root={self._oci_root}", *argv,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, err = await process.communicate()
        if process.returncode:
            words = err.decode(errors="replace").strip().splitlines()
            raise RuntimeFailure(
                "failed to start containerd task: " + oci_message(words[-1] if words else "no reason given", verb)
            )

    async def _abandon(self, record: Record) -> None:
        """Everything the OCI runtime and the kernel hold for a container goes; its record stays."""
        if not record.pid:  # by an agent that died while this was made: it is perhaps still being made
            for pid in cgroups.processes(self._h, self._pod_cgroup(record.pod_uid) + "/_conmon"):
                with contextlib.suppress(OSError):
                    if record.id.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGKILL)
        cgroup = f"{self._pod_cgroup(record.pod_uid)}/{record.id}"
        if cgroups.processes(self._h, cgroup):
            await asyncio.to_thread(cgroups.kill, self._h, cgroup)
        if (self._oci_root / record.id).exists():
            with contextlib.suppress(RuntimeFailure):
                await self._call_oci("delete", record.id, verb="delete")
            if (self._oci_root / record.id).exists():
                with contextlib.suppress(RuntimeFailure):
                    await self._call_oci("delete", "--force", record.id, verb="delete")
        cgroups.remove(self._h, cgroup)


def _program(*names: str) -> str:
    for name in names:
        if path := kernel.which(name):
            return path
    raise RuntimeFailure(f"{names[0]} is not installed", "ContainerRuntimeMissing")


def _number(text: str) -> int:
    return int(text) if text.isdigit() else int(signal.SIGTERM)


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
