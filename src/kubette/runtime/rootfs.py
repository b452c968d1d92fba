"""A container's root: an overlay whose lower layer is the unpacked image, shared by all its containers.

A local image's root also shows the host's /usr, as an overlay of its own, mounted by the OCI runtime
inside the container's mount namespace (a read-only bind would break volumes mounted below /usr).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubette.runtime import kernel
from kubette.runtime.interface import Mount


@dataclass(frozen=True, slots=True)
class RootSource:
    """What an image's containers stand on: lower directory, host directories overlaid, files bound."""

    lower: Path
    overlays: tuple[Path, ...] = ()  # host directories shown at their own path, copy on write
    binds: tuple[Mount, ...] = ()  # shown read-only at their own path


def prepare(directory: Path, source: RootSource) -> tuple[Path, list[dict[str, Any]]]:
    """Mount the root at ``directory/root``; returns it and the OCI mounts that complete it."""
    root = directory / "root"
    upper, work = directory / "upper", directory / "work"
    for path in (root, upper, work):
        path.mkdir()
    upper.chmod(0o755)
    kernel.mount("overlay", root, "overlay", 0, f"lowerdir={source.lower},upperdir={upper},workdir={work}")
    extra: list[dict[str, Any]] = []
    for number, host in enumerate(source.overlays):
        over, over_work = directory / f"upper{number}", directory / f"work{number}"
        over.mkdir()
        over.chmod(0o755)
        over_work.mkdir()
        options = [f"lowerdir={host}", f"upperdir={over}", f"workdir={over_work}"]
        extra.append({"destination": str(host), "type": "overlay", "source": "overlay", "options": options})
    for bind in source.binds:
        extra.append(
            {"destination": bind.target, "type": "bind", "source": str(bind.source),
             "options": ["rbind", "rprivate", "ro", "nosuid", "nodev"]}
        )  # fmt: skip
    return root, extra


def volumes(directory: Path, source: RootSource, paths: Iterable[str]) -> list[dict[str, Any]]:
    """OCI mounts for the volumes that the image declares: the container's own, with what the image has there, and
    writable also where its root is not."""
    out: list[dict[str, Any]] = []
    for number, path in enumerate(sorted(paths)):
        own, work = directory / f"volume{number}", directory / f"volume-work{number}"
        own.mkdir()
        own.chmod(0o755)
        row = {"destination": path, "type": "bind", "source": str(own), "options": ["rbind", "rprivate", "rw"]}
        work.mkdir()
        try:
            found = kernel.open_in_root(source.lower, path, os.O_PATH | os.O_DIRECTORY)
        except OSError:  # nothing there, or no directory
            out.append(row)
            continue
        try:
            there = os.fstat(found)
            os.chown(own, there.st_uid, there.st_gid)
            own.chmod(there.st_mode & 0o7777)
            inside = os.readlink(f"/proc/self/fd/{found}")  # no link of the image's is left in it
        finally:
            os.close(found)
        options = [f"lowerdir={inside}", f"upperdir={own}", f"workdir={work}"]
        out.append({"destination": path, "type": "overlay", "source": "overlay", "options": options})
    return out


def unmount(directory: Path) -> None:
    """Undo ``prepare``'s mount."""
    if (directory / "root").is_dir():
        kernel.unmount(directory / "root")


def discard(directory: Path) -> None:
    """A container's directory goes, with its root; what cannot be deleted stays."""
    unmount(directory)
    shutil.rmtree(directory, ignore_errors=True)
