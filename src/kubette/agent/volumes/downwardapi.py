"""``downwardAPI``: the pod's own fields as files; labels and annotations are kept up to date."""

from __future__ import annotations

from typing import Any

from kubette.agent import downward
from kubette.agent.volumes import payload
from kubette.agent.volumes.base import Context, VolumeAt, VolumeError

Obj = dict[str, Any]


async def setup(context: Context, volume: Obj) -> VolumeAt:
    source = volume["downwardAPI"]
    files = files_of(context, source, payload.default_mode(source))
    path = context.directory("downward-api", volume["name"])
    await payload.write(path, files, context.fs_group)
    return VolumeAt(path, writable=False)


def files_of(context: Context, source: Obj, mode: int) -> dict[str, payload.File]:
    out = {}
    for item in source.get("items") or ():
        try:
            if ref := item.get("fieldRef"):
                text = downward.field_value(context.pod, ref["fieldPath"], context.pod_ips, context.host_ips)
            else:
                text = downward.resource_value(context.pod, {}, item["resourceFieldRef"], context.allocatable)
        except downward.Unknown as error:
            raise VolumeError(str(error)) from error
        own = item.get("mode")
        out[payload.checked(item["path"])] = payload.File(text.encode(), mode if own is None else int(own))
    return out
