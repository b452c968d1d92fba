"""Telling our processes from others that have their pid, and ending them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from kubette.cluster import processes

_STUBBORN = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"


def test_a_pid_is_ours_only_with_its_start_time(tmp_path: Path) -> None:
    file = tmp_path / "x.pid"
    processes.record(file)
    assert processes.recorded(file) == os.getpid()
    pid, ticks = file.read_text().split()
    file.write_text(f"{pid} {int(ticks) + 1}\n")
    assert processes.recorded(file) is None
    file.write_text("nonsense")
    assert processes.recorded(file) is None
    assert processes.recorded(tmp_path / "missing") is None


def test_ps_shows_what_a_forked_process_is() -> None:
    for long in ("kubette: cluster a, server", "x" * 10_000):
        code = f"from kubette.cluster import processes; processes.name('kubette-server', {long!r}); print(1); input()"
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None and child.stdout.readline()
            proc = Path("/proc", str(child.pid))
            shown = (proc / "cmdline").read_bytes().rstrip(b"\0").decode()
            assert shown and long.startswith(shown)
            assert (proc / "comm").read_text() == "kubette-server\n"
            assert "PATH=" in (proc / "environ").read_bytes().decode()
            child.communicate(b"\n")
            assert child.returncode == 0


def test_what_ignores_sigterm_is_killed() -> None:
    child = subprocess.Popen([sys.executable, "-c", _STUBBORN], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline()
    started = time.monotonic()
    processes.end([child.pid], 0.05)
    assert time.monotonic() - started < 4
    assert child.wait() == -9
    child.stdout.close()
    processes.end([child.pid], 0.05)  # gone: nothing to do
