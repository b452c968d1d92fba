"""Container logs from files in CRI format: ``TIME STREAM F|P TEXT``, the rotated ones first.

Source: https://kubernetes.io/docs/concepts/cluster-administration/logging/ and the CRI logging design.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_POLL_SECONDS = 0.1
_CHUNK = 1 << 16
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Options:
    """As ``PodLogOptions``. ``since``: seconds since the epoch; ``stream``: stdout, stderr or "" for both."""

    follow: bool = False
    tail: int | None = None
    since: float | None = None
    timestamps: bool = False
    limit_bytes: int | None = None
    stream: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    time: str
    stream: str
    partial: bool
    text: bytes  # with its line end, unless partial

    def seconds(self) -> float:
        moment, fraction, zone = self._parts()
        return datetime.fromisoformat(f"{moment}.{fraction[:6]}{zone}").timestamp()

    def stamp(self) -> str:
        """The time as the kubelet shows it: nine digits, and Z for UTC (conmon writes +00:00)."""
        moment, fraction, zone = self._parts()
        return f"{moment}.{fraction}{'Z' if zone == '+00:00' else zone}"

    def _parts(self) -> tuple[str, str, str]:
        found = _TIME.fullmatch(self.time)
        if found is None:
            return "1970-01-01T00:00:00", "0" * 9, "+00:00"
        moment, fraction, zone = found.groups()
        return moment, (fraction or "").ljust(9, "0")[:9], "+00:00" if zone == "Z" else zone


def parse(raw: bytes) -> Line | None:
    """One line of a log file, without its line end. None: it is none."""
    parts = raw.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    partial = parts[2].split(b":")[0] == b"P"
    text = parts[3] if len(parts) > 3 else b""
    return Line(parts[0].decode(errors="replace"), parts[1].decode(), partial, text if partial else text + b"\n")


def files_of(log: Path) -> list[Path]:
    """The rotated files and then the present one, oldest first."""
    rotated = sorted(p for p in log.parent.glob(log.name + ".*") if p.suffix != ".tmp")
    return [*rotated, log]


def last_lines(path: Path, lines: int) -> tuple[int, int]:
    """Where the last ``lines`` whole lines of a file begin (partials belong to what follows), and how many
    there are."""
    with path.open("rb") as f:
        position, rest, seen = f.seek(0, 2), b"", 0
        while position > 0:
            size = min(_CHUNK, position)
            position -= size
            f.seek(position)
            first, *pieces = (f.read(size) + rest).split(b"\n")
            offset = position + len(first) + sum(len(p) + 1 for p in pieces)  # of the end of the last piece
            for piece in reversed(pieces):
                line = parse(piece)
                if line is not None and not line.partial:
                    if seen == lines:
                        return offset + 1, seen
                    seen += 1
                offset -= len(piece) + 1
            rest = first
        line = parse(rest)
        if line is not None and not line.partial:
            if seen == lines:
                return len(rest) + 1, seen
            seen += 1
        return 0, seen


class View:
    """What of the log a client gets to see: chosen lines, as text, up to the limit. Pure."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._left = options.limit_bytes
        self._begins = True  # what follows begins a line, and so is told its time

    @property
    def full(self) -> bool:
        return self._left == 0

    def of(self, raw: Iterable[bytes]) -> bytes:
        """The text that these lines of the file add."""
        out = b"".join(self._text(line) for line in map(parse, raw) if line is not None and self._wanted(line))
        if self._left is not None:
            out = out[: self._left]
            self._left -= len(out)
        return out

    def _wanted(self, line: Line) -> bool:
        options = self._options
        other = bool(options.stream) and line.stream != options.stream
        return not other and (options.since is None or line.seconds() >= options.since)

    def _text(self, line: Line) -> bytes:
        begins, self._begins = self._begins, not line.partial
        return f"{line.stamp()} ".encode() + line.text if begins and self._options.timestamps else line.text


async def read(log: Path, options: Options, alive: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    """What a client gets to see, in pieces; an empty one lets the caller notice that its client has gone.
    With ``follow``, until ``alive()`` is false and all has been read."""
    view = View(options)
    *rotated, (_, offset) = _starts(log, options.tail)
    for path, start in rotated:
        async for lines in _tailed(path, start, False, alive):
            yield view.of(lines)
            if view.full:
                return
    async for lines in _tailed(log, offset, options.follow, alive):
        yield view.of(lines)
        if view.full:
            return


def _starts(log: Path, tail: int | None) -> list[tuple[Path, int]]:
    """Which files are read, oldest first, and from where."""
    if tail is None:
        return [(path, 0) for path in files_of(log)]
    out: list[tuple[Path, int]] = []
    for path in reversed(files_of(log)):
        try:
            offset, seen = last_lines(path, tail)
        except FileNotFoundError:  # not yet there, or gone by now
            offset, seen = 0, 0
        out.append((path, offset))
        tail -= seen
        if tail == 0:
            break
    return out[::-1]


async def _tailed(
    log: Path, offset: int, follow: bool, alive: Callable[[], Awaitable[bool]]
) -> AsyncIterator[list[bytes]]:
    """Whole lines of the file from ``offset``, some at a time, none where there is nothing new. A file that
    is followed and was renamed away is read to its end, then its successor."""
    while not log.exists():
        if not (follow and await alive()):
            return
        yield []
        await asyncio.sleep(_POLL_SECONDS)
    file = log.open("rb")
    try:
        file.seek(offset)
        pending = b""
        while True:
            living = follow and await alive()  # both before reading: what was written last is then seen
            replaced = follow and _replaced(file.fileno(), log)
            while block := file.read(_CHUNK):
                *whole, pending = (pending + block).split(b"\n")
                yield whole
            if replaced:
                file.close()
                file, pending = log.open("rb"), b""
                continue
            if not living:
                return
            yield []
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        file.close()


def _replaced(descriptor: int, log: Path) -> bool:
    try:
        return os.fstat(descriptor).st_ino != log.stat().st_ino
    except FileNotFoundError:
        return False
