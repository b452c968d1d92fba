"""Files below directories that containers write to, opened so that no link leads out of them.

Root must not follow a path there: a container can replace any part of it with a symbolic link between two of root's
system calls (CVE-2021-25741). Every function here resolves by openat2(2) below a root directory and returns or uses a
descriptor, which stays the same file whatever happens to its name.

    OSError
    ├── FileNotFoundError, NotADirectoryError, …    as from open(2)
    └── UnsafePath                                  a link, a mount or ".." leads out of the root, or names change
                                                    faster than they resolve
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from kubette.runtime import kernel
from kubette.runtime.interface import UNMEASURABLE, Usage

_OPENAT2 = 437  # on every architecture
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH, _IN_ROOT = 0x01, 0x02, 0x04, 0x08, 0x10
_CLOSED = _BENEATH | _NO_SYMLINKS | _NO_XDEV  # one filesystem, one mount, no links
_ATTEMPTS = 128
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_libc = ctypes.CDLL(None, use_errno=True)


class UnsafePath(OSError):
    """The path leaves its root directory."""


def _openat2(root: int, name: str, flags: int, resolve: int, mode: int = 0) -> int:
    if "\0" in name:
        raise OSError(errno.EINVAL, "the path holds a NUL character", name)
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve)
    number = errno.EAGAIN
    for _ in range(_ATTEMPTS):  # EAGAIN: something was renamed while ".." was resolved
        fd: int = _libc.syscall(_OPENAT2, root, os.fsencode(name), how, ctypes.c_size_t(len(how)))
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            break
    if number in (errno.EXDEV, errno.ELOOP, errno.EAGAIN):
        raise UnsafePath(number, f"{name}: the path leads out of its directory")
    raise OSError(number, os.strerror(number), name)


@contextlib.contextmanager
def directory(path: Path) -> Iterator[int]:
    """A descriptor of a root directory, for the functions below. ``path`` itself is trusted."""
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def open_beneath(root: int, name: str, flags: int, mode: int = 0) -> int:
    """open(2) of a relative path. A symbolic link is followed if it stays below the root; UnsafePath if it does not."""
    return _openat2(root, name, flags, _BENEATH | _NO_MAGICLINKS, mode)


def open_in_root(root: Path, name: str, flags: int) -> int:
    """open(2) as if ``root`` were ``/``: an absolute link starts there, and ``..`` ends there."""
    with directory(root) as fd:
        return _openat2(fd, name, flags, _IN_ROOT | _NO_MAGICLINKS)


def make_directories(root: int, name: str, mode: int) -> int:
    """Open a relative path (O_PATH) and make the directories that are missing, each with exactly ``mode``.

    What exists may also be a file."""
    try:
        return open_beneath(root, name, os.O_PATH)
    except FileNotFoundError:
        pass
    parts = Path(name).parts
    for depth, part in enumerate(parts):
        below = "/".join(parts[: depth + 1])
        try:
            os.close(open_beneath(root, below, os.O_PATH))
            continue
        except FileNotFoundError:
            pass
        parent = open_beneath(root, "/".join(parts[:depth]) or ".", os.O_PATH | os.O_DIRECTORY)
        try:
            os.mkdir(part, 0o700, dir_fd=parent)  # one name, which mkdir(2) does not follow
            made = _openat2(parent, part, _DIRECTORY, _CLOSED)
            try:
                os.fchmod(made, mode)
            finally:
                os.close(made)
        except FileExistsError:  # made meanwhile by somebody else, or a link that leads nowhere
            pass
        finally:
            os.close(parent)
    return open_beneath(root, name, os.O_PATH)


def path_of(fd: int) -> str:
    """A path of this process that is the descriptor's file, for system calls that take no descriptor."""
    return f"/proc/self/fd/{fd}"


def bind(fd: int, target: Path) -> None:
    """Mount the descriptor's file or directory at ``target``, which is made; in the place of an earlier mount there."""
    kernel.unmount(target)
    with contextlib.suppress(FileNotFoundError):
        target.rmdir() if target.is_dir() else target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        target.mkdir(mode=0o750)
    else:
        target.touch(0o640)
    kernel.mount(path_of(fd), target, flags=kernel.MS_BIND)


def usage(path: Path) -> Usage:
    """Disk space below a directory, or of a file; a file with several names counts once. A missing one has none.

    Links and mounts are not followed. UNMEASURABLE where directories lie deeper than a path can name."""
    try:
        root = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return Usage()
    try:
        top = os.fstat(root)
        total, inodes, linked = top.st_blocks, 1, set[int]()
        pending = ["."] if stat.S_ISDIR(top.st_mode) else []
        while pending:
            name = pending.pop()
            try:
                fd = _openat2(root, name, _DIRECTORY, _CLOSED)
            except (FileNotFoundError, NotADirectoryError):  # gone meanwhile
                continue
            except UnsafePath:  # a link or a mount by now
                continue
            except OSError as error:
                if error.errno == errno.ENAMETOOLONG:
                    return UNMEASURABLE
                raise
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        try:
                            found = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue
                        if stat.S_ISDIR(found.st_mode):
                            pending.append(f"{name}/{entry.name}")
                        elif found.st_nlink > 1:
                            if found.st_ino in linked:
                                continue
                            linked.add(found.st_ino)
                        total += found.st_blocks
                        inodes += 1
            finally:
                os.close(fd)
        return Usage(total * 512, inodes)
    finally:
        os.close(root)


def remove_tree(path: Path) -> None:
    """Delete a directory with all that is in it, however deep. Mounts are not entered.

    Deletes as much as it can; then OSError names one thing that could not be deleted. A missing directory is fine."""
    try:
        root = os.open(path, _DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        failed: OSError | None = None
        progress = True
        while progress:
            progress, failed = _empty_once(root)
        if failed is not None:
            raise failed
    finally:
        os.close(root)
    with contextlib.suppress(FileNotFoundError):
        path.rmdir()


def _empty_once(root: int) -> tuple[bool, OSError | None]:
    """Delete the files in a directory. Move what its directories hold up to it, so that depth costs no descriptors.

    Returns whether anything was deleted or moved, and a failure."""
    progress, failed = False, None
    with os.scandir(root) as entries:
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    moved, failure = _raise_children(root, entry.name)
                    progress, failed = progress or moved, failure or failed
                    if failure is not None:
                        continue
                    os.rmdir(entry.name, dir_fd=root)
                else:
                    os.unlink(entry.name, dir_fd=root)
                progress = True
            except FileNotFoundError:
                continue
            except OSError as error:
                failed = error
    return progress, failed


def _raise_children(root: int, name: str) -> tuple[bool, OSError | None]:
    """Delete the files of one directory and move its directories to ``root``."""
    progress, failed = False, None
    child = _openat2(root, name, _DIRECTORY, _CLOSED)
    try:
        with os.scandir(child) as entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        _drop_directory(child, entry.name, root)
                    else:
                        os.unlink(entry.name, dir_fd=child)
                    progress = True
                except FileNotFoundError:
                    continue
                except OSError as error:
                    failed = error
    finally:
        os.close(child)
    return progress, failed


def _drop_directory(parent: int, name: str, root: int) -> None:
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        os.rename(name, secrets.token_hex(16), src_dir_fd=parent, dst_dir_fd=root)
