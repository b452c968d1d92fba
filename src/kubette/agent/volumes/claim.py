"""``persistentVolumeClaim``: a bound claim whose volume is a path of the node's (``hostPath`` or ``local``)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from kubette.agent.volumes import hostpath
from kubette.agent.volumes.base import Context, VolumeAt, VolumeError
from kubette.api import meta

Obj = dict[str, Any]


async def setup(context: Context, volume: Obj) -> VolumeAt:
    name = volume["persistentVolumeClaim"]["claimName"]
    spec = await context.objects.claim_source(meta.namespace(context.pod), name)
    if source := spec.get("hostPath"):
        return await asyncio.to_thread(hostpath.at, Path(source["path"]), source.get("type") or "")
    if source := spec.get("local"):
        return await asyncio.to_thread(hostpath.at, Path(source["path"]), "Directory")
    raise VolumeError(f'the volume of claim "{name}" is of a kind that this node cannot mount')
