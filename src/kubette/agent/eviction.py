"""Which pods the node evicts because they hold more local storage than their limits allow. Pure.

``PodSandbox`` measures and acts. Source: the kubelet's ``eviction`` package (``localStorageEviction``) and
https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubette.agent import qos
from kubette.agent.lifecycle import containers, every_container
from kubette.api import quantity
from kubette.api.meta import Object
from kubette.api.placement import pod_requests
from kubette.runtime.interface import Usage

REASON = "Evicted"
GRACE_SECONDS = 1.0  # of an evicted pod's containers, whatever the pod asks for
_STORAGE = "ephemeral-storage"


@dataclass(frozen=True, slots=True)
class PodUsage:
    """What a pod holds of the node's disk. ``containers``: by name, what it wrote to its root, and its logs;
    ``volumes``: the emptyDirs that have a limit; ``files``: everything else, those volumes among it."""

    containers: Mapping[str, Usage] = field(default_factory=dict)
    volumes: Mapping[str, Usage] = field(default_factory=dict)
    files: Usage = field(default_factory=Usage)

    @property
    def total(self) -> Usage:
        return sum(self.containers.values(), self.files)


def has_limits(pod: Object) -> bool:
    """Whether the pod must be measured at all. A critical pod is never evicted."""
    limited = volume_limits(pod) or any(_storage_limit(c) for c in every_container(pod))
    return bool(limited) and not qos.is_critical(pod)


def volume_limits(pod: Object) -> dict[str, str]:
    """emptyDir volumes on disk → their ``sizeLimit``. The kernel holds a tmpfs to its own."""
    out = {}
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        source = volume.get("emptyDir") or {}
        limit = str(source.get("sizeLimit") or "0")
        if quantity.to_int(limit) > 0 and not source.get("medium"):
            out[volume["name"]] = limit
    return out


def over_limit(pod: Object, usage: PodUsage) -> str:
    """Why the pod must be evicted, in upstream's words; empty when it keeps every limit."""
    for name, limit in volume_limits(pod).items():
        if usage.volumes.get(name, Usage()).bytes > quantity.to_int(limit):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{quantity.canonical(limit)}". '
    whole = _pod_limit(pod)
    if whole is not None and usage.total.bytes > whole:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {_sum_text(pod, whole)}. "
    for container in containers(pod):
        name, own = container["name"], _storage_limit(container)
        if own and usage.containers.get(name, Usage()).bytes > quantity.to_int(own):
            return f'Container {name} exceeded its local ephemeral storage limit "{quantity.canonical(own)}". '
    return ""


def _storage_limit(container: Object) -> str:
    """The container's limit as it is written; empty where there is none."""
    limit = str(((container.get("resources") or {}).get("limits") or {}).get(_STORAGE, ""))
    return limit if limit and quantity.to_int(limit) > 0 else ""


def _pod_limit(pod: Object) -> int | None:
    """All containers' limits together, or the largest step of the init phase; None where no container has one."""
    if not any(_storage_limit(c) for c in every_container(pod)):
        return None
    spec = dict(pod.get("spec") or {})
    for kind in ("containers", "initContainers"):  # limits in the place of the requests, which are summed up
        spec[kind] = [
            {**c, "resources": {"requests": {_STORAGE: _storage_limit(c) or "0"}}} for c in spec.get(kind) or ()
        ]
    spec.pop("resources", None)
    return pod_requests(spec)[0].get(_STORAGE, 0)


def _sum_text(pod: Object, total: int) -> str:
    """A sum is printed in the style of its first term: with binary suffixes, or with decimal ones."""
    first = next(limit for c in (*containers(pod), *every_container(pod)) if (limit := _storage_limit(c)))
    return quantity.binary(total) if first.endswith("i") else quantity.canonical(str(total))
