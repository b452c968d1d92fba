"""A container's root: an overlay whose lower layer is the unpacked image, shared by all its containers.

A local image's root also shows the host's /usr, and an image's declared volumes lie on top: each is an overlay of its
own. This process mounts them all, by descriptor, and the OCI runtime only binds them: a path that an image or a user
chose is never part of a mount's options, where it could name other directories of the host.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubette.runtime import beneath, kernel
from kubette.runtime.interface import Mount, Usage

_UPPER, _WORK = "-upper", "-work"


@dataclass(frozen=True, slots=True)
class RootSource:
    """What an image's containers stand on: lower directory, host directories overlaid, files bound."""

    lower: Path
    overlays: tuple[Path, ...] = ()  # host directories shown at their own path, copy on write
    binds: tuple[Mount, ...] = ()  # shown read-only at their own path


def prepare(directory: Path, source: RootSource) -> tuple[Path, list[dict[str, Any]]]:
    """Mount the root at ``directory/root``; returns it and the OCI mounts that complete it."""
    with beneath.directory(source.lower) as lower:
        root = _overlay(directory, "root", lower, mount_source(source.lower))
    extra = []
    for number, host in enumerate(source.overlays):
        with beneath.directory(host) as lower:
            extra.append(_bound(str(host), _overlay(directory, f"host{number}", lower)))
    for bind in source.binds:
        extra.append(_bound(bind.target, bind.source, "ro", "nosuid", "nodev"))
    return root, extra


def volumes(directory: Path, source: RootSource, paths: Iterable[str]) -> list[dict[str, Any]]:
    """OCI mounts for the volumes that the image declares: the container's own, with what the image has there, and
    writable also where its root is not."""
    out = []
    for number, path in enumerate(sorted(paths)):
        name = f"volume{number}"
        with contextlib.ExitStack() as stack:
            try:
                lower = beneath.open_in_root(source.lower, path, os.O_PATH | os.O_DIRECTORY)
            except OSError:  # nothing there, or no directory
                own = _upper(directory, name)
            else:
                stack.callback(os.close, lower)
                there = os.fstat(lower)
                own = _overlay(directory, name, lower)
                os.chown(own, there.st_uid, there.st_gid)
                own.chmod(there.st_mode & 0o7777)
            out.append(_bound(path, own))
    return out


def mount_source(lower: Path) -> str:
    """What the mount table shows as the source of a root over that image: by it, an image is known to be in use."""
    return f"kubette:{lower}"


def usage(directory: Path) -> Usage:
    """What a container has written to its root and to the volumes of its image."""
    return sum((beneath.usage(p) for p in directory.glob(f"*{_UPPER}")), Usage())


def unmount(directory: Path) -> None:
    """Undo the mounts of ``prepare`` and ``volumes``."""
    for work in directory.glob(f"*{_WORK}"):
        kernel.unmount(directory / work.name.removesuffix(_WORK))


def discard(directory: Path) -> None:
    """Delete a container's directory, with its root; what cannot be deleted stays."""
    unmount(directory)
    with contextlib.suppress(OSError):
        beneath.remove_tree(directory)


def _upper(directory: Path, name: str) -> Path:
    upper = directory / (name + _UPPER)
    upper.mkdir()
    upper.chmod(0o755)
    return upper


def _overlay(directory: Path, name: str, lower: int, source: str = "kubette") -> Path:
    """Mount an overlay over the descriptor ``lower`` at ``directory/name``; its other two directories lie beside it."""
    target, work = directory / name, directory / (name + _WORK)
    target.mkdir()
    work.mkdir()
    kernel.mount_overlay(target, lower, _upper(directory, name), work, source)
    return target


def _bound(target: str, source: Path, *options: str) -> dict[str, Any]:
    row = {"destination": target, "type": "bind", "source": str(source)}
    return {**row, "options": ["rbind", "rprivate", *options]}
