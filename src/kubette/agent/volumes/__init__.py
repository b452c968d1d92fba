"""A pod's volumes: one module a kind, each with the same function (see ``base``)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kubette.agent.volumes import claim, configmap, downwardapi, emptydir, hostpath, projected, secret
from kubette.agent.volumes.base import Context, VolumeAt, VolumeError
from kubette.runtime import beneath, kernel

__all__ = ["Context", "VolumeError", "remove_all", "remove_tree", "setup", "setup_all"]

log = logging.getLogger(__name__)

Obj = dict[str, Any]

KINDS: dict[str, Callable[[Context, Obj], Awaitable[VolumeAt]]] = {
    "configMap": configmap.setup,
    "downwardAPI": downwardapi.setup,
    "emptyDir": emptydir.setup,
    "hostPath": hostpath.setup,
    "persistentVolumeClaim": claim.setup,
    "projected": projected.setup,
    "secret": secret.setup,
}
#: Those whose content follows an object, so that they are looked at again while the pod runs.
REFRESHED = frozenset({"configMap", "downwardAPI", "projected", "secret"})


def kind_of(volume: Obj) -> str:
    """The field that names the kind; ``emptyDir`` when there is none."""
    return next((k for k in volume if k != "name"), "emptyDir")


async def setup(context: Context, volume: Obj) -> VolumeAt:
    """Make the volume or bring it up to date. VolumeError with the words of a FailedMount event."""
    kind = kind_of(volume)
    if kind not in KINDS:
        raise VolumeError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : no volume plugin matched {kind}')
    try:
        return await KINDS[kind](context, volume if kind in volume else {**volume, kind: {}})
    except (VolumeError, OSError) as error:
        raise VolumeError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from error


async def setup_all(context: Context, only: frozenset[str] | None = None) -> dict[str, VolumeAt]:
    """All volumes of the pod, or those of some kinds, side by side; the first failure is raised."""
    volumes = [v for v in (context.pod.get("spec") or {}).get("volumes") or () if only is None or kind_of(v) in only]
    done = await asyncio.gather(*(setup(context, v) for v in volumes), return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
    return {v["name"]: r for v, r in zip(volumes, done, strict=True) if isinstance(r, VolumeAt)}


async def remove_all(context: Context) -> None:
    """Everything that the pod's volumes put on the node; not what a hostPath points at."""

    def work() -> None:
        for directory in (context.data_dir, context.run_dir):
            for path in kernel.mounts_below(directory):
                kernel.unmount(path)
            remove_tree(directory)

    await asyncio.to_thread(work)


def remove_tree(path: Path) -> None:
    """Delete a directory that containers may have filled: however deep, and without following a link. What cannot be
    deleted is logged; the next agent tries again. Blocks."""
    try:
        beneath.remove_tree(path)
    except OSError as error:
        log.warning("%s cannot be deleted: %s", path, error)
