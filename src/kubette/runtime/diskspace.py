"""How full the filesystem may become by an image: a compressed archive of a megabyte can unpack to terabytes."""

from __future__ import annotations

import os
from pathlib import Path

from kubette.runtime.interface import ImageFailure

_SHARE, _MOST = 20, 1 << 30  # one part in twenty, and no more than this many bytes, stay free


def reserve(size: int) -> int:
    """Bytes that images leave free on a filesystem of ``size`` bytes."""
    return min(size // _SHARE, _MOST)


def require_reserve(path: Path) -> None:
    """ImageFailure when the filesystem of ``path`` has less than its reserve left."""
    disk = os.statvfs(path)
    kept = reserve(disk.f_blocks * disk.f_frsize)
    if disk.f_bavail * disk.f_frsize < kept:
        raise ImageFailure(f"no space left on the disk for the image: less than {kept >> 20} MiB would stay free")
