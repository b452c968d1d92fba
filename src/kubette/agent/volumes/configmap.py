"""``configMap``: its keys as files, kept up to date."""

from __future__ import annotations

from typing import Any

from kubette.agent.volumes import payload
from kubette.agent.volumes.base import Context, VolumeAt, VolumeError
from kubette.api import meta

Obj = dict[str, Any]


async def setup(context: Context, volume: Obj) -> VolumeAt:
    source = volume["configMap"]
    files = await files_of(context, source, payload.default_mode(source))
    path = context.directory("configmap", volume["name"])
    await payload.write(path, files, context.fs_group)
    return VolumeAt(path, writable=False)


async def files_of(context: Context, source: Obj, mode: int) -> dict[str, payload.File]:
    """The files of a ``configMap`` source, also inside of a projected volume."""
    name = source.get("name", "")
    found = await context.objects.config_map(meta.namespace(context.pod), name)
    if found is None and not source.get("optional"):
        raise VolumeError(f'configmap "{name}" not found')
    if found is None:
        return {}
    return payload.of_data(found, source, mode, "config")
