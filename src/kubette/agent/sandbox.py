"""A pod's sandbox and what belongs to it: namespaces, addresses, volumes, /etc/hosts, /etc/resolv.conf.

``PodSandbox`` sets all of it up before the first container, keeps the volumes up to date while containers run, and
removes it at the end. Every step is idempotent: an agent that takes a running pod over goes the same way.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

from kubette.agent import eviction, files, volumes
from kubette.agent.container_spec import PodSetup
from kubette.agent.lifecycle import every_container
from kubette.agent.pod_state import PodState
from kubette.agent.shared import Shared
from kubette.agent.tasks import uninterrupted
from kubette.agent.volumes import emptydir
from kubette.agent.volumes.base import Context, VolumeError
from kubette.api import meta
from kubette.api.meta import Object
from kubette.runtime import beneath
from kubette.runtime.interface import Mount, RuntimeFailure, Sandbox, SandboxSpec

PIDS_LIMIT = 4096  # processes and threads of a pod: a fork bomb in one must not take the machine's
_FILE_LIMIT = 1 << 20
_FIRST_RETRY, _LAST_RETRY = 0.5, 30.0
_JITTER = 0.2  # of the time between refreshes, so that a node's pods do not all read at once
_SET_UP, _REFRESH, _MEASURE = "set up sandbox", "refresh volumes", "measure disk usage"


class PodSandbox:
    """Of one pod. Sets ``setup`` of its state; a pod that holds too much of the disk fails."""

    def __init__(self, state: PodState) -> None:
        self._state = state
        self._refresh_at = self._measure_at = state.shared.clock()

    # -- at the beginning ----------------------------------------------------------------------------

    def set_up(self) -> None:
        """Begin to set the pod up, unless that is done or under way; repeated until it succeeds."""
        if self._state.setup is None and not self._state.tasks.running(_SET_UP):
            self._state.tasks.start(_SET_UP, self._set_up())

    async def _set_up(self) -> None:
        state, delay = self._state, _FIRST_RETRY
        while True:
            try:
                state.setup = await self._set_up_once()
                if any(state.stale(record) for record in state.containers.values()):
                    words = "Pod sandbox changed, it will be killed and re-created."
                    state.event("Normal", "SandboxChanged", words)
                return
            except VolumeError as error:
                state.event("Warning", "FailedMount", str(error))
            except (RuntimeFailure, OSError) as error:
                state.event("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_RETRY)

    async def _set_up_once(self) -> PodSetup:
        """Make sandbox and volumes side by side: volumes need no addresses."""
        shared, pod = self._state.shared, self._state.pod
        both = asyncio.gather(
            uninterrupted(_create_sandbox(shared, pod), f"sandbox of {self._state.title}"),
            volumes.setup_all(_volume_context(shared, pod)),
            return_exceptions=True,
        )
        made, at = await both
        if isinstance(at, BaseException):
            raise at
        if isinstance(made, BaseException):
            raise made
        sandbox, ips = made
        own = await asyncio.to_thread(_write_files, shared, pod, ips)
        return PodSetup(sandbox, ips, at, own)

    # -- while containers run ------------------------------------------------------------------------

    def refresh_soon(self) -> None:
        """What volumes are made from has changed."""
        self._refresh_at = 0

    def maintain(self, now: float) -> list[float]:
        """Refresh volumes and measure disk usage when it is time. Returns when it is time again."""
        state = self._state
        if state.setup is None:
            return []
        times = []
        if _has_refreshed_volumes(state.pod):
            self._refresh(now)
            times.append(self._refresh_at)
        if eviction.has_limits(state.pod):
            self._measure(now)
            times.append(self._measure_at)
        return times

    def _refresh(self, now: float) -> None:
        state = self._state
        if now < self._refresh_at:
            return
        if state.tasks.running(_REFRESH):
            self._refresh_at = now + _FIRST_RETRY
            return
        self._refresh_at = now + state.shared.config.refresh_seconds * random.uniform(1 - _JITTER, 1 + _JITTER)
        if any(record.runs for record in state.containers.values()):
            state.tasks.start(_REFRESH, self._refresh_once())

    async def _refresh_once(self) -> None:
        state = self._state
        try:
            await volumes.setup_all(_volume_context(state.shared, state.pod, state.ips), volumes.REFRESHED)
        except VolumeError as error:
            state.event("Warning", "FailedMount", str(error))

    def _measure(self, now: float) -> None:
        if now < self._measure_at:
            return
        self._measure_at = now + self._state.shared.config.usage_seconds
        if not self._state.tasks.running(_MEASURE):
            self._state.tasks.start(_MEASURE, self._measure_once())

    async def _measure_once(self) -> None:
        """Evict the pod if it holds more of the disk than it may. A node walks through one pod's files at a time."""
        state = self._state
        async with state.shared.measuring:
            words = eviction.over_limit(state.pod, await _usage(state))
        if words and state.failed is None:
            state.failed, state.grace = (eviction.REASON, words), eviction.GRACE_SECONDS
            state.event("Warning", eviction.REASON, words)

    # -- at the end ----------------------------------------------------------------------------------

    async def interrupt(self) -> None:
        """The pod ends: stop setting it up, refreshing and measuring it."""
        await self._state.tasks.stop(_SET_UP, _REFRESH, _MEASURE)

    async def release_network(self) -> None:
        """The pod has ended: its addresses and host ports are free again."""
        await release_network(self._state.shared, self._state.uid)

    async def remove(self) -> None:
        """Remove addresses, namespaces and the containers that are left."""
        await remove_sandbox(self._state.shared, self._state.uid)

    async def remove_files(self) -> None:
        """Remove volumes and logs: nothing of the pod is left on the node."""
        shared, pod = self._state.shared, self._state.pod
        await volumes.remove_all(_volume_context(shared, pod))
        shared.objects.forget(meta.uid(pod))
        if meta.name(pod):
            logs = shared.config.pod_logs_dir(meta.namespace(pod), meta.name(pod), meta.uid(pod))
            await asyncio.to_thread(volumes.remove_tree, logs)


