"""Container logs from files in CRI format: ``TIME STREAM F|P TEXT``, the rotated ones first.

Source: https://kubernetes.io/docs/concepts/cluster-administration/logging/ and the CRI logging design.
"""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_POLL_SECONDS = 0.1
_CHUNK = 1 << 16
_MAX_LINE = 1 << 20


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
        whole, _, rest = self.time.partition(".")
        zone = "+00:00" if rest.endswith("Z") or not rest else rest[rest.find("+") :] if "+" in rest else "+00:00"
        digits = rest.rstrip("Z").partition("+")[0][:6] or "0"
        return datetime.fromisoformat(f"{whole.rstrip('Z')}.{digits}{zone}").timestamp()


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


def _open_lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as f:
            yield from f
    except OSError:
        return


def tail_offset(path: Path, lines: int) -> int:
    """Where the last ``lines`` whole lines (partials belong to what follows) of a file begin."""
    with path.open("rb") as f:
        end = f.seek(0, 2)
        seen, position, rest = 0, end, b""
        while position > 0:
            size = min(_CHUNK, position)
            position -= size
            f.seek(position)
            block = f.read(size) + rest
            pieces = block.split(b"\n")
            offset = position + len(block)
            for piece in reversed(pieces[1:]):
                offset -= len(piece)
                line = parse(piece) if piece else None
                if line is not None and not line.partial:
                    seen += 1
                    if seen > lines:
                        return offset + len(piece) + 1
                offset -= 1
            rest = pieces[0]
        first = parse(rest)
        if first is not None and not first.partial and seen >= lines:
            return len(rest) + 1
        return 0


async def read(log: Path, options: Options, alive: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    """What a client gets to see, in pieces. With ``follow``, until ``alive()`` is false and all has been read."""
    left = options.limit_bytes
    async for line in _chosen(log, options, alive):
        if line is None:
            yield b""  # nothing new: lets the caller notice that its client has gone
            continue
        out = f"{line.time} ".encode() + line.text if options.timestamps else line.text
        if left is not None:
            out = out[:left]
            left -= len(out)
        yield out
        if left == 0:
            return


async def _chosen(log: Path, options: Options, alive: Callable[[], Awaitable[bool]]) -> AsyncIterator[Line | None]:
    async for line in _lines(log, options, alive):
        if line is None:
            yield None
        elif not _skipped(line, options):
            yield line


def _skipped(line: Line, options: Options) -> bool:
    other = bool(options.stream) and line.stream != options.stream
    return other or (options.since is not None and line.seconds() < options.since)


async def _lines(log: Path, options: Options, alive: Callable[[], Awaitable[bool]]) -> AsyncIterator[Line | None]:
    offset = 0
    if options.tail is None:
        for path in files_of(log)[:-1]:
            for raw in _open_lines(path):
                if (line := parse(raw.rstrip(b"\n"))) is not None:
                    yield line
    elif log.exists():
        offset = tail_offset(log, options.tail)
    async for new in _tailed(log, offset, options.follow, alive):
        if new is None:
            yield None
        elif (line := parse(new)) is not None:
            yield line


async def _tailed(
    log: Path, offset: int, follow: bool, alive: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes | None]:
    """Whole lines of the file from ``offset``; a file that was renamed away is read to its end, then its successor."""
    while not log.exists():
        if not (follow and await alive()):
            return
        yield None
        await asyncio.sleep(_POLL_SECONDS)
    file = log.open("rb")
    try:
        file.seek(offset)
        pending = b""
        while True:
            living = follow and await alive()  # before reading: what it wrote last is then seen
            while block := file.read(_CHUNK):
                pending += block
                *whole, pending = pending.split(b"\n")
                for raw in whole:
                    yield raw
                if len(pending) > _MAX_LINE:
                    pending = b""
                await asyncio.sleep(0)
            if _replaced(file.fileno(), log):
                file.close()
                file = log.open("rb")
                continue
            if not living:
                return
            yield None
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        file.close()


def _replaced(descriptor: int, log: Path) -> bool:


    try:
        return os.fstat(descriptor).st_ino != log.stat().st_ino
    except FileNotFoundError:
        return False
