"""What a kind of volume is given and must return; one module a kind, with the same two functions.

    async setup(context, volume)    → VolumeAt       make it, or bring it up to date; called again and again
    VolumeError                                      with the words of a FailedMount event
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Obj = dict[str, Any]


class VolumeError(Exception):
    """The volume cannot be set up; the message is what upstream would say."""


class Objects(Protocol):
    """What volumes read through the API. None: there is no such object."""

    async def config_map(self, namespace: str, name: str) -> Obj | None: ...
    async def secret(self, namespace: str, name: str) -> Obj | None: ...
    async def token(self, pod: Obj, audience: str, seconds: int) -> str: ...
    async def claim_source(self, namespace: str, name: str) -> Obj:
        """The PersistentVolume's spec behind a claim; VolumeError while it is not bound."""
        ...


@dataclass(frozen=True, slots=True)
class VolumeAt:
    """A volume on the node. What follows an API object is not ``writable``, whatever its mount says."""

    path: Path
    writable: bool = True


@dataclass(frozen=True, slots=True)
class Context:
    """``data_dir`` outlives reboots, ``run_dir`` never touches a disk; both are the pod's own."""

    pod: Obj
    objects: Objects
    data_dir: Path
    run_dir: Path
    pod_ips: Sequence[str] = ()
    host_ips: Sequence[str] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)

    def directory(self, kind: str, name: str, *, secret: bool = False) -> Path:
        return (self.run_dir if secret else self.data_dir) / "volumes" / f"kubernetes.io~{kind}" / name

    @property
    def fs_group(self) -> int | None:
        group = ((self.pod.get("spec") or {}).get("securityContext") or {}).get("fsGroup")
        return None if group is None else int(group)
