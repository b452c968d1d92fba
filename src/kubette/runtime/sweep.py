"""Removes what a node or cluster left in the kernel, whatever state its processes died in.

Works from names and paths only, so that it needs no agent, no record and no cooperation: everything below
the cgroup is killed, everything mounted below the directories is unmounted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kubette.runtime import cgroups, kernel


def sweep(cgroup: str, directories: Sequence[Path]) -> list[int]:
    """``cgroup``: ``kubette-N`` or ``kubette-N/NODE``. Idempotent. Returns pids that would not die.

    Files stay: they are the caller's to delete, now that nothing is mounted there.
    """
    h = cgroups.hierarchies()
    cgroups.kill(h, cgroup)
    cgroups.remove(h, cgroup)
    for directory in directories:
        for point in kernel.mounts_below(directory):
            kernel.unmount(point)
    return sorted(cgroups.processes(h, cgroup))
