"""The host's devices as an OCI configuration lists them: what a privileged container finds in its /dev.

Source: containerd's ``oci.HostDevices``, which leaves out the same directories.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_NOT_DEVICES = frozenset({"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console", "ptmx"})


def of_host(directory: Path = Path("/dev")) -> list[dict[str, Any]]:
    """``linux.devices``: every character and block device below ``directory``."""
    return list(_below(directory))


def _below(directory: Path) -> Iterator[dict[str, Any]]:
    try:
        entries = sorted(os.scandir(directory), key=lambda e: e.name)
    except OSError:  # unplugged meanwhile
        return
    for entry in entries:
        if entry.name in _NOT_DEVICES or entry.is_symlink():
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path))
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        kind = "c" if stat.S_ISCHR(found.st_mode) else "b" if stat.S_ISBLK(found.st_mode) else ""
        if kind:
            yield {
                "path": entry.path, "type": kind, "major": os.major(found.st_rdev), "minor": os.minor(found.st_rdev),
                "fileMode": found.st_mode & 0o7777, "uid": found.st_uid, "gid": found.st_gid,
            }  # fmt: skip
