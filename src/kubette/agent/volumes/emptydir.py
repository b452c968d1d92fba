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
    at = path(context, volume["name"])
    medium = source.get("medium") or ""
    if medium not in ("", "Memory"):
        raise VolumeError(f'unsupported medium "{medium}" of emptyDir')
    await asyncio.to_thread(_make, at, medium == "Memory", str(source.get("sizeLimit") or "0"), context.fs_group)
    return VolumeAt(at)


def path(context: Context, name: str) -> Path:
    """Where the volume lies on the node."""
    return context.directory("empty-dir", name)


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
