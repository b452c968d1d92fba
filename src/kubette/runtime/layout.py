"""Where one node's runtime keeps things, on disk and among the cgroups. Names only, of which truth is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubette.runtime.cgroups import Hierarchies


def pod_netns(run_dir: Path, pod_uid: str) -> Path:
    """The file that pins the network namespace of a pod; ``run_dir``: the node's."""
    return run_dir / "sandboxes" / pod_uid / "net"


@dataclass(frozen=True, slots=True)
class Layout:
    """``data_dir`` outlives reboots, ``run_dir`` need not; ``cgroup``: the node's, below the hierarchies' roots."""

    hierarchies: Hierarchies
    cgroup: str
    data_dir: Path
    run_dir: Path

    @property
    def containers(self) -> Path:
        """A directory each: record and OCI bundle."""
        return self.data_dir / "containers"

    @property
    def exits(self) -> Path:
        """A file for each container that has ended, written by conmon: its exit code."""
        return self.data_dir / "exits"

    @property
    def sandboxes(self) -> Path:
        """A directory for each pod: namespaces, /dev/shm."""
        return self.run_dir / "sandboxes"

    @property
    def execs(self) -> Path:
        return self.run_dir / "exec"

    @property
    def oci_root(self) -> Path:
        """The OCI runtime's own state."""
        return self.run_dir / "oci"

    def make(self) -> None:
        """Make the directories. No user of the machine gets below them: containers' files may be setuid programs."""
        for top in (self.data_dir, self.run_dir):
            top.mkdir(parents=True, exist_ok=True)
            top.chmod(0o700)
        for directory in (self.containers, self.exits, self.sandboxes, self.execs, self.oci_root):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def pod_cgroup(self, pod_uid: str) -> str:
        return f"{self.cgroup}/pod{pod_uid}"

    def conmon_cgroup(self, pod_uid: str) -> str:
        """Of the processes that hold the output of the pod's containers."""
        return f"{self.pod_cgroup(pod_uid)}/_conmon"

    def container_cgroup(self, pod_uid: str, container_id: str) -> str:
        return f"{self.pod_cgroup(pod_uid)}/{container_id}"
