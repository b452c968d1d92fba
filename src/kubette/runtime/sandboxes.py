"""Pod sandboxes: pinned namespaces, a tmpfs for /dev/shm and a cgroup. Nothing runs for one.

Each is a directory, and truth is in it: where the tmpfs is not mounted any more, there is no sandbox.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import orjson

from kubette.runtime import beneath, cgroups, kernel, records
from kubette.runtime.interface import RuntimeFailure, Sandbox, SandboxSpec
from kubette.runtime.layout import Layout

_SHM_SIZE = 64 << 20


class Sandboxes:
    """Those of one node, by the pod's UID."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def directory(self, pod_uid: str) -> Path:
        return self._layout.sandboxes / pod_uid

    def shm(self, sandbox: Sandbox) -> Path:
        """What the pod's containers see at /dev/shm."""
        return Path("/dev/shm") if sandbox.ipcns is None else self.directory(sandbox.pod_uid) / "shm"

    def hostname(self, pod_uid: str) -> str:
        try:
            return (self.directory(pod_uid) / "hostname").read_text()
        except OSError:
            return os.uname().nodename

    def create(self, spec: SandboxSpec) -> Sandbox:
        """The sandbox of that pod, made if there is none. RuntimeFailure when the kernel refuses. Blocks."""
        directory = self.directory(spec.pod_uid)
        if existing := _load(directory):
            return existing
        _discard(directory)
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
            h, cgroup = self._layout.hierarchies, self._layout.pod_cgroup(spec.pod_uid)
            cgroups.create(h, self._layout.conmon_cgroup(spec.pod_uid))
            if spec.pids_limit is not None:
                cgroups.limit_processes(h, cgroup, spec.pids_limit)
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
            _discard(directory)
            raise RuntimeFailure(f"failed to create pod sandbox: {e}", "CreatePodSandboxError") from e
        sandbox = _load(directory)
        assert sandbox is not None
        return sandbox

    def remove(self, pod_uid: str) -> None:
        """Remove the sandbox, and kill whatever still runs in its cgroup. Blocks."""
        h, cgroup = self._layout.hierarchies, self._layout.pod_cgroup(pod_uid)
        cgroups.kill(h, cgroup)
        cgroups.remove(h, cgroup)
        _discard(self.directory(pod_uid))

    def all(self) -> list[Sandbox]:
        found = (_load(d) for d in self._layout.sandboxes.iterdir())
        return [s for s in found if s is not None]


def _load(directory: Path) -> Sandbox | None:
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


def _discard(directory: Path) -> None:
    (directory / "sandbox.json").unlink(missing_ok=True)
    for name in ("net", "ipc", "uts", "shm"):
        if (directory / name).exists():
            kernel.unmount(directory / name)
    with contextlib.suppress(OSError):
        beneath.remove_tree(directory)