async def _usage(state: PodState) -> eviction.PodUsage:
    """What the pod holds of the disk now."""
    shared, pod = state.shared, state.pod
    config, context = shared.config, _volume_context(shared, pod)
    logs = config.pod_logs_dir(meta.namespace(pod), meta.name(pod), state.uid)
    held = {}
    for name, record in state.containers.items():
        held[name] = await asyncio.to_thread(beneath.usage, logs / name)
        if record.current is not None:
            held[name] += await shared.runtime.disk_usage(record.current.id)
    sizes = {}
    for name in eviction.volume_limits(pod):
        sizes[name] = await asyncio.to_thread(beneath.usage, emptydir.path(context, name))
    return eviction.PodUsage(held, sizes, await asyncio.to_thread(beneath.usage, config.pod_dir(state.uid)))


async def release_network(shared: Shared, uid: str) -> None:
    if shared.host_ports is not None:
        shared.host_ports.remove(uid)
    await shared.network.detach(uid)


async def remove_sandbox(shared: Shared, uid: str) -> None:
    """Addresses, namespaces and containers of a pod that may be unknown to the API."""
    await release_network(shared, uid)
    await shared.runtime.remove_sandbox(uid)


def host_ports(pod: Object, ips: tuple[str, ...]) -> list[tuple[str, str, int, str, int]]:
    """(protocol, host IP, host port, pod IP, container port) of every hostPort, for each of the pod's IPs."""
    return [
        (p.get("protocol") or "TCP", p.get("hostIP") or "", int(p["hostPort"]), ip, int(p["containerPort"]))
        for c in every_container(pod)
        for p in c.get("ports") or ()
        if p.get("hostPort")
        for ip in ips
    ]


