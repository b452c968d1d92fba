"""Logs of components: bounded, no line lost, and few lines of noise."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from kubette.cluster.logfile import Limiter

_PROGRAM = """
import logging, os, subprocess, sys
from pathlib import Path
from kubette.cluster import logfile
logfile._MAX_BYTES = 1 << 20
file = Path(sys.argv[1])
logfile.open_log(file)
logging.getLogger().handlers[0]._most = 4000
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=2)
for n in range(int(sys.argv[2])):
    logging.info("line %d", n)
    print("raw", n, flush=True)
child.communicate(b"from a child\\n")
os._exit(9)
"""


def _run(log: Path, lines: int) -> list[str]:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, str(log), str(lines)], timeout=120, check=False)
    assert done.returncode == 9
    text = ""
    for part in (log.with_name(log.name + ".1"), log):
        text += part.read_text() if part.exists() else ""
    return text.splitlines()


def test_a_log_is_bounded_and_no_line_is_lost(tmp_path: Path) -> None:
    """One rotation: logged lines, prints and a child's output are all in one of the two files, in order."""
    log = tmp_path / "server.log"
    lines = _run(log, 100)
    numbers = [line.rpartition(" ")[2] for line in lines if "INFO" in line]
    assert numbers == [str(n) for n in range(100)]
    assert [line for line in lines if line.startswith("raw")] == [f"raw {n}" for n in range(100)]
    assert "from a child" in lines
    assert log.with_name("server.log.1").exists()


def test_many_rotations_leave_two_files(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    lines = _run(log, 2000)
    assert sorted(os.listdir(tmp_path)) == ["server.log", "server.log.1"]
    assert all(file.stat().st_size < 4200 for file in tmp_path.iterdir())
    assert "line 1999" in [line[-9:] for line in lines]


def test_a_crash_between_the_steps_of_a_rotation_loses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    _run(log, 5)
    log.rename(tmp_path / "server.log.1")
    lines = _run(log, 5)
    assert sum("INFO" in line for line in lines) == 10


def _record(name: str, text: str) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, text, None, None)


def test_noise_is_limited_and_counted() -> None:
    now = [0.0]
    limiter = Limiter(lambda: now[0])
    passed = [limiter.filter(_record("aiohttp.server", "Error handling request")) for _ in range(50)]
    assert passed == [True] * 10 + [False] * 40
    assert limiter.filter(_record("aiohttp.server", "another"))
    assert all(limiter.filter(_record("kubette.x", "ours")) for _ in range(50))
    now[0] = 61.0
    record = _record("aiohttp.server", "Error handling request")
    assert limiter.filter(record)
    assert record.getMessage() == "Error handling request (40 more such lines were dropped)"
