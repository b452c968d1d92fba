"""What an earlier agent left that the API knows nothing of: containers are stopped, directories removed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from kubette.agent import container_spec, sandbox, volumes
from kubette.agent.shared import Shared
from kubette.runtime import kernel
from kubette.runtime.interface import Container

log = logging.getLogger(__name__)


def by_pod(containers: Sequence[Container]) -> dict[str, list[Container]]:
    out: dict[str, list[Container]] = {}
    for c in containers:
        out.setdefault(c.pod_uid, []).append(c)
    return out


async def remove(shared: Shared, uid: str, containers: Sequence[Container]) -> None:
    """End one pod that is no more, with the grace in its containers' labels."""
    log.info("pod %s is not in the API any more: removing it", uid)

    def grace(c: Container) -> float:
        text = c.labels.get(container_spec.LABEL_GRACE, "30")
        return float(text) if text.isdigit() else 30.0

    await asyncio.gather(*(shared.runtime.stop(c.id, max(1.0, grace(c))) for c in containers), return_exceptions=True)
    for c in containers:
        await shared.runtime.remove(c.id)
    await sandbox.remove_sandbox(shared, uid)


@dataclass(frozen=True, slots=True)
class Found:
    """Left-overs, as they were before any pod was set up: what is found later belongs to the living."""

    pods: Mapping[str, Sequence[Container]]  # UID → containers
    directories: Sequence[Path]


async def find(shared: Shared, known: Set[str], containers: Mapping[str, Sequence[Container]]) -> Found:
    """All pods and directories of pods whose UID is not ``known``."""
    config = shared.config
    uids = {s.pod_uid for s in await shared.runtime.sandboxes()} | containers.keys()
    parents = (config.pod_dir("x").parent, config.pods_run_dir)
    stale = [path for parent in parents for path in _entries(parent) if path.name not in known]
    stale += [path for path in _entries(config.logs_dir) if path.name.rpartition("_")[2] not in known]
    return Found({uid: containers.get(uid, ()) for uid in uids - known}, stale)


async def sweep(shared: Shared, found: Found) -> None:
    """Remove what was found."""
    results = await asyncio.gather(
        *(remove(shared, uid, containers) for uid, containers in found.pods.items()), return_exceptions=True
    )
    for result in results:
        if isinstance(result, Exception):
            log.warning("removing a left-over pod: %s", result)

    def directories() -> None:
        for path in found.directories:
            for mounted in kernel.mounts_below(path):
                kernel.unmount(mounted)
            volumes.remove_tree(path)

    await asyncio.to_thread(directories)


def _entries(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []
