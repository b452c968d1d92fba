"""Control groups of pods, on cgroup v1, hybrid and v2 machines alike.

A group is named by its path below the hierarchies' roots (``kubette-N/NODE/pod<uid>/<container>``).
The OCI runtime sets limits; this module makes, reads, kills and removes groups, also those that a
crash left behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Where the hierarchies are mounted. ``v1``: controller (or name=…) → mount point."""

    v1: dict[str, Path]
    unified: Path | None

    @property
    def is_v2(self) -> bool:
        """Controllers live in the unified hierarchy only (false on v1 and hybrid)."""
        return not self.v1

    def roots(self) -> list[Path]:
        return list(dict.fromkeys(self.v1.values())) + ([self.unified] if self.unified else [])


def hierarchies() -> Hierarchies:
    """What this machine has mounted."""
    v1: dict[str, Path] = {}
    unified: Path | None = None
    with open("/proc/self/mountinfo") as f:
        for line in f:
            left, _, right = line.partition(" - ")
            kind, _, options = right.split(" ", 2)
            point = Path(left.split(" ")[4])
            if kind == "cgroup2" and unified is None:
                unified = point
            elif kind == "cgroup":
                for option in options.strip().split(","):
                    if option.startswith("name=") or (point.parent / option).exists():
                        v1.setdefault(option, point)
    return Hierarchies(v1, unified)


def create(h: Hierarchies, path: str) -> None:
    """Make a group in every hierarchy, able to hold processes and limits.

    Each level is completed also where its directory exists: another thread may be in the middle of making it, and a
    killed agent may have left it half made."""
    for root in h.roots():
        at = root
        for part in Path(path).parts:
            parent, at = at, at / part
            at.mkdir(exist_ok=True)
            if root == h.v1.get("cpuset"):
                _inherit_cpuset(parent, at)
            if h.is_v2:
                _delegate(parent)


def _inherit_cpuset(parent: Path, group: Path) -> None:
    """A cpuset group without CPUs or memory nodes takes no process (ENOSPC): it starts with those of its parent."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (group / name).read_text().strip():
            (group / name).write_text((parent / name).read_text())


def _delegate(group: Path) -> None:
    """Hand every controller that ``group`` has on to the groups below it."""
    given = set((group / "cgroup.subtree_control").read_text().split())
    for name in set((group / "cgroup.controllers").read_text().split()) - given:
        try:
            (group / "cgroup.subtree_control").write_text(f"+{name}")
        except OSError:
            continue  # a controller the parent cannot hand on (processes inside, no permission): do without


def limit_processes(h: Hierarchies, path: str, number: int) -> None:
    """How many processes and threads the group may have, with those below it. Without the pids controller: any."""
    root = h.unified if h.is_v2 else h.v1.get("pids")
    if root is None:
        return
    with contextlib.suppress(FileNotFoundError):
        (root / path / "pids.max").write_text(str(number))


def enter(h: Hierarchies, path: str, pid: int) -> None:
    """Move a process into a group, in every hierarchy that has the group."""
    for root in h.roots():
        try:
            (root / path / "cgroup.procs").write_text(str(pid))
        except FileNotFoundError:
            continue


def processes(h: Hierarchies, path: str) -> set[int]:
    """Processes in a group and the groups below."""
    out: set[int] = set()
    for root in h.roots():
        for group in _tree(root / path):
            try:
                out.update(int(p) for p in (group / "cgroup.procs").read_text().split())
            except OSError:
                continue
    out.discard(0)
    return out


def _tree(top: Path) -> Iterator[Path]:
    """Groups at and below ``top``, deepest first."""
    for directory, _, _ in os.walk(top, topdown=False):
        yield Path(directory)


def kill(h: Hierarchies, path: str, deadline: float = 5.0) -> bool:
    """SIGKILL everything in a group until nothing is left. Blocks; True when it is empty."""
    end = time.monotonic() + deadline
    while pids := processes(h, path) - {os.getpid()}:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def remove(h: Hierarchies, path: str) -> None:
    """Remove a group and those below; one that still holds processes stays."""
    for root in h.roots():
        for group in _tree(root / path):
            try:
                group.rmdir()
            except OSError:
                continue


def oom_kills(h: Hierarchies, path: str) -> int:
    """How often the kernel killed for memory in that group."""
    file = h.unified / path / "memory.events" if h.is_v2 and h.unified else None
    if "memory" in h.v1:
        file = h.v1["memory"] / path / "memory.oom_control"
    return _field(file, "oom_kill") if file else 0


def stats(h: Hierarchies, path: str) -> dict[str, int]:
    """cpu_usage_ns, memory_bytes, memory_working_set_bytes, pids; what the kernel lacks is 0."""
    if h.is_v2 and h.unified:
        base = h.unified / path
        cpu = _field(base / "cpu.stat", "usage_usec") * 1000
        memory = _number(base / "memory.current")
        inactive = _field(base / "memory.stat", "inactive_file")
        pids = _number(base / "pids.current")
    else:
        nowhere = Path("/nonexistent")
        cpu = _number(h.v1.get("cpuacct", nowhere) / path / "cpuacct.usage")
        memory = _number(h.v1.get("memory", nowhere) / path / "memory.usage_in_bytes")
        inactive = _field(h.v1.get("memory", nowhere) / path / "memory.stat", "total_inactive_file")
        pids = _number(h.v1.get("pids", nowhere) / path / "pids.current")
    return {
        "cpu_usage_ns": cpu,
        "memory_bytes": memory,
        "memory_working_set_bytes": max(memory - inactive, 0),
        "pids": pids,
    }


def _number(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


def _field(file: Path, name: str) -> int:
    try:
        for line in file.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    except (OSError, ValueError):
        pass
    return 0
