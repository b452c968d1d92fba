"""What a pod needs before its first container: volumes, sandbox, addresses, hosts and resolv.conf. And its removal.

Everything here is idempotent, so an agent that takes a running pod over goes the same way.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubette.agent import creation, files, volumes
from kubette.agent.creation import VolumeAt
from kubette.agent.lifecycle import every_container
from kubette.agent.shared import Shared
from kubette.agent.volumes import emptydir
from kubette.agent.volumes.base import Context
from kubette.api import meta
from kubette.runtime.interface import Mount, RuntimeFailure, Sandbox

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A pod that containers can be put into."""

    sandbox: Sandbox
    ips: tuple[str, ...]
    volumes: dict[str, VolumeAt]
    own_mounts: tuple[Mount, ...]  # hosts, resolv.conf, hostname


def context(shared: Shared, pod: Obj, ips: tuple[str, ...] = ()) -> Context:
    """What the pod's volumes are made from."""
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


async def prepare(shared: Shared, pod: Obj) -> Prepared:
    """VolumeError or RuntimeFailure say why not; the caller tries again."""
    making = asyncio.ensure_future(_sandbox(shared, pod))  # beside the volumes: they need no addresses
    try:
        made = await volumes.setup_all(context(shared, pod))
    finally:
        await asyncio.wait([making])
    sandbox, ips = making.result()
    own = await asyncio.to_thread(_own_files, shared, pod, ips)
    return Prepared(sandbox, ips, made, own)


async def _sandbox(shared: Shared, pod: Obj) -> tuple[Sandbox, tuple[str, ...]]:
    config = shared.config
    hostname, _ = files.host_names(pod, config.cluster_domain, config.node_name)
    sandbox = await shared.runtime.create_sandbox(creation.sandbox(pod, hostname))
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


def host_ports(pod: Obj, ips: tuple[str, ...]) -> list[tuple[str, str, int, str, int]]:
    """(protocol, host IP, host port, pod IP, container port) of every hostPort, for each of the pod's IPs."""
    return [
        (p.get("protocol") or "TCP", p.get("hostIP") or "", int(p["hostPort"]), ip, int(p["containerPort"]))
        for c in every_container(pod)
        for p in c.get("ports") or ()
        if p.get("hostPort")
        for ip in ips
    ]


def _own_files(shared: Shared, pod: Obj, ips: tuple[str, ...]) -> tuple[Mount, ...]:
    """Written in place: containers hold a bind mount of the file itself."""
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
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            path.chmod(0o644)
        out.append(Mount(path, target))
    return tuple(out)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


async def refresh(shared: Shared, pod: Obj, ips: tuple[str, ...]) -> None:
    """Bring the volumes that follow API objects up to date. VolumeError when one cannot be."""
    await volumes.setup_all(context(shared, pod, ips), volumes.REFRESHED)


async def over_limit(shared: Shared, pod: Obj) -> str:
    """Why the pod must be evicted: a volume of its own has grown too big. Empty: it need not."""
    return await asyncio.to_thread(emptydir.over_limit, context(shared, pod))


def has_refreshed(pod: Obj) -> bool:
    return any(volumes.kind_of(v) in volumes.REFRESHED for v in (pod.get("spec") or {}).get("volumes") or ())


async def release_network(shared: Shared, uid: str) -> None:
    """The pod is over: its addresses and host ports are free again."""
    if shared.host_ports is not None:
        shared.host_ports.remove(uid)
    await shared.network.detach(uid)


async def remove_sandbox(shared: Shared, uid: str) -> None:
    """Addresses, sandbox and whatever containers are left in it."""
    await release_network(shared, uid)
    await shared.runtime.remove_sandbox(uid)


async def remove_files(shared: Shared, pod: Obj) -> None:
    """Volumes and logs: nothing of the pod is left on the node."""
    await volumes.remove_all(context(shared, pod))
    shared.objects.forget(meta.uid(pod))
    if meta.name(pod):
        logs = shared.config.pod_logs_dir(meta.namespace(pod), meta.name(pod), meta.uid(pod))
        await asyncio.to_thread(shutil.rmtree, logs, True)
