"""Seccomp profiles for the OCI runtime: ``RuntimeDefault``, and those that lie on the node.

The default forbids what Docker's and containerd's default forbids to a container without extra capabilities; see
the table of significant blocked system calls at https://docs.docker.com/engine/security/seccomp/. Theirs lists what is
allowed, this one what is not, so a system call that is newer than the table passes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubette.runtime.interface import RuntimeFailure

RUNTIME_DEFAULT = "RuntimeDefault"
_EPERM, _ENOSYS = 1, 38
_CLONE_NEW = 0x7E020000  # every CLONE_NEW… flag of clone(2)
_AF_VSOCK = 40

_FORBIDDEN = (
    "acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "create_module", "delete_module", "fanotify_init",
    "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms", "get_mempolicy", "init_module",
    "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load",
    "kexec_load", "keyctl", "lookup_dcookie", "mbind", "mount", "mount_setattr", "move_mount", "move_pages",
    "nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root", "query_module", "quotactl",
    "quotactl_fd", "reboot", "request_key", "set_mempolicy", "setdomainname", "sethostname", "setns", "settimeofday",
    "stime", "swapoff", "swapon", "_sysctl", "sysfs", "syslog", "umount", "umount2", "unshare", "uselib", "userfaultfd",
    "ustat", "vhangup", "vm86", "vm86old",
)  # fmt: skip
#: capability → what it opens again: who may do it at all may do it here
_OPENED = {
    "CAP_SYS_ADMIN": (
        "bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount",
        "mount_setattr", "move_mount", "open_tree", "perf_event_open", "quotactl", "quotactl_fd", "setdomainname",
        "sethostname", "setns", "syslog", "umount", "umount2", "unshare",
    ),
    "CAP_SYS_BOOT": ("reboot",),
    "CAP_SYS_MODULE": ("delete_module", "finit_module", "init_module"),
    "CAP_SYS_NICE": ("get_mempolicy", "mbind", "move_pages", "set_mempolicy"),
    "CAP_SYS_PACCT": ("acct",),
    "CAP_SYS_PTRACE": ("kcmp",),
    "CAP_SYS_RAWIO": ("ioperm", "iopl"),
    "CAP_SYS_TIME": ("clock_adjtime", "clock_settime", "settimeofday", "stime"),
    "CAP_SYS_TTY_CONFIG": ("vhangup",),
    "CAP_SYSLOG": ("syslog",),
    "CAP_BPF": ("bpf",),
    "CAP_PERFMON": ("perf_event_open",),
    "CAP_DAC_READ_SEARCH": ("open_by_handle_at",),
}  # fmt: skip
_ARCHITECTURES = (
    "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
)  # fmt: skip


def default(capabilities: Sequence[str] = ()) -> dict[str, Any]:
    """The ``RuntimeDefault`` profile for a container with these capabilities, as an OCI ``linux.seccomp``."""
    opened = {name for c in capabilities for name in _OPENED.get(c, ())}

    def forbid(*names: str, errno: int = _EPERM, **more: Any) -> dict[str, Any]:
        return {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": errno, **more}

    def masked(bits: int) -> list[dict[str, Any]]:
        """One rule a bit: seccomp compares for equality, and any of them is forbidden."""
        flags = [1 << n for n in range(32) if bits >> n & 1]
        return [{"index": 0, "value": b, "valueTwo": b, "op": "SCMP_CMP_MASKED_EQ"} for b in flags]

    rules = [forbid(*(name for name in _FORBIDDEN if name not in opened))]
    if "clone" not in opened:
        rules.append(forbid("clone3", errno=_ENOSYS))  # libc then falls back to clone, whose flags show
        rules += [forbid("clone", args=[arg]) for arg in masked(_CLONE_NEW)]
    rules.append(forbid("socket", args=[{"index": 0, "value": _AF_VSOCK, "op": "SCMP_CMP_EQ"}]))
    return {"defaultAction": "SCMP_ACT_ALLOW", "architectures": list(_ARCHITECTURES), "syscalls": rules}


def profile(which: str, capabilities: Sequence[str] = ()) -> dict[str, Any] | None:
    """By ``Security.seccomp``. RuntimeFailure when the file is not there, or is none."""
    if which in ("", RUNTIME_DEFAULT):
        return default(capabilities) if which else None
    try:
        found = json.loads(Path(which).read_text())
    except OSError as error:
        raise RuntimeFailure(f'cannot load seccomp profile "{which}": {error}', "CreateContainerError") from error
    except ValueError as error:
        raise RuntimeFailure(f'cannot decode seccomp profile "{which}": {error}', "CreateContainerError") from error
    if not isinstance(found, dict):
        raise RuntimeFailure(f'seccomp profile "{which}" is not an object', "CreateContainerError")
    return found
