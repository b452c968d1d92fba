"""Pods as real containers: an OCI runtime (runc, or crun on cgroup v2) under conmon.

A sandbox is three pinned namespaces, a tmpfs for /dev/shm and a cgroup (``sandboxes``). A container is a directory
with an OCI bundle and a record (``bundles``, ``records``); conmon holds its output and writes its exit code to a file
(``processes``, ``exits``), so agents come and go without containers noticing. Truth is on disk and in the kernel;
this object only caches it, and says in which order a container's parts are made and taken away.
"""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from kubette.runtime import cgroups, kernel, ocicommand, pause, rootfs
from kubette.runtime.bundles import Bundles
from kubette.runtime.execs import Execs
from kubette.runtime.exits import Exits
from kubette.runtime.images import ImageStore
from kubette.runtime.interface import (
    Container,
    ContainerSpec,
    ExecResult,
    ImageFailure,
    RuntimeFailure,
    Sandbox,
    SandboxSpec,
    Streams,
    Usage,
)
from kubette.runtime.layout import Layout
from kubette.runtime.processes import Processes
from kubette.runtime.records import Record, Records
from kubette.runtime.sandboxes import Sandboxes
from kubette.runtime.streams import AttachStreams, control
from kubette.runtime.threads import in_thread

_KILL_SECONDS = 5.0


