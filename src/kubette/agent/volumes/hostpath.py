"""``hostPath``: a path of the node's, of the type asked for."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

from kubette.agent.volumes.base import Context, VolumeAt, VolumeError

Obj = dict[str, Any]

_TYPES = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


async def setup(context: Context, volume: Obj) -> VolumeAt:
    return await asyncio.to_thread(at, Path(volume["hostPath"]["path"]), volume["hostPath"].get("type") or "")


def at(path: Path, kind: str) -> VolumeAt:
    """VolumeError when the path is not of that kind. Without a kind, a missing one is made a directory."""
    if ".." in path.parts:
        raise VolumeError(f"hostPath {path} must not contain '..'")
    try:
        if kind in ("", "DirectoryOrCreate") and not path.exists():
            path.mkdir(parents=True, mode=0o755)
        if kind == "FileOrCreate" and not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        if not kind:
            return VolumeAt(path)
        holds, words = _TYPES[kind]
        if not path.exists() or not holds(path.stat().st_mode):
            raise VolumeError(f"hostPath type check failed: {path} is not {words}")
    except KeyError as error:
        raise VolumeError(f"{kind} is an invalid volume type") from error
    except OSError as error:
        raise VolumeError(f"hostPath {path}: {error.strerror}") from error
    return VolumeAt(path)
