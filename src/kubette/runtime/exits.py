"""How containers end: conmon writes the exit code to a file (inotify), or is killed itself (a pidfd).

Level-triggered: ``refresh`` looks at file and processes; what the kernel tells only says when to look.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

from kubette.runtime import cgroups, kernel
from kubette.runtime.broadcast import Broadcast
from kubette.runtime.layout import Layout
from kubette.runtime.records import Record, Records


class Exits:
    """Keeps records up to date. ``hints``: IDs of containers as they end."""

    def __init__(self, layout: Layout, records: Records) -> None:
        self.hints = Broadcast()
        self._layout = layout
        self._records = records
        self._ended: dict[str, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inotify = -1
        self._conmon_fds: dict[str, int] = {}

    # -- being told ------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Start watching for exits in the loop that uses this runtime (once a loop)."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self.close()
        self._loop = loop
        self._inotify = kernel.inotify(self._layout.exits, kernel.IN_MOVED_TO | kernel.IN_CLOSE_WRITE)
        loop.add_reader(self._inotify, self._on_inotify)
        for record in self._records.all():
            self.refresh(record)
            self.watch_conmon(record)

    def close(self) -> None:
        """Stop watching. Containers go on."""
        if self._loop is not None and self._inotify >= 0:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._inotify)
            os.close(self._inotify)
            self._inotify = -1
        for container_id in list(self._conmon_fds):
            self._unwatch_conmon(container_id)
        self._loop = None

    def _on_inotify(self) -> None:
        for name in kernel.inotify_names(self._inotify):
            if record := self._records.get(name):
                self.refresh(record)

    def watch_conmon(self, record: Record) -> None:
        """Hear of the end of a running container's conmon, which may write no exit code."""
        if record.state != "running" or record.id in self._conmon_fds or self._loop is None:
            return
        try:
            fd = os.pidfd_open(record.conmon)
        except OSError:
            self.refresh(record)
            return
        self._conmon_fds[record.id] = fd
        self._loop.add_reader(fd, self._on_conmon, record)

    def _unwatch_conmon(self, container_id: str) -> None:
        fd = self._conmon_fds.pop(container_id, -1)
        if fd >= 0:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(fd)
            os.close(fd)

    def _on_conmon(self, record: Record) -> None:
        self._unwatch_conmon(record.id)
        self.refresh(record)

    # -- looking ---------------------------------------------------------------------------------------

    def refresh(self, record: Record) -> None:
        """Bring a record up to date with exit file and processes.

        conmon ends after it wrote the exit file. Where it ended without one (it was killed), nobody
        holds the container's output any more, and the container is ended too.
        """
        if record.state == "exited" or not record.pid:
            return
        file = self._layout.exits / record.id
        try:
            code = int(file.read_text())
            finished = file.stat().st_mtime
        except (OSError, ValueError):
            if kernel.start_ticks(record.conmon) == record.conmon_ticks or record.state != "running":
                return
            if file.exists():
                self.refresh(record)
                return
            code, finished = 137, time.time()
            if kernel.start_ticks(record.pid) != record.ticks:  # nobody saw how it ended: a reboot, mostly
                code, record.reason = 255, "Unknown"
            kernel.send_signal(record.pid, record.ticks, signal.SIGKILL)
        record.started_at = record.started_at or finished
        record.exit_code = code
        cgroup = self._layout.container_cgroup(record.pod_uid, record.id)
        record.oom_killed = code == 137 and cgroups.oom_kills(self._layout.hierarchies, cgroup) > 0
        self.finish(record, finished)

    def finish(self, record: Record, when: float) -> None:
        """The container has ended, with the record's exit code; all who wait hear of it."""
        record.state, record.finished_at = "exited", when
        if self._records.directory(record.id).is_dir():
            self._records.save(record)
        self._ended.setdefault(record.id, asyncio.Event()).set()
        self.hints.publish(record.id)

    async def wait(self, record: Record, timeout: float | None) -> bool:
        """Whether it has ended before the timeout."""
        self.refresh(record)
        if record.state == "exited":
            return True
        event = self._ended.setdefault(record.id, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), timeout)
        return event.is_set()

    def forget(self, container_id: str) -> None:
        """The container is removed."""
        (self._layout.exits / container_id).unlink(missing_ok=True)
        self._unwatch_conmon(container_id)
        self._ended.pop(container_id, None)