def sandbox_spec(pod: Object, hostname: str) -> SandboxSpec:
    spec = pod.get("spec") or {}
    sysctls = {s["name"]: s["value"] for s in (spec.get("securityContext") or {}).get("sysctls") or ()}
    return SandboxSpec(
        pod_uid=meta.uid(pod),
        pod_name=meta.name(pod),
        pod_namespace=meta.namespace(pod),
        hostname=hostname,
        host_network=bool(spec.get("hostNetwork")),
        host_ipc=bool(spec.get("hostIPC")),
        host_pid=bool(spec.get("hostPID")),
        share_pid=bool(spec.get("shareProcessNamespace")),
        sysctls=sysctls,
        pids_limit=PIDS_LIMIT,
    )


async def _create_sandbox(shared: Shared, pod: Object) -> tuple[Sandbox, tuple[str, ...]]:
    config = shared.config
    hostname, _ = files.host_names(pod, config.cluster_domain, config.node_name)
    sandbox = await shared.runtime.create_sandbox(sandbox_spec(pod, hostname))
    if sandbox.netns is None:
        return sandbox, config.node_ips
    known = (pod.get("status") or {}).get("podIP")  # of a pod that outlived its sandbox: it gets a new one
    try:
        ips = await shared.network.attach(meta.uid(pod), sandbox.netns)
        if shared.host_ports is not None and (ports := host_ports(pod, ips)):
            shared.host_ports.set(meta.uid(pod), ports)
    except Exception as error:
        why = f"failed to set up pod network (last address: {known}): {error}" if known else f"pod network: {error}"
        raise RuntimeFailure(why, "CreatePodSandboxError") from error
    return sandbox, ips


def _volume_context(shared: Shared, pod: Object, ips: tuple[str, ...] = ()) -> Context:
    config, uid = shared.config, meta.uid(pod)
    return Context(
        pod=pod,
        objects=shared.objects,
        data_dir=config.pod_dir(uid),
        run_dir=config.pod_run_dir(uid),
        pod_ips=ips,
        host_ips=config.node_ips,
        allocatable=shared.allocatable,
    )


def _has_refreshed_volumes(pod: Object) -> bool:
    return any(volumes.kind_of(v) in volumes.REFRESHED for v in (pod.get("spec") or {}).get("volumes") or ())


def _write_files(shared: Shared, pod: Object, ips: tuple[str, ...]) -> tuple[Mount, ...]:
    """The pod's own /etc files, written in place: containers hold a bind mount of the file itself."""
    config = shared.config
    directory = config.pod_dir(meta.uid(pod))
    directory.mkdir(parents=True, exist_ok=True)
    node = files.parse_resolv_conf(_read(config.resolv_conf))
    resolv = files.resolv_conf(pod, node, config.cluster_dns, config.cluster_domain).text()
    hostname, _ = files.host_names(pod, config.cluster_domain, config.node_name)
    node_hosts = _read(Path("/etc/hosts")) if (pod.get("spec") or {}).get("hostNetwork") else ""
    texts = {
        "/etc/hosts": files.hosts(pod, ips, config.cluster_domain, config.node_name, node_hosts),
        "/etc/resolv.conf": resolv,
        "/etc/hostname": hostname + "\n",
    }
    out = []
    for target, text in texts.items():
        path = directory / target.removeprefix("/").replace("/", "-")
        _write(path, text.encode())
        out.append(Mount(path, target))
    return tuple(out)


def _read(path: Path) -> str:
    """The text of a file of the node's, or nothing. A longer file than any that makes sense is cut."""
    try:
        with path.open("rb") as file:
            return file.read(_FILE_LIMIT).decode(errors="replace")
    except OSError:
        return ""


def _write(path: Path, data: bytes) -> None:
    """Make the file hold this, and write only if it does not. Containers may have written to it: no more than needed is
    read, and no link is followed."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644), "r+b") as file:
        if file.read(len(data) + 1) != data:
            file.seek(0)
            file.write(data)
            file.truncate()
            os.fchmod(file.fileno(), 0o644)
