"""Directories for work in progress, in a place that several processes share, and locks between them.

A directory belongs to whoever holds its lock. The kernel releases that when a process dies, however it does, so
what a killed process left is known for what it is, and the next one that comes to work removes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from kubette.runtime import beneath
from kubette.runtime.threads import in_thread

_POLL_SECONDS = 0.05


@contextlib.contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Hold the lock file; for what takes no time."""
    with open(file, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.asynccontextmanager
async def alone(file: Path) -> AsyncIterator[None]:
    """Hold a lock of that name, of one use: the file is there only while somebody holds it, or waits."""
    while True:
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _take(fd) and _is(fd, file):
                break
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        await asyncio.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(fd)


@contextlib.asynccontextmanager
async def work_in(directory: Path, lock: Path) -> AsyncIterator[Path]:
    """A new directory below ``directory``, which goes when this is over, or with the next one if this is killed."""
    with exclusive(lock):
        abandoned = _abandoned(directory)
        made = Path(tempfile.mkdtemp(dir=directory))
        fd = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        for old in abandoned:
            await in_thread(_remove, old)
        yield made
    finally:
        await in_thread(_remove, made)
        os.close(fd)


def _remove(directory: Path) -> None:
    """What cannot be deleted stays for the next one that comes to work."""
    with contextlib.suppress(OSError):
        beneath.remove_tree(directory)


def _abandoned(directory: Path) -> list[Path]:
    """Directories there that no living process holds."""
    out = []
    for entry in directory.iterdir():
        with contextlib.suppress(OSError):
            fd = os.open(entry, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            if _take(fd):
                out.append(entry)
            os.close(fd)
    return out


def _take(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(fd: int, file: Path) -> bool:
    try:
        return os.fstat(fd).st_ino == file.stat().st_ino
    except FileNotFoundError:
        return False
