"""An OCI runtime configuration (config.json) from a ContainerSpec and its Image.

Pure, but for reading the image's passwd and group files. Defaults are containerd's
(``containerd/pkg/oci`` and its CRI plugin): capabilities, mounts, masked and read-only paths.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubette.runtime import beneath
from kubette.runtime.interface import ContainerSpec, Image, Mount, RuntimeFailure

_TABLE_LIMIT = 1 << 20  # bytes of the image's passwd or group file
_MAX_ID = (1 << 31) - 1  # as Kubernetes allows in a security context
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

DEFAULT_CAPABILITIES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
    "CAP_AUDIT_WRITE",
)  # fmt: skip
_CAPABILITY_NAMES = (  # in the order of the kernel's bits
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip

_MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
)  # fmt: skip
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True)
class User:
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def command_line(spec: ContainerSpec, image: Image) -> list[str]:
    """What runs: the pod's command replaces the image's entrypoint *and* cmd; args replace cmd only."""
    own = [*spec.command, *spec.args]
    out = own if spec.command else [*image.entrypoint, *(spec.args or image.cmd)]
    if not out:
        raise RuntimeFailure("no command specified", "CreateContainerError")
    return out


def user_of(spec: ContainerSpec, image: Image, root: Path) -> User:
    """Whom it runs as: the security context's ids over the image's ``user[:group]``.

    RuntimeFailure where the image's tables do not say, or name an id that the kernel does not have."""
    passwd = _table(root, "etc/passwd")
    groups = _table(root, "etc/group")
    name, _, group = image.user.partition(":")
    security = spec.security
    if security.run_as_user is not None:
        name, group = str(security.run_as_user), ""
    name = name or "0"
    number = _id(name)
    row = next((r for r in passwd if len(r) > 5 and (_id(r[2]) == number if number >= 0 else r[0] == name)), None)
    uid = _id(row[2]) if row else number
    if uid < 0:
        raise RuntimeFailure(f"unable to find user {name}: no matching entries in passwd file", "CreateContainerError")
    if security.run_as_non_root and (why := _root_refused(security.run_as_user, name, uid)):
        at = f'(pod: "{spec.pod_words}", container: {spec.name})'
        raise RuntimeFailure(f"{why} {at}", "CreateContainerConfigError")
    gid = max(0, _id(row[3])) if row else 0
    if security.run_as_group is not None:
        gid = security.run_as_group
    elif group:
        found = _id(group) if _id(group) >= 0 else next((_id(r[2]) for r in groups if len(r) > 2 and r[0] == group), -1)
        if found < 0:
            raise RuntimeFailure(
                f"unable to find group {group}: no matching entries in group file", "CreateContainerError"
            )
        gid = found
    extra = [gid]
    if row:
        extra += [_id(r[2]) for r in groups if len(r) > 3 and row[0] in r[3].split(",") and _id(r[2]) >= 0]
    extra += security.supplemental_groups
    return User(uid, gid, tuple(dict.fromkeys(extra)), (row[5] if row else "") or "/")


def _id(text: str) -> int:
    """A user's or group's number; -1 where the text is none, or too large."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else -1
    return number if number <= _MAX_ID else -1


def _root_refused(asked: int | None, name: str, uid: int) -> str:
    """Why ``runAsNonRoot`` forbids it. A name alone proves nothing: what it stands for is the image's to say."""
    if asked is None and not name.isdigit():
        return f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
    if uid:
        return ""
    return (
        "container's runAsUser breaks non-root policy"
        if asked == 0
        else ("container has runAsNonRoot and image will run as root")
    )


def _table(root: Path, name: str) -> list[list[str]]:
    """A file of the image, whatever the image makes of that name: a link out of the root, a pipe, a huge one."""
    try:
        fd = beneath.open_in_root(root, name, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return []
    try:
        text = os.read(fd, _TABLE_LIMIT) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)
    return [line.split(":") for line in text.decode(errors="replace").splitlines() if line]


def environment(spec: ContainerSpec, image: Image, user: User, hostname: str) -> list[str]:
    """PATH, HOSTNAME, HOME and TERM, overridden by the image's, overridden by the pod's."""
    out = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if spec.tty:
        out["TERM"] = "xterm"
    for line in image.env:
        key, _, value = line.partition("=")
        out[key] = value
    out.update(dict(spec.env))
    out.setdefault("HOME", user.home)
    return [f"{k}={v}" for k, v in out.items()]


def capabilities(spec: ContainerSpec) -> list[str]:
    security = spec.security
    every = ["CAP_" + n for n in _CAPABILITY_NAMES]
    names: list[str] = every if security.privileged else list(DEFAULT_CAPABILITIES)
    drop = {_capability(n) for n in security.drop_capabilities}
    add = [_capability(n) for n in security.add_capabilities]
    if "CAP_ALL" in drop:
        names = []
    if "CAP_ALL" in add:
        names = every
    names = [n for n in names if n not in drop or n in add]
    return list(dict.fromkeys(names + [n for n in add if n != "CAP_ALL"]))


def _capability(name: str) -> str:
    name = name.upper()
    return name if name.startswith("CAP_") else "CAP_" + name


