"""``kubette doctor``: what this machine lacks to run a cluster, and how to get it.

Each check is a row: a name, a probe and the remedy. Probes only look, or try in a namespace of a short-lived
child; they change nothing. ``missing()`` is what ``up`` asks before it touches anything.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from kubette.cli.common import state

# linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
NETLINK_NETFILTER, NLM_F_REQUEST, NLMSG_ERROR = 12, 1, struct.pack("=H", 2)
NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN = 10, 16
CGROUP_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Check:
    """``probe`` returns None when all is well, else what is wrong in a few words."""

    name: str
    probe: Callable[[], str | None]
    remedy: str


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    ok: bool
    problem: str = ""
    remedy: str = ""


def _root() -> str | None:
    return None if os.geteuid() == 0 else f"running as uid {os.geteuid()}"


def _program(*names: str) -> Callable[[], str | None]:
    def probe() -> str | None:
        return None if any(map(shutil.which, names)) else f"no {' or '.join(names)} in PATH"

    return probe


def _oci_runtime() -> str | None:
    """crun refuses cgroup v1 and hybrid hierarchies; runc takes all."""
    if shutil.which("runc"):
        return None
    unified = (CGROUP_ROOT / "cgroup.controllers").exists()
    if shutil.which("crun"):
        return None if unified else "crun alone cannot run on cgroup v1 or hybrid"
    return "no runc or crun in PATH"


def _nftables() -> str | None:
    """Ask nf_tables for its generation (NFT_MSG_GETGEN); whoever may not ask is told of root already."""
    kind = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN
    question = struct.pack("=IHHII", 20, kind, NLM_F_REQUEST, 1, 0) + bytes(4)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as sock:
            sock.settimeout(2.0)
            sock.send(question)
            answer = sock.recv(4096)
    except OSError as error:
        return f"the kernel has no netfilter netlink: {error.strerror or error}"
    code = -struct.unpack_from("=i", answer, 16)[0] if answer[4:6] == NLMSG_ERROR else 0
    return f"the kernel has no nf_tables: {os.strerror(code)}" if code not in (0, errno.EPERM) else None


def _overlayfs() -> str | None:
    """Where it is not loaded, ask for a mount that cannot be, of no layers: a kernel that has it as a module loads
    it to say so."""
    if "\toverlay\n" in Path("/proc/filesystems").read_text():
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount(b"none", b"/", b"overlay", 0, b"")
    return "the kernel has no overlayfs" if ctypes.get_errno() == errno.ENODEV else None


def _namespaces() -> str | None:
    """Make one of each kind in a child that ends at once."""
    if os.geteuid():
        return None  # nobody but root may try
    tool = shutil.which("unshare")
    if tool is None:
        return "no unshare in PATH"
    tried = subprocess.run([tool, "-n", "-m", "-p", "-i", "-u", "-f", "true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else tried.stderr.strip() or "unshare failed"


def _cgroups() -> str | None:
    if (CGROUP_ROOT / "cgroup.controllers").exists() or (CGROUP_ROOT / "memory").is_dir():
        return None
    return f"no cgroup controllers are mounted below {CGROUP_ROOT}"


def _python() -> str | None:
    return None if sys.version_info >= (3, 11) else f"Python {sys.version.split()[0]} is too old"


CHECKS: Sequence[Check] = (
    Check("root", _root, "run it as root, such as with sudo"),
    Check("python", _python, "use Python 3.11 or later"),
    Check("nftables", _nftables, "use a kernel with CONFIG_NF_TABLES (Debian's has it)"),
    Check("overlayfs", _overlayfs, "load it with: modprobe overlay"),
    Check("namespaces", _namespaces, "run it where namespaces may be made: not in an unprivileged container"),
    Check("cgroups", _cgroups, "mount the cgroup controllers; systemd does so at boot"),
    Check("oci-runtime", _oci_runtime, "apt-get install runc"),
    Check("conmon", _program("conmon"), "apt-get install conmon"),
    Check("skopeo", _program("skopeo"), "apt-get install skopeo"),
    Check("umoci", _program("umoci"), "apt-get install umoci"),
)


def examine(checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Every check's outcome, in order."""
    out = []
    for check in checks:
        problem = check.probe()
        out.append(Finding(check.name, problem is None, problem or "", check.remedy if problem else ""))
    return out


def missing(checks: Sequence[Check] = CHECKS) -> str | None:
    """One sentence on what the machine lacks; None when it lacks nothing."""
    lacks = [f"{f.name} ({f.problem}; {f.remedy})" for f in examine(checks) if not f.ok]
    return f"this machine cannot run kubette, it lacks: {', '.join(lacks)}" if lacks else None


@click.command("doctor")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
def command(output: str) -> None:
    """Say what this machine lacks to run a cluster, and how to get it. Exits 1 when it lacks something."""
    findings = examine()
    if output == "json":
        click.echo(json.dumps([asdict(f) for f in findings]))
    else:
        for f in findings:
            has = f"{state('ok', good=True)}    {f.name}"
            lacks = f"{state('LACKS', good=False)} {f.name}: {f.problem}\n      → {f.remedy}"
            click.echo(has if f.ok else lacks)
    if not all(f.ok for f in findings):
        raise SystemExit(1)
