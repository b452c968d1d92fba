"""Finding and ending the processes of a cluster, also those that nobody looks after any more.

A pid alone proves nothing: files carry the start time beside it (proc(5), field 22). Whatever runs in one of
the cluster's network namespaces is the cluster's, whoever started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from kubette.runtime.kernel import start_ticks


def record(file: Path, pid: int | None = None) -> None:
    """Write ``PID START`` of a process (this one) to ``file``."""
    pid = pid or os.getpid()
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".new")
    temporary.write_text(f"{pid} {start_ticks(pid)}\n")
    os.replace(temporary, file)


def recorded(file: Path) -> int | None:
    """The pid in ``file`` if that very process is still alive."""
    try:
        pid, ticks = map(int, file.read_text().split())
        return pid if start_ticks(pid) == ticks and _state(pid) not in ("Z", "X") else None
    except (OSError, ValueError):
        return None


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def name(short: str, long: str) -> None:
    """What ``ps`` shows for this process; a forked one would go by its parent's command line otherwise.

    ``long`` is cut to the room that the command line has (proc(5): arg_start and arg_end)."""
    Path("/proc/self/comm").write_text(short[:15])
    start, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
    if 0 < start < end:
        room = end - start
        ctypes.memmove(start, long.encode()[: room - 1].ljust(room, b"\0"), room)


def in_namespaces(paths: Iterable[Path]) -> list[int]:
    """Processes whose network namespace is one of those pinned at ``paths``."""
    wanted = set()
    for path in paths:
        with contextlib.suppress(OSError):
            wanted.add((path.stat().st_dev, path.stat().st_ino))
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                there = os.stat(f"/proc/{entry.name}/ns/net")
                if (there.st_dev, there.st_ino) in wanted:
                    found.append(int(entry.name))
    return found


def end(pids: Iterable[int], grace: float) -> None:
    """SIGTERM, and SIGKILL to what is still there after ``grace`` seconds; returns when all have gone."""
    handles: dict[int, int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            handles[pid] = os.pidfd_open(pid)
    try:
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            for handle in handles.values():
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(handle, number)
            _wait(handles, patience)
    finally:
        for handle in handles.values():
            os.close(handle)


def _wait(handles: dict[int, int], patience: float) -> None:
    deadline = time.monotonic() + patience
    poll = select.poll()
    for handle in handles.values():
        poll.register(handle, select.POLLIN)
    while handles and (left := deadline - time.monotonic()) > 0:
        for ready, _ in poll.poll(left * 1000):
            poll.unregister(ready)
            pid = next(p for p, h in handles.items() if h == ready)
            os.close(handles.pop(pid))