def config(
    spec: ContainerSpec,
    image: Image,
    *,
    root: Path,
    user: User,
    hostname: str,
    cgroup: str,
    shm: Path | None,
    extra_mounts: Sequence[Mapping[str, Any]] = (),
    volumes: Sequence[Mapping[str, Any]] = (),
    available: frozenset[str] | None = None,
    cgroup_namespace: bool = False,
    min_oom_score_adj: int = -1000,
    devices: Sequence[Mapping[str, Any]] = (),
    profile: Mapping[str, Any] | None = None,
    pidns: Path | None = None,
) -> dict[str, Any]:
    """The whole config.json. ``pidns``: the PID namespace that it joins (None: one of its own).
    ``available``: capabilities that this process may hand on (None: all);
    ``devices``: the host's, which a privileged container has; ``profile``: seccomp's, which any other may have."""
    security, limits = spec.security, spec.resources
    caps = [c for c in capabilities(spec) if available is None or c in available]
    keep = caps if user.uid == 0 else []
    namespaces: list[dict[str, str]] = [{"type": "mount"}]
    if not spec.sandbox.host_pid:
        namespaces.append({"type": "pid", "path": str(pidns)} if pidns else {"type": "pid"})
    if cgroup_namespace and not security.privileged:
        namespaces.append({"type": "cgroup"})
    for kind, path in (
        ("network", spec.sandbox.netns), ("ipc", spec.sandbox.ipcns), ("uts", spec.sandbox.utsns)
    ):  # fmt: skip
        if path is not None:
            namespaces.append({"type": kind, "path": str(path)})
    resources: dict[str, Any] = {
        "devices": [{"allow": security.privileged, "access": "rwm"}],
        "cpu": {"shares": limits.cpu_shares or 2},
    }
    if limits.cpu_quota_us is not None:
        resources["cpu"] |= {"quota": limits.cpu_quota_us, "period": limits.cpu_period_us}
    if limits.memory_bytes is not None:
        resources["memory"] = {"limit": limits.memory_bytes}
    if limits.pids is not None:
        resources["pids"] = {"limit": limits.pids}
    linux: dict[str, Any] = {"namespaces": namespaces, "cgroupsPath": cgroup, "resources": resources}
    if not security.privileged:
        linux |= {"maskedPaths": list(_MASKED), "readonlyPaths": list(_READ_ONLY)}
        if profile is not None:
            linux["seccomp"] = dict(profile)
    else:
        linux["devices"] = list(devices)
    mounts = [
        *_system_mounts(security.privileged, shm),
        *(_read_only(m) if security.read_only_root else m for m in extra_mounts),
        *volumes,
        *(_bind(m) for m in sorted(spec.mounts, key=lambda m: m.target.count("/"))),
    ]
    propagations = {m.propagation for m in spec.mounts}
    if "rshared" in propagations:
        linux["rootfsPropagation"] = "rshared"
    elif "rslave" in propagations:
        linux["rootfsPropagation"] = "rslave"
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": spec.tty,
            "user": {
                "uid": user.uid, "gid": user.gid, "umask": 0o22, "additionalGids": list(user.groups)
            },
            "args": command_line(spec, image),
            "env": environment(spec, image, user, hostname),
            "cwd": spec.working_dir or image.working_dir or "/",
            "capabilities": {
                "bounding": caps, "effective": keep, "permitted": keep, "inheritable": [], "ambient": []
            },
            "noNewPrivileges": not security.allow_privilege_escalation,
            "oomScoreAdj": max(limits.oom_score_adj, min_oom_score_adj),
        },
        "root": {"path": str(root), "readonly": security.read_only_root},
        "mounts": mounts,
        "linux": linux,
    }  # fmt: skip


def _system_mounts(privileged: bool, shm: Path | None) -> list[dict[str, Any]]:
    def row(target: str, kind: str, *options: str, source: str = "") -> dict[str, Any]:
        return {"destination": target, "type": kind, "source": source or kind, "options": list(options)}

    safe = ("nosuid", "noexec", "nodev")
    access = "rw" if privileged else "ro"
    out = [
        row("/proc", "proc", *safe),
        row("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        row("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        row("/dev/mqueue", "mqueue", *safe),
        row("/sys", "sysfs", *safe, access),
        row("/sys/fs/cgroup", "cgroup", *safe, "relatime", access),
    ]
    if shm is not None:
        out.append(row("/dev/shm", "bind", "rbind", "rw", *safe, source=str(shm)))
    return out


def _read_only(mount: Mapping[str, Any]) -> dict[str, Any]:
    """Part of the root, so as read-only as the root is."""
    return {**mount, "options": [*mount["options"], "ro"]}


def _bind(m: Mount) -> dict[str, Any]:
    options = ["rbind", "r" + m.propagation.removeprefix("r"), "ro" if m.read_only else "rw"]
    return {"destination": m.target, "type": "bind", "source": str(m.source), "options": options}


def own_capabilities() -> frozenset[str]:
    """What this process may hand on: its bounding set. A CI container's is often not the full one."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            bits = int(line.split()[1], 16)
            return frozenset("CAP_" + n for i, n in enumerate(_CAPABILITY_NAMES) if bits >> i & 1)
    return frozenset()


def own_oom_score_adj() -> int:
    """The lowest oom_score_adj that may be asked for: without CAP_SYS_RESOURCE, the process' own."""
    if "CAP_SYS_RESOURCE" in own_capabilities() or os.geteuid() != 0:
        return -1000
    return int(Path("/proc/self/oom_score_adj").read_text())