class OciRuntime:
    """The runtime of one node. ``data_dir`` outlives reboots, ``run_dir`` need not."""

    def __init__(self, node: str, cluster: str, data_dir: Path, run_dir: Path, image_store: ImageStore) -> None:
        layout = Layout(cgroups.hierarchies(), f"kubette-{cluster}/{node}", data_dir, run_dir)
        layout.make()
        oci = ocicommand.OciCommand(ocicommand.choose(layout.hierarchies), layout.oci_root)
        self._layout = layout
        self._images = image_store
        self._records = Records(layout.containers)
        self._sandboxes = Sandboxes(layout)
        self._bundles = Bundles(layout, image_store, self._sandboxes)
        self._processes = Processes(layout, self._records, oci)
        self._exits = Exits(layout, self._records)
        self._execs = Execs(layout, oci)
        self._execs.end_orphans()

    def close(self) -> None:
        """Stop watching. Containers go on."""
        self._exits.close()

    # --- sandboxes -----------------------------------------------------------------------------------

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        self._exits.watch()
        return await in_thread(self._sandboxes.create, spec)

    async def remove_sandbox(self, pod_uid: str) -> None:
        self._exits.watch()
        for record in self._records.of_pod(pod_uid):
            await self.stop(record.id, 0)
            await self.remove(record.id)
        await in_thread(self._sandboxes.remove, pod_uid)

    async def sandboxes(self) -> Sequence[Sandbox]:
        return self._sandboxes.all()

    # --- containers ----------------------------------------------------------------------------------

    async def create(self, spec: ContainerSpec) -> str:
        """Prepare root, bundle and record. Like containerd's, nothing runs (or fails to) before ``start``."""
        self._exits.watch()
        try:
            image = self._images.get(spec.image)
        except ImageFailure as e:
            raise RuntimeFailure(str(e), "CreateContainerError") from e
        if image is None:
            raise RuntimeFailure(f'image "{spec.image}" not found', "CreateContainerError")
        record = await in_thread(self._bundles.make, spec, image, await self._pid_namespace(spec))
        self._records.add(record)
        return record.id

    async def _pid_namespace(self, spec: ContainerSpec) -> Path | None:
        """That of the container whose processes it is to see, or of the pod; None: one of its own."""
        if not spec.pid_of and not spec.sandbox.share_pid:
            return None
        record = self._running(spec.pid_of or await self._paused(spec.sandbox), "CreateContainerError")
        return Path(f"/proc/{record.pid}/ns/pid")

    async def _paused(self, sandbox: Sandbox) -> str:
        """The ID of the container that holds the pod's PID namespace, made if there is none that runs."""
        for record in [r for r in self._records.of_pod(sandbox.pod_uid) if r.name == pause.NAME]:
            self._exits.refresh(record)
            if record.state == "running":
                return record.id
            await self.remove(record.id)
        log = self._sandboxes.directory(sandbox.pod_uid) / "pause.log"
        identity = await self.create(pause.spec(sandbox, log))
        await self.start(identity)
        return identity

    async def start(self, container_id: str) -> None:
        self._exits.watch()
        record = self._records.require(container_id)
        if record.state != "created":
            return
        try:
            await self._processes.start(record)
        except (RuntimeFailure, OSError) as e:
            await self._processes.discard(record)
            failure = e if isinstance(e, RuntimeFailure) else RuntimeFailure(f"failed to start container: {e}")
            record.reason, record.message, record.exit_code = "StartError", str(failure), 128
            self._exits.finish(record, time.time())
            raise failure from e
        if record.state == "created":  # a program that ended at once may have been seen before this
            record.state, record.started_at = "running", time.time()
            self._records.save(record)
            self._exits.refresh(record)
        self._exits.watch_conmon(record)

    async def stop(self, container_id: str, grace_seconds: float) -> None:
        self._exits.watch()
        record = self._records.get(container_id)
        if record is None:
            return
        self._exits.refresh(record)
        if record.state == "created" and not record.pid:
            record.exit_code = 137
            self._exits.finish(record, time.time())
            return
        if record.state == "exited":
            return
        if grace_seconds > 0:
            kernel.send_signal(record.pid, record.ticks, _number(record.stop_signal))
            if await self._exits.wait(record, grace_seconds):
                return
        kernel.send_signal(record.pid, record.ticks, signal.SIGKILL)
        if await self._exits.wait(record, _KILL_SECONDS):
            return
        await self._processes.discard(record)
        record.exit_code = 137
        self._exits.finish(record, time.time())

    async def remove(self, container_id: str) -> None:
        self._exits.watch()
        record = self._records.get(container_id)
        if record is None:
            return
        self._exits.refresh(record)
        if record.state == "running":
            await self.stop(container_id, 0)
        await self._processes.discard(record)
        directory = self._records.directory(container_id)
        self._records.forget(container_id)
        self._exits.forget(container_id)
        await in_thread(rootfs.discard, directory)

    async def containers(self) -> Sequence[Container]:
        self._exits.watch()
        self._records.save_rest()
        for record in self._records.all():
            self._exits.refresh(record)
        return [r.container() for r in self._records.all() if r.name != pause.NAME]

    async def get(self, container_id: str) -> Container | None:
        self._exits.watch()
        record = self._records.get(container_id)
        if record is None:
            return None
        self._exits.refresh(record)
        return record.container()

    def exits(self) -> AsyncIterator[str]:
        self._exits.watch()
        return self._exits.hints.listen()

    async def wait(self, container_id: str) -> int:
        """The exit code, once there is one."""
        self._exits.watch()
        record = self._records.require(container_id)
        await self._exits.wait(record, None)
        return record.exit_code

    def reopen_logs(self, container_id: str) -> None:
        """After the log file was renamed: conmon opens a new one of the old name."""
        control(self._records.directory(container_id), "2 0 0\n")

    async def stats(self, container_id: str) -> Mapping[str, int]:
        record = self._records.require(container_id)
        cgroup = self._layout.container_cgroup(record.pod_uid, container_id)
        return cgroups.stats(self._layout.hierarchies, cgroup)

    async def disk_usage(self, container_id: str) -> Usage:
        """What the container has written to its root, and to the volumes that its image declares."""
        return await in_thread(rootfs.usage, self._records.directory(container_id))

    # --- exec and attach -----------------------------------------------------------------------------

    async def exec(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        record = self._running(container_id)
        return await self._execs.run(self._records.directory(record.id), command, timeout)

    async def exec_stream(self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool) -> Streams:
        record = self._running(container_id)
        return await self._execs.start(self._records.directory(record.id), command, tty=tty, stdin=stdin)

    async def attach_stream(self, container_id: str) -> Streams:
        record = self._running(container_id)

        async def exit_code() -> int:
            return await self.wait(container_id)

        return AttachStreams(self._records.directory(record.id), record.tty, exit_code)

    def _running(self, container_id: str, reason: str = "RunContainerError") -> Record:
        """RuntimeFailure, of that reason, when it does not run."""
        self._exits.watch()
        record = self._records.require(container_id)
        self._exits.refresh(record)
        if record.state != "running":
            raise RuntimeFailure(f"container {container_id} is not running", reason)
        return record


def _number(name: str) -> int:
    """A stop signal's, by name or in figures; SIGTERM's when it is neither."""
    if name.isascii() and name.isdigit() and len(name) <= 2 and 0 < int(name) <= signal.SIGRTMAX:
        return int(name)
    known = signal.Signals.__members__
    return int(known.get(name) or known.get(f"SIG{name}") or signal.SIGTERM)
