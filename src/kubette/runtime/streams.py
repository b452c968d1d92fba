"""The standard streams of an exec'd process and of an attached container (``interface.Streams``).

ExecStreams owns an OCI runtime's ``exec`` process: over pipes, or over a pty that the OCI runtime copies
to the container's own. AttachStreams is a client of conmon's attach socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import struct
import termios
import tty as tty_modes
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from kubette.runtime import kernel
from kubette.runtime.interface import RuntimeFailure
from kubette.runtime.ocicommand import oci_message

_CHUNK = 32 * 1024
_KILL_SECONDS = 5.0
_RECHECK_SECONDS = 0.005
_CONMON_STDERR = 3  # attach packets: 2 stdout, 3 stderr


class ExecStreams:
    """A process run inside a container by ``runtime exec --pid-file``; stopping kills that pid."""

    def __init__(self, process: asyncio.subprocess.Process, files: tuple[Path, Path], master: int | None) -> None:
        self._process = process
        self._pid_file, self._process_file = files
        self._master = master
        self._failure = b""
        self._started = False

    @property
    def _runs(self) -> bool:
        """The process in the container has started; before that, output is the OCI runtime's own."""
        self._started = self._started or self._pid_file.exists()
        return self._started

    @classmethod
    async def start(
        cls, argv: Sequence[str], pid_file: Path, process_file: Path, *, tty: bool, stdin: bool
    ) -> ExecStreams:
        """``argv``: the whole exec command line, which writes ``pid_file`` once the process runs."""
        files = (pid_file, process_file)
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        if not tty:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=pipe if stdin else null, stdout=pipe, stderr=pipe, limit=_CHUNK * 2
            )
            return cls(process, files, None)
        master, slave = os.openpty()
        try:
            tty_modes.setraw(slave)  # the container's own terminal echoes and edits; this one passes on
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
            )
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
        os.set_blocking(master, False)
        return cls(process, files, master)

    async def write(self, data: bytes) -> None:
        if self._master is not None:
            await _write_fd(self._master, data)
        elif self._process.stdin is not None and not self._process.stdin.is_closing():
            # An OSError or, from a loop that has closed the pipe by itself, a RuntimeError: nobody reads any more.
            with contextlib.suppress(OSError, RuntimeError):
                self._process.stdin.write(data)
                await self._process.stdin.drain()

    async def close_stdin(self) -> None:
        if self._master is not None:
            await _write_fd(self._master, b"\x04")  # what a terminal's user would type
        elif self._process.stdin is not None:
            self._process.stdin.close()

    async def resize(self, width: int, height: int) -> None:
        if self._master is None:
            return
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        if self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGWINCH)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        if self._master is not None:
            while data := await _read_fd(self._master):
                self._note(data)
                yield 1, data
            return
        assert self._process.stdout is not None and self._process.stderr is not None
        queue: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(4)

        async def pump(number: int, reader: asyncio.StreamReader) -> None:
            while data := await reader.read(_CHUNK):
                await queue.put((number, data))
            await queue.put((number, b""))

        pumps = [
            asyncio.create_task(pump(1, self._process.stdout), name="exec-stdout"),
            asyncio.create_task(pump(2, self._process.stderr), name="exec-stderr"),
        ]
        try:
            open_ends, held = 2, b""
            while open_ends:
                try:
                    number, data = await asyncio.wait_for(queue.get(), _RECHECK_SECONDS if held else None)
                except TimeoutError:
                    number, data = 0, b""
                runs = self._runs
                if held and runs:
                    yield 2, held
                    held = b""
                if not data:
                    open_ends -= 1 if number else 0
                elif number == 2 and not runs:
                    held += data  # whose words: the process', which has just started, or the OCI runtime's?
                else:
                    yield number, data
            self._failure = held
            if held and self._runs:
                yield 2, held
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    def _note(self, data: bytes) -> None:
        if len(self._failure) < 4096 and not self._runs:
            self._failure += data

    async def wait(self) -> int:
        code = await self._process.wait()
        if self._runs or code == 0:
            return code if code >= 0 else 128 - code
        words = self._failure.decode(errors="replace").strip().splitlines()
        why = oci_message(words[-1] if words else f"exit status {code}", "exec")
        raise RuntimeFailure(f'failed to exec in container: failed to start exec "{self._pid_file.stem}": {why}')

    async def close(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._kill(), _KILL_SECONDS)
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._master is not None:
            os.close(self._master)
            self._master = None
        self._pid_file.unlink(missing_ok=True)
        self._process_file.unlink(missing_ok=True)

    async def _kill(self) -> None:
        """SIGKILL to the process in the container and its children: killing the exec command would leave them
        running, and so would killing the exec command before it has said which process that is."""
        while self._process.returncode is None and not self._runs:  # noqa: ASYNC110 (a file, another process)
            await asyncio.sleep(0.005)
        if self._runs and self._process.returncode is None:
            with contextlib.suppress(OSError, ValueError):
                kernel.kill_tree(int(self._pid_file.read_text()))
        await self._process.wait()


class AttachStreams:
    """A connection to a container's conmon. Closing it leaves the container alone."""

    def __init__(self, bundle: Path, tty: bool, exit_code: Callable[[], Awaitable[int]]) -> None:
        self._bundle = bundle
        self._tty = tty
        self._exit_code = exit_code
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        directory = os.open(bundle, os.O_PATH)
        try:
            self._socket.connect(f"/proc/self/fd/{directory}/attach")  # a path of any length
        except OSError as e:
            self._socket.close()
            raise RuntimeFailure(f"failed to attach: {e}") from e
        finally:
            os.close(directory)
        self._socket.setblocking(False)

    async def write(self, data: bytes) -> None:
        for at in range(0, len(data), 8192):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                await asyncio.get_running_loop().sock_sendall(self._socket, data[at : at + 8192])

    async def close_stdin(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    async def resize(self, width: int, height: int) -> None:
        if self._tty:
            control(self._bundle, f"1 {height} {width}\n")

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        loop = asyncio.get_running_loop()
        while True:
            try:
                packet = await loop.sock_recv(self._socket, 65536)
            except ConnectionResetError:
                return
            if not packet:
                return
            if len(packet) > 1:
                yield (2 if packet[0] == _CONMON_STDERR else 1), packet[1:]

    async def wait(self) -> int:
        return await self._exit_code()

    async def close(self) -> None:
        self._socket.close()


def control(bundle: Path, message: str) -> None:
    """Write to conmon's control FIFO; one that nobody reads any more is ignored."""
    try:
        fd = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        os.write(fd, message.encode())
    finally:
        os.close(fd)


async def _read_fd(fd: int) -> bytes:
    """The next bytes of a non-blocking pty master; b"" when the other end has closed."""
    while True:
        try:
            return os.read(fd, _CHUNK)
        except BlockingIOError:
            await _ready(fd, write=False)
        except OSError:  # EIO: no slave is open any more
            return b""


async def _write_fd(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await _ready(fd, write=True)
        except OSError:
            return


async def _ready(fd: int, *, write: bool) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def done() -> None:
        if not future.done():
            future.set_result(None)

    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    add(fd, done)
    try:
        await future
    finally:
        remove(fd)
