"""``kubette logs``: what the components of a cluster wrote, without knowing where their files lie."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from kubette.cli import completions
from kubette.cli.common import data_dir_option, name_option, need_root, says_why
from kubette.clusterspec import ClusterError

_POLL_SECONDS = 0.2


@click.command("logs")
@click.argument("component", required=False, shell_complete=completions.components)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("--tail", type=click.IntRange(min=0), default=None, metavar="K", help="Only the last K lines of each.")
@name_option
@data_dir_option
@says_why
def command(component: str | None, follow: bool, tail: int | None, name: str, data_root: Path) -> None:
    """Print the log of COMPONENT: supervisor, server or a node; without it, all of them, each line with its name."""
    from kubette.cluster import lifecycle

    need_root()
    spec = lifecycle.require(name, data_root)
    names = ["supervisor", "server", *spec.nodes]
    if component is not None and component not in names:
        raise ClusterError(f"cluster {name} has no component {component!r}; it has {', '.join(names)}")
    chosen = names if component is None else [component]
    width = max(map(len, chosen))
    tails = [Tail(spec.logs_dir / f"{part}.log") for part in chosen]

    def show(part: str, line: str) -> None:
        prefix = "" if component else click.style(f"{part:<{width}} | ", fg="cyan")
        click.echo(f"{prefix}{line}")

    for part, log in zip(chosen, tails, strict=True):
        for line in log.past(tail):
            show(part, line)
    while follow:
        for part, log in zip(chosen, tails, strict=True):
            for line in log.new():
                show(part, line)
        time.sleep(_POLL_SECONDS)


class Tail:
    """A log file that grows, and that may be replaced by an empty one when it is rotated to ``FILE.1``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._offset = 0
        self._partial = b""

    def past(self, count: int | None) -> Iterator[str]:
        """The lines that are there, the rotated file's first; only the last ``count`` of them when it is given."""
        kept: deque[str] = deque(maxlen=count)
        if (rotated := _rotated(self._path)).exists():
            kept.extend(_text(line) for line in rotated.read_bytes().splitlines())
        kept.extend(self.new())
        yield from kept

    def new(self) -> Iterator[str]:
        """The whole lines that were written since the last call, those that a rotation took away first."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._inode or status.st_size < self._offset:
                yield from self._rest()
                self._inode, self._offset, self._partial = status.st_ino, 0, b""
            yield from self._read(file)

    def _rest(self) -> Iterator[str]:
        """What was written to the file that was followed before it was rotated."""
        with contextlib.suppress(FileNotFoundError), _rotated(self._path).open("rb") as file:
            if os.fstat(file.fileno()).st_ino == self._inode:
                yield from self._read(file)

    def _read(self, file: BinaryIO) -> Iterator[str]:
        file.seek(self._offset)
        data = file.read()
        self._offset += len(data)
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            yield _text(line)


def _rotated(path: Path) -> Path:
    return path.with_name(path.name + ".1")


def _text(line: bytes) -> str:
    return line.decode(errors="replace")
