"""The node's own objects: its Node, kept true, and its Lease, renewed as a heartbeat.

Source: https://kubernetes.io/docs/concepts/architecture/nodes/.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import time
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import kubette
from kubette.agent import pressure
from kubette.agent.config import AgentConfig
from kubette.api import errors, meta
from kubette.api.kinds import resource
from kubette.api.meta import Object
from kubette.client.events import Recorder
from kubette.client.interface import Api
from kubette.runtime.interface import ImageFailure, Images

log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
_RETRY_SECONDS = 0.2
_MAX_IMAGES = 50
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_GONE_WRONG = (errors.ServiceUnavailable, errors.Timeout, errors.TooManyRequests)

#: type → (reason, message) under pressure and without
_PRESSURES = {
    "MemoryPressure": (
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ),
    "PIDPressure": (
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ),
}


def capacity(config: AgentConfig) -> dict[str, str]:
    """What the machine has, as quantities."""
    disk = os.statvfs(config.data_dir)
    return {
        "cpu": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_bytes() // 1024}Ki",
        "ephemeral-storage": f"{disk.f_blocks * disk.f_frsize // 1024}Ki",
        "pods": str(config.max_pods),
    }


def memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def labels(config: AgentConfig) -> dict[str, str]:
    arch = _ARCHITECTURES.get(platform.machine(), platform.machine())
    return {
        "beta.kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "kubernetes.io/hostname": config.node_name,
        "kubernetes.io/os": "linux",
        **config.labels,
    }


def node_info() -> dict[str, str]:
    """``NodeSystemInfo``."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    return {
        "machineID": _first_line("/etc/machine-id"),
        "systemUUID": _first_line("/sys/class/dmi/id/product_uuid") or _first_line("/etc/machine-id"),
        "bootID": _first_line("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": platform.release(),
        "osImage": release.get("PRETTY_NAME", "Linux"),
        "containerRuntimeVersion": f"kubette://{kubette.__version__}",
        "kubeletVersion": f"v1.36.0-kubette.{kubette.__version__}",
        "kubeProxyVersion": f"v1.36.0-kubette.{kubette.__version__}",
        "operatingSystem": "linux",
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
    }


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def conditions(old: list[Object], not_ready: str, pressed: Container[str] = ()) -> list[Object]:
    """The four conditions, among what others have set. ``not_ready``: why the node is not Ready ("" if it is);
    ``pressed``: the pressure conditions that hold."""
    well = "True", "KubeletReady", "kubelet is posting ready status"
    rows = {}
    for kind, (bad, good) in _PRESSURES.items():
        rows[kind] = ("True", *bad) if kind in pressed else ("False", *good)
    rows["Ready"] = ("False", "KubeletNotReady", not_ready) if not_ready else well
    out, now = old, meta.now()
    for kind, (value, reason, message) in rows.items():
        new = {"type": kind, "status": value, "reason": reason, "message": message, "lastHeartbeatTime": now}
        out = meta.set_condition(out, new, now)
    return out


