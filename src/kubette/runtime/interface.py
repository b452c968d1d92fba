"""The seam between the node agent and whatever runs containers.

The agent decides what should run; a Runtime makes it so. Implementations: ``runtime.oci`` (an OCI
runtime under conmon) and ``kubette.testing.runtime`` (a verified fake). Shapes follow CRI v1
(k8s.io/cri-api) where a name exists there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


class RuntimeFailure(Exception):
    """The runtime could not do what was asked; the message is fit for an event. ``reason`` is the
    container-status reason upstream's kubelet would show (CreateContainerError, RunContainerError, …)."""

    def __init__(self, message: str, reason: str = "RunContainerError") -> None:
        super().__init__(message)
        self.reason = reason


class ImageFailure(Exception):
    """An image could not be had. ``reason``: ErrImagePull, InvalidImageName, ErrImageNeverPull, …"""

    def __init__(self, message: str, reason: str = "ErrImagePull") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """A pod's shared namespaces. ``host_*`` True means: the node's own (for network: the node's netns);
    ``share_pid``: its containers see each other's processes; ``pids_limit``: of processes and threads in the pod."""

    pod_uid: str
    pod_name: str
    pod_namespace: str
    hostname: str
    host_network: bool = False
    host_ipc: bool = False
    host_pid: bool = False
    share_pid: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict)
    pids_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A pod sandbox that exists: paths of its pinned namespaces (None: the host's/node's own).

    ``created_at``: seconds since the epoch. Containers that are older ran in one that a reboot has taken."""

    pod_uid: str
    netns: Path | None
    ipcns: Path | None
    utsns: Path | None
    host_pid: bool = False
    created_at: float = 0
    share_pid: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    source: Path
    target: str  # absolute, inside the container
    read_only: bool = False
    propagation: str = "private"  # private | rslave | rshared


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits in the kernel's units. None: unlimited."""

    cpu_shares: int | None = None  # cgroup v1 shares; v2 weight is derived
    cpu_quota_us: int | None = None
    cpu_period_us: int = 100_000
    memory_bytes: int | None = None
    pids: int | None = None
    oom_score_adj: int = 0


@dataclass(frozen=True, slots=True)
class Security:
    privileged: bool = False
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool = False
    supplemental_groups: Sequence[int] = ()
    read_only_root: bool = False
    allow_privilege_escalation: bool = True
    add_capabilities: Sequence[str] = ()
    drop_capabilities: Sequence[str] = ()
    seccomp: str = ""  # "": unconfined; "RuntimeDefault"; else the path of a profile on the node


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container to create. ``command``/``args`` are the pod's (already expanded); empty means the image's."""

    pod_uid: str
    name: str
    attempt: int  # restart count: part of the ID and of the log file's name
    image: str  # an image ID as returned by Images.ensure
    sandbox: Sandbox
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Sequence[tuple[str, str]] = ()  # the pod's own; the image's env, PATH and HOME come first
    working_dir: str = ""
    mounts: Sequence[Mount] = ()
    resources: Resources = field(default_factory=Resources)
    security: Security = field(default_factory=Security)
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    log_path: Path = Path("/dev/null")  # CRI log format, written by conmon
    labels: Mapping[str, str] = field(default_factory=dict)  # kept with the container; the agent reads them back
    pod_words: str = ""  # the pod as messages name it: name_namespace(uid)
    stop_signal: str = ""  # empty: the image's
    pid_of: str = ""  # the container whose PID namespace it joins


class ContainerState(Enum):
    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the runtime knows it. Times are seconds since the epoch (0: not yet)."""

    id: str  # without the "kubette://" prefix
    pod_uid: str
    name: str
    attempt: int
    image: str  # image ID
    state: ContainerState
    created_at: float = 0
    started_at: float = 0
    finished_at: float = 0
    exit_code: int = 0
    oom_killed: bool = False
    pid: int = 0
    log_path: Path = Path("/dev/null")
    labels: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""  # StartError, … where the runtime knows better than exit code and OOM
    message: str = ""
    user: Sequence[int] = ()  # whom its first process was started as: uid, gid, supplementary groups


@dataclass(frozen=True, slots=True)
class ExecResult:
    exit_code: int
    output: bytes  # stdout and stderr as they came, bounded


@dataclass(frozen=True, slots=True)
class Usage:
    """What files take of a filesystem. ``bytes``: of the blocks that they occupy."""

    bytes: int = 0
    inodes: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.bytes + other.bytes, self.inodes + other.inodes)


#: Files that nobody can measure, as they lie deeper than a path can name: they count as more than any limit.
UNMEASURABLE = Usage(1 << 62, 1 << 62)


class Runtime(Protocol):
    """Everything is idempotent: stopping what is stopped and removing what is gone succeed."""

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox: ...
    async def remove_sandbox(self, pod_uid: str) -> None: ...
    async def sandboxes(self) -> Sequence[Sandbox]: ...
    async def create(self, spec: ContainerSpec) -> str: ...
    async def start(self, container_id: str) -> None: ...
    async def stop(self, container_id: str, grace_seconds: float) -> None:
        """The image's stop signal (SIGTERM), then SIGKILL after the grace; returns when it has exited."""
        ...

    async def remove(self, container_id: str) -> None: ...
    async def containers(self) -> Sequence[Container]:
        """All of this node's containers, also those started by an agent that is no more."""
        ...

    async def get(self, container_id: str) -> Container | None: ...
    def exits(self) -> AsyncIterator[str]:
        """IDs of containers as they exit (edge hints; the truth is in ``containers``)."""
        ...

    async def exec(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """Run to completion (probes, hooks). TimeoutError kills what runs."""
        ...

    async def exec_stream(self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool) -> Streams: ...
    async def attach_stream(self, container_id: str) -> Streams: ...
    async def stats(self, container_id: str) -> Mapping[str, int]:
        """cpu_usage_ns, memory_bytes, memory_working_set_bytes, pids."""
        ...

    async def disk_usage(self, container_id: str) -> Usage:
        """What the container has written to its root, and to the volumes that its image declares."""
        ...


class Streams(Protocol):
    """A process' standard streams. ``output`` yields (1 | 2, bytes) until both have closed."""

    async def write(self, data: bytes) -> None: ...
    async def close_stdin(self) -> None: ...
    async def resize(self, width: int, height: int) -> None: ...
    def output(self) -> AsyncIterator[tuple[int, bytes]]: ...
    async def wait(self) -> int:
        """The exit code."""
        ...

    async def close(self) -> None:
        """The client has gone: release everything (an exec'd process is killed; an attached one lives on)."""
        ...


@dataclass(frozen=True, slots=True)
class Image:
    id: str  # "sha256:…" of the config; for local images of their definition
    references: Sequence[str]  # normalised: docker.io/library/busybox:latest
    digests: Sequence[str] = ()  # repo@sha256:…
    size: int = 0
    pinned: bool = False  # a local image
    user: str = ""
    env: Sequence[str] = ()
    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    working_dir: str = ""
    stop_signal: str = "SIGTERM"
    volumes: Sequence[str] = ()


class Images(Protocol):
    async def resolve(self, reference: str) -> Image | None:
        """The image of that reference if it is present."""
        ...

    async def pull(self, reference: str, auths: Sequence[Mapping[str, str]] = ()) -> Image:
        """Fetch from its registry; ImageFailure when that fails. A pinned image is returned as it is."""
        ...

    async def list(self) -> Sequence[Image]: ...
    async def remove(self, reference: str) -> None: ...
