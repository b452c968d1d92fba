"""``emptyDir``: a directory that lives as long as the pod; with ``medium: Memory``, a tmpfs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from kubette.agent.volumes.base import Context, VolumeAt, VolumeError
from kubette.api import quantity
from kubette.runtime import kernel

Obj = dict[str, Any]


async def setup(context: Context, volume: Obj) -> VolumeAt:
    source = volume["emptyDir"] or {}
    path = context.directory("empty-dir", volume["name"])
    medium = source.get("medium") or ""
    if medium not in ("", "Memory"):
        raise VolumeError(f'unsupported medium "{medium}" of emptyDir')
    await asyncio.to_thread(_make, path, medium == "Memory", str(source.get("sizeLimit") or "0"), context.fs_group)
    return VolumeAt(path)


def limits(pod: Obj) -> dict[str, int]:
    """Volume name → bytes, of those on disk that have a limit. A tmpfs keeps to its own."""
    out = {}
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        source = volume.get("emptyDir") or {}
        if source.get("sizeLimit") and not source.get("medium") and (size := quantity.to_int(str(source["sizeLimit"]))):
            out[volume["name"]] = size
    return out


def over_limit(context: Context) -> str:
    """What the eviction says of the first volume that holds more than it may; empty when none does."""
    for name, limit in limits(context.pod).items():
        if used(context.directory("empty-dir", name)) > limit:
            volumes = context.pod["spec"]["volumes"]
            text = next(v["emptyDir"]["sizeLimit"] for v in volumes if v["name"] == name)
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{text}". '
    return ""


def used(path: Path) -> int:
    """Bytes on disk below a directory; what is linked twice counts once."""
    sizes: dict[tuple[int, int], int] = {}
    for directory, folders, files in os.walk(path):
        for name in (*folders, *files):
            try:
                found = os.lstat(os.path.join(directory, name))
            except FileNotFoundError:  # removed meanwhile
                continue
            sizes[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(sizes.values())


def _make(path: Path, memory: bool, limit: str, group: int | None) -> None:
    fresh = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    if memory and not path.is_mount():
        size = quantity.to_int(limit)
        options = "mode=1777" + (f",size={size}" if size else "")
        kernel.mount("tmpfs", path, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)
        fresh = True
    if fresh:
        path.chmod(0o777)
        if group is not None:
            os.chown(path, -1, group)
            path.chmod(0o2777)