class NodeObject:
    """This node in the API. ``not_ready``: why it is not; change it, then ``publish``. ``pressed``: the pressure
    conditions that hold."""

    def __init__(self, api: Api, config: AgentConfig, images: Images, recorder: Recorder) -> None:
        self._api = api
        self._config = config
        self._images = images
        self._recorder = recorder
        self.not_ready = "container runtime network not ready: the node has no pod CIDR yet"
        self.capacity = capacity(config)
        self.pressed: Mapping[str, float] = {}  # → when it was last observed
        self._info = node_info()

    async def register(self) -> None:
        """Until the Node exists, with our labels and status."""
        config = self._config
        node: Object = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": config.node_name, "labels": labels(config)},
            "spec": {},
        }
        while True:
            try:
                try:
                    await self._api.create(resource("nodes"), node)
                except errors.AlreadyExists:
                    change = {"metadata": {"labels": labels(config)}}
                    await self._api.patch(resource("nodes"), config.node_name, change)
                await self.publish()
                return
            except errors.ApiError as error:
                log.info("node %s cannot register yet: %s", config.node_name, error.message)
            await asyncio.sleep(_RETRY_SECONDS)

    async def publish(self) -> None:
        """Bring the Node's status up to date. ApiError when that fails."""
        kind = resource("nodes")
        for _ in range(5):
            node = await self._api.get(kind, self._config.node_name)
            node.setdefault("apiVersion", kind.api_version)
            node.setdefault("kind", kind.kind)
            node["status"] = await self._status(node.get("status") or {})
            try:
                await self._api.update(kind, node, subresource="status")
                return
            except errors.Conflict:
                continue

    async def _status(self, old: Object) -> Object:
        config = self._config
        addresses = [{"type": "InternalIP", "address": ip} for ip in config.node_ips]
        try:
            known = sorted(await self._images.list(), key=lambda i: -i.size)[:_MAX_IMAGES]
        except (ImageFailure, OSError) as error:  # pods that need no image go on; those that do say why they cannot
            log.warning("images of the node: %s", error)
            known = []
        return {
            **old,
            "addresses": [*addresses, {"type": "Hostname", "address": config.node_name}],
            "capacity": self.capacity,
            "allocatable": self.capacity,
            "conditions": conditions(old.get("conditions") or [], self.not_ready, self.pressed),
            "nodeInfo": self._info,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": config.port}},
            "images": [{"names": [*i.digests, *i.references], "sizeBytes": i.size} for i in known],
        }

    async def observe(self) -> bool:
        """Look at what the machine has left. Returns whether a pressure condition has changed; events say which."""
        before, config = self.pressed.keys(), self._config
        met = pressure.short(await asyncio.to_thread(pressure.observe, config.data_dir), config.thresholds)
        self.pressed = pressure.last_met(self.pressed, met, time.time(), config.pressure_seconds)
        changed = self.pressed.keys() ^ before
        for kind in sorted(changed):
            reason = _PRESSURES[kind][kind not in self.pressed][0].replace("Kubelet", "Node")
            node = {"apiVersion": "v1", "kind": "Node", "name": config.node_name, "uid": config.node_name}
            self._recorder.event(node, "Normal", reason, f"Node {config.node_name} status is now: {reason}")
        return bool(changed)

    async def keep_pressure(self) -> None:
        """Observe from time to time, and publish what has changed at once; until cancelled."""
        changed = False
        while True:
            changed = await self.observe() or changed
            if changed:
                try:
                    await self.publish()
                    changed = False
                except errors.ApiError as error:
                    log.info("node status: %s", error.message)
            await asyncio.sleep(self._config.usage_seconds)

    async def keep_status(self) -> None:
        """Publish from time to time; until cancelled."""
        while True:
            await asyncio.sleep(self._config.status_seconds)
            try:
                await self.publish()
            except errors.NotFound:
                await self.register()
            except errors.ApiError as error:
                log.info("node status: %s", error.message)


async def keep_lease(api: Api, config: AgentConfig) -> None:
    """Renew this node's Lease; until cancelled. The node controller takes a node without one for dead.

    A request that stays without an answer (the link is cut) is given up in time for the next: TCP would wait longer."""
    kind, lease = resource("leases.coordination.k8s.io"), None
    while True:
        try:
            async with asyncio.timeout(config.lease_seconds / 4):
                lease = await _renewed(api, config, lease)
            await asyncio.sleep(config.lease_renew_seconds)
            continue
        except TimeoutError:
            log.info("lease: the API server does not answer")
            continue
        except (errors.Conflict, errors.AlreadyExists, errors.NotFound):
            try:
                lease = await api.get(kind, config.node_name, LEASE_NAMESPACE)
                continue
            except errors.NotFound:
                lease = None
            except errors.ApiError as error:
                log.info("lease: %s", error.message)
        except errors.ApiError as error:
            log.info("lease: %s", error.message)
        await asyncio.sleep(_RETRY_SECONDS)


async def _renewed(api: Api, config: AgentConfig, lease: Mapping[str, Any] | None) -> Object:
    kind = resource("leases.coordination.k8s.io")
    spec = {
        "holderIdentity": config.node_name,
        "leaseDurationSeconds": config.lease_seconds,
        "renewTime": meta.now_micro(),
    }
    if lease is not None:
        return await api.update(kind, {**lease, "spec": {**(lease.get("spec") or {}), **spec}})
    body: Object = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": config.node_name, "namespace": LEASE_NAMESPACE},
        "spec": spec,
    }
    try:
        owner = await api.get(resource("nodes"), config.node_name)
        owner.update(apiVersion="v1", kind="Node")
        body["metadata"]["ownerReferences"] = [meta.owner_reference(owner, controller=False, block=False)]
    except errors.NotFound:
        pass
    return await api.create(kind, body, LEASE_NAMESPACE)
