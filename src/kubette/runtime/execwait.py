"""Runs a detached ``exec`` of an OCI runtime and ends with the exit code of the process in the container.

A foreground ``runc exec`` copies standard input itself, and forwards the SIGPIPE of a broken copy to the process in
the container: one that closes its standard input would be killed. Detached, the process has the caller's pipes as its
own. As a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER), this program inherits the process when the OCI runtime ends.

It is started as a program of its own (``python -I -S execwait.py PID_FILE COMMAND…``) and imports nothing of kubette,
so that it starts in about 15 ms.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_CHILD_SUBREAPER = 36
_FAILED = 125


def main(pid_file: str, command: list[str]) -> int:
    """The exit code; 128 and the signal's number when one ended the process. Without a process, the OCI runtime's."""
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        return _FAILED
    ignored_by_python = [signal.SIGPIPE, signal.SIGXFSZ]
    runtime = os.posix_spawnp(command[0], command, os.environ, setsigdef=ignored_by_python)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # the pipes are the process' alone: when it closes its end, the other end learns of it
        os.dup2(null, stream)
    code = _wait(runtime)
    try:
        with open(pid_file) as file:
            process = int(file.read())
    except (OSError, ValueError):
        return code or _FAILED
    return _wait(process) if code == 0 else code


def _wait(pid: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
