"""The log of a component: its standard output and error, bounded to one file and one rotated file ``NAME.log.1``.

The process itself rotates, after a line that makes the file too large: it renames the file and puts a new one under
descriptors 1 and 2. No line is lost: what another thread or a child writes meanwhile is in the renamed file. A process
that dies in between leaves the renamed file, and the next one makes a new one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

_MAX_BYTES = 10 << 20
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_DESCRIPTORS = (1, 2)
#: Loggers whose lines anybody can cause who reaches a port: broken requests, broken TLS.
_NOISY = ("aiohttp.server", "asyncio")
_LINES, _SECONDS, _KINDS = 10, 60.0, 256  # lines of one kind in that time, and kinds that are remembered


def open_log(file: Path) -> None:
    """Make ``file`` the standard output and error of this process, and what it logs to."""
    file.parent.mkdir(parents=True, exist_ok=True)
    reopen(file, _DESCRIPTORS)
    handler = RotatingHandler(file)
    handler.addFilter(Limiter())
    logging.basicConfig(level=logging.INFO, format=_FORMAT, force=True, handlers=[handler])


def reopen(file: Path, descriptors: tuple[int, ...]) -> None:
    """Put ``file``, made if it does not exist, under the descriptors. It is appended to."""
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        for number in descriptors:
            os.dup2(log, number)
    finally:
        os.close(log)


class RotatingHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Logs to standard error, and rotates ``file``, which is under ``descriptors``, when it is too large."""

    def __init__(self, file: Path, descriptors: tuple[int, ...] = _DESCRIPTORS, most: int = _MAX_BYTES) -> None:
        super().__init__(sys.stderr)
        self._file, self._descriptors, self._most = file, descriptors, most

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        with contextlib.suppress(OSError):  # a full disk: the next line tries again
            self.rotate()

    def rotate(self) -> None:
        """Rotate if the file is too large. Raises OSError."""
        ours = os.fstat(self._descriptors[-1])
        if ours.st_size <= self._most:
            return
        try:
            named = self._file.stat()
        except FileNotFoundError:
            named = None
        # Another process with this log may have rotated it already.
        if named is not None and (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino):
            os.replace(self._file, self._file.with_name(self._file.name + ".1"))
        reopen(self._file, self._descriptors)


class Limiter(logging.Filter):
    """Lets few lines of each kind through from loggers that strangers can fill, and says how many it dropped."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}  # kind → start of its period, lines in it

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name not in _NOISY:
            return True
        kind = (record.name, str(record.msg).partition("\n")[0][:100])
        now = self._clock()
        start, count = self._seen.get(kind, (now, 0))
        dropped = 0
        if now - start >= _SECONDS:
            start, count, dropped = now, 0, max(0, count - _LINES)
        if kind not in self._seen and len(self._seen) >= _KINDS:
            self._seen.clear()
        self._seen[kind] = (start, count + 1)
        if dropped:
            record.msg = f"{record.msg} ({dropped} more such lines were dropped)"
        return count < _LINES
