"""Whether the node runs short of memory, disk or processes: what its pressure conditions are made from.

``observe`` reads the kernel; the rest is pure. Pods are refused under pressure (``admission``); none is evicted for it.
Source: the kubelet's ``eviction`` package and
https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

#: What is observed → the Node's condition.
SIGNALS = {
    "memory.available": "MemoryPressure",
    "nodefs.available": "DiskPressure",
    "nodefs.inodesFree": "DiskPressure",
    "pid.available": "PIDPressure",
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """The node runs short when less than this is left: a share of the capacity, a quantity, or the smaller of both."""

    signal: str
    share: float = 1.0
    quantity: int | None = None

    def amount(self, capacity: int) -> int:
        part = int(capacity * self.share)
        return part if self.quantity is None else min(part, self.quantity)


#: The kubelet's ``evictionHard``, but for two. A node shares its disk with all else on the machine: a tenth of a large
#: disk is no shortage, so 2 GiB are enough. A shortage of processes, for which a kubelet has no default, is reported.
THRESHOLDS = (
    Threshold("memory.available", quantity=100 << 20),
    Threshold("nodefs.available", 0.10, 2 << 30),
    Threshold("nodefs.inodesFree", 0.05),
    Threshold("pid.available", 0.01),
)


@dataclass(frozen=True, slots=True)
class Observation:
    """Bytes, inodes or processes."""

    available: int
    capacity: int


def short(seen: Mapping[str, Observation], thresholds: Iterable[Threshold]) -> frozenset[str]:
    """The conditions of which a threshold is met. A signal that was not observed meets none."""
    return frozenset(
        SIGNALS[t.signal]
        for t in thresholds
        if (found := seen.get(t.signal)) is not None and found.available < t.amount(found.capacity)
    )


def last_met(before: Mapping[str, float], met: Iterable[str], now: float, period: float) -> dict[str, float]:
    """The conditions that hold → when a threshold of theirs was last met. Each holds for ``period`` seconds longer, so
    that it does not come and go."""
    return {**{kind: at for kind, at in before.items() if now - at < period}, **dict.fromkeys(met, now)}


def observe(disk: Path, proc: Path = Path("/proc")) -> dict[str, Observation]:
    """What the machine has left; what the kernel does not say is left out. ``disk``: a path on the node's. Blocks."""
    out = {}
    with contextlib.suppress(OSError):
        found = os.statvfs(disk)
        size = found.f_frsize
        out["nodefs.available"] = Observation(found.f_bavail * size, found.f_blocks * size)
        out["nodefs.inodesFree"] = Observation(found.f_favail, found.f_files)
    with contextlib.suppress(OSError, KeyError, ValueError, IndexError):
        lines = (line.split() for line in (proc / "meminfo").read_text().splitlines())
        memory = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}
        out["memory.available"] = Observation(memory["MemAvailable"], memory["MemTotal"])
    with contextlib.suppress(OSError, ValueError, IndexError):
        most = min(int((proc / "sys/kernel" / name).read_text()) for name in ("pid_max", "threads-max"))
        running = int((proc / "loadavg").read_text().split()[3].partition("/")[2])
        out["pid.available"] = Observation(max(0, most - running), most)
    return out
