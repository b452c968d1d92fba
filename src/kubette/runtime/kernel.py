"""The few system calls that Python has no function for: mounts, namespaces, inotify.

Nothing here knows what a pod is. Every call raises ``OSError`` with the kernel's errno.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
_TMPFS_MAGIC = 0x01021994
CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET = 0x04000000, 0x08000000, 0x40000000
IN_CLOSE_WRITE, IN_MOVED_TO = 0x8, 0x80
IN_NONBLOCK, IN_CLOEXEC = 0o4000, 0o2000000

_NAMESPACES = {"net": CLONE_NEWNET, "ipc": CLONE_NEWIPC, "uts": CLONE_NEWUTS}
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source: str, target: str | Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2). ``data`` is the filesystem's own option string."""
    _check(
        _libc.mount(
            source.encode(),
            os.fsencode(target),
            kind.encode() or None,
            ctypes.c_ulong(flags),
            data.encode() or None,
        ),
        f"mount {kind or source} on {target}",
    )


def unmount(target: str | Path) -> None:
    """Detach whatever is mounted there, as often as it is; nothing mounted there is fine."""
    while _libc.umount2(os.fsencode(target), MNT_DETACH) == 0:
        pass


def keep_off_disk(directory: Path) -> None:
    """Make the directory, for root alone, on a tmpfs: the one that it lies on, else one of its own."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    room = ctypes.create_string_buffer(256)  # struct statfs; f_type is its first word
    _check(_libc.statfs(os.fsencode(directory), room), f"statfs {directory}")
    if struct.unpack_from("l", room)[0] != _TMPFS_MAGIC:
        mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700")


def mounts_below(prefix: Path) -> list[str]:
    """Mount points at or below a path, deepest first."""
    base = str(prefix)
    with open("/proc/self/mountinfo", errors="surrogateescape") as f:
        points = [_unescaped(line.split(" ", 5)[4]) for line in f]
    return [p for p in reversed(points) if p == base or p.startswith(base + "/")]


def _unescaped(field: str) -> str:
    """A field of mountinfo, where blanks and backslashes stand as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), field)


def mount_overlay(target: Path, lower: int, upper: Path, work: Path, source: str) -> None:
    """Mount an overlay over the directory of the descriptor ``lower``. ``source`` is what the mount table shows.

    The options name descriptors, never paths: no colon, comma or backslash in a path can add an option or a layer."""
    with contextlib.ExitStack() as stack:
        fds = [lower]
        for path in (upper, work):
            fds.append(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
            stack.callback(os.close, fds[-1])
        names = ("lowerdir", "upperdir", "workdir")
        data = ",".join(f"{name}=/proc/self/fd/{fd}" for name, fd in zip(names, fds, strict=True))
        mount(source, target, "overlay", 0, data)


def mount_sources(kind: str) -> set[str]:
    """The sources of everything mounted of one filesystem type."""
    out = set()
    with open("/proc/self/mountinfo", errors="surrogateescape") as f:
        for line in f:
            found, source, _ = line.partition(" - ")[2].split(" ", 2)
            if found == kind:
                out.add(_unescaped(source))
    return out


def pin_namespaces(targets: Mapping[str, Path], hostname: str, sysctls: Mapping[str, str] | None = None) -> None:
    """Make new namespaces (keys of ``targets``: net, ipc, uts) and bind each to its file.

    A thread that unshares and ends is all it takes: the bind mounts keep the namespaces, so no pause
    process does. It must be a thread of its own, never one of a pool, which would stay in there.
    """
    failure: list[BaseException] = []

    def work() -> None:
        try:
            flags = 0
            for name in targets:
                flags |= _NAMESPACES[name]
            if flags:
                _check(_libc.unshare(flags), "unshare")
            if "uts" in targets:
                socket.sethostname(hostname)
            if "net" in targets:
                _loopback_up()
            for key, value in (sysctls or {}).items():
                with open("/proc/sys/" + key.replace(".", "/"), "w") as f:
                    f.write(value)
            for name, path in targets.items():
                path.touch()
                mount(f"/proc/thread-self/ns/{name}", path, flags=MS_BIND)
        except BaseException as e:
            failure.append(e)

    thread = threading.Thread(target=work, name="pin-namespaces")
    thread.start()
    thread.join()
    if failure:
        for path in targets.values():
            unmount(path)
        raise failure[0]


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS UP|RUNNING


def inotify(directory: Path, mask: int) -> int:
    """A non-blocking inotify descriptor that watches one directory."""
    fd = _check(_libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC), "inotify_init1")
    try:
        _check(_libc.inotify_add_watch(fd, os.fsencode(directory), mask), f"watch {directory}")
    except OSError:
        os.close(fd)
        raise
    return fd


def inotify_names(fd: int) -> Iterator[str]:
    """Names that the pending events of an inotify descriptor are about."""
    while True:
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            (size,) = struct.unpack_from("I", data, at + 12)
            yield data[at + 16 : at + 16 + size].rstrip(b"\0").decode(errors="replace")
            at += 16 + size


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot: with the pid, its identity. 0: no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


def send_signal(pid: int, ticks: int, number: int) -> None:
    """To the process that started at that time (``start_ticks``), if it still lives."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if start_ticks(pid) == ticks:
            signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


def set_oom_score_adj(score: int, pid: int | str = "self") -> None:
    """How likely the kernel is to kill a process when memory runs out, -1000 (never) to 1000. Children inherit it.

    A lower score needs CAP_SYS_RESOURCE. A process without it, or one that has just ended, is left as it is."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(score))


def kill_tree(pid: int) -> None:
    """SIGKILL to a process and its descendants; those that it has let go of (daemons) live on."""
    family, known = [pid], {pid}
    for parent in family:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                family += [c for c in map(int, task.read_text().split()) if c not in known]
                known.update(family)
    for member in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def which(name: str) -> str | None:
    """A program's path; the sbin directories count although a user's PATH may lack them."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin")
