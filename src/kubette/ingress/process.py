"""HAProxy as a child: start, reload without dropping a request, change at run time, drain. The one place that touches
processes, sockets and files.

It runs as master and worker. A reload starts a new worker that inherits the listening sockets; the old one ends
its requests and goes. Each generation of files has a directory of its own and its worker a command socket of its
own, so a reload has happened when that socket answers. Old workers are reached through the master.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from kubette.ingress import text

log = logging.getLogger(__name__)

_ALERT = re.compile(r"^\[ALERT\]\s*(\(\d+\))?\s*:\s*|/\S*/(?=[\w.]+)")  # the prefix, and our directories
_LOAD_SECONDS = 20.0  # for a worker to come up
_ANSWER_SECONDS = 10.0
_BATCH = 8000  # bytes of commands at once; HAProxy's buffer is 16 KiB


class HaproxyFailure(Exception):
    """HAProxy refused a command, or has ended; the message has its answer."""


class ConfigurationRefused(HaproxyFailure):
    """HAProxy refused a configuration; the message has its first alerts."""


class Haproxy:
    """One master and its workers, below ``directory``. ``load`` and ``send`` are called one at a time."""

    def __init__(self, directory: Path, binary: str = "haproxy") -> None:
        self.directory = directory
        self.binary = binary
        self.generation = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def worker_socket(self) -> Path:
        """Of the present generation's worker."""
        return self._socket(self.generation)

    def _socket(self, generation: int) -> Path:
        return self.directory / f"worker-{generation}.sock"

    async def load(self, files: Callable[[Path, Path], dict[str, str]]) -> None:
        """Start with, or change over to, what ``files(directory, worker socket)`` gives.

        HaproxyFailure leaves what ran before running; ConfigurationRefused when HAProxy does not accept the files.
        """
        number = self.generation + 1
        at = self.directory / f"generation-{number}"
        _write(at, files(at, self._socket(number)))
        try:
            await self._check(at / text.CONFIG)
        except HaproxyFailure:
            shutil.rmtree(at, ignore_errors=True)
            raise
        link = self.directory / "new"
        link.unlink(missing_ok=True)
        link.symlink_to(at.name)
        os.replace(link, self.directory / "current")
        if not self.running:
            self._process = await self._spawn()
        else:
            self._signal(signal.SIGUSR2)
        old, self.generation = self.generation, number
        await self._answering(self._socket(number), "show version")
        await self._answering(self._master, "show proc")  # it does not answer while it starts the new worker
        if old:
            shutil.rmtree(self.directory / f"generation-{old}", ignore_errors=True)
            self._socket(old).unlink(missing_ok=True)

    async def refusal(self, files: Callable[[Path, Path], dict[str, str]]) -> str | None:
        """Why HAProxy would not accept these files; None when it would."""
        at = self.directory / "check"
        _write(at, files(at, self.directory / "check.sock"))
        try:
            await self._check(at / text.CONFIG)
        except ConfigurationRefused as error:
            return str(error)
        finally:
            shutil.rmtree(at, ignore_errors=True)
        return None

    async def send(self, commands: Sequence[str]) -> None:
        """Runtime commands to the present worker. HaproxyFailure names the first that it refused."""
        for batch in _batches(commands):
            answer = await _ask(self.worker_socket, ";".join(batch))
            if refused := text.refusals(answer):
                raise HaproxyFailure(f"{refused[0]} (of {len(batch)} commands)")

    async def old_workers(self) -> list[int]:
        """Process ids of workers that were replaced and still have requests."""
        answer = await _ask(self._master, "show proc")
        _, _, old = answer.partition("# old workers")
        rows = (line.split() for line in old.partition("# programs")[0].splitlines())
        return [int(row[0]) for row in rows if len(row) > 1 and row[0].isdigit() and row[1] == "worker"]

    async def send_to_old(self, pids: Iterable[int], commands: Sequence[str]) -> None:
        """Runtime commands to old workers. A worker that has ended or lacks the servers is not a failure."""
        for pid in pids:
            for batch in _batches(commands):
                with contextlib.suppress(HaproxyFailure):
                    await _ask(self._master, ";".join(f"@!{pid} {c}" for c in batch))

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def wait(self) -> int:
        """The master's exit code, when it goes."""
        assert self._process is not None
        return await self._process.wait()

    async def drain(self, seconds: float) -> None:
        """Accept nothing new, let requests end for that long, then stop."""
        if self._process is None:
            return
        with contextlib.suppress(HaproxyFailure):  # a signal is lost on a master in the middle of a reload
            await self._answering(self._master, "show proc")
        for number, patience in ((signal.SIGUSR1, seconds), (signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            self._signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), patience)
                return

    @property
    def _master(self) -> Path:
        return self.directory / "master.sock"

    async def _check(self, config: Path) -> None:
        try:
            checker = await asyncio.create_subprocess_exec(
                self.binary, "-c", "-q", "-f", str(config),
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise HaproxyFailure(f"{self.binary} cannot be run: {error.strerror}") from error
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                _, said = await checker.communicate()
        except BaseException as error:
            checker.kill()
            await checker.wait()
            if not isinstance(error, TimeoutError):
                raise
            raise ConfigurationRefused(f"the check takes longer than {_LOAD_SECONDS:.0f} s") from None
        if checker.returncode:
            alerts = [line for line in said.decode(errors="replace").splitlines() if "ALERT" in line]
            raise ConfigurationRefused("; ".join(_ALERT.sub("", line) for line in alerts[:3])[:1000])

    async def _spawn(self) -> asyncio.subprocess.Process:
        command = [self.binary, "-W", "-S", str(self._master), "-f", str(self.directory / "current" / text.CONFIG)]
        if setpriv := shutil.which("setpriv"):  # HAProxy ends with this process, even when that is killed
            command = [setpriv, "--pdeathsig", "TERM", "--", *command]
        return await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _answering(self, path: Path, question: str) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                while True:
                    if self._process.returncode is not None:
                        raise HaproxyFailure(f"haproxy exited with code {self._process.returncode}")
                    with contextlib.suppress(HaproxyFailure):
                        await _ask(path, question)
                        return
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise HaproxyFailure(f"{path.name} did not answer within {_LOAD_SECONDS:.0f} s") from None


def _write(directory: Path, files: Mapping[str, str]) -> None:
    """The files hold private keys: only this user may read the directory."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    for name, contents in files.items():
        (directory / name).write_text(contents)


def _batches(commands: Sequence[str]) -> Iterable[list[str]]:
    batch: list[str] = []
    size = 0
    for command in commands:
        if batch and size + len(command) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(command)
        size += len(command) + 16  # separator, and the prefix of an old worker
    if batch:
        yield batch


async def _ask(path: Path, line: str) -> str:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(path))
            try:
                writer.write(f"{line}\n".encode())
                if path.name == "master.sock":
                    writer.write_eof()  # a worker closes after its answer, a master then only
                return (await reader.read()).decode(errors="replace")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise HaproxyFailure(f"{path.name}: {error or type(error).__name__}") from error
