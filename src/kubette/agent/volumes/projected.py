"""``projected``: several sources in one directory; among them the ServiceAccount token, renewed in time."""

from __future__ import annotations

from typing import Any

from kubette.agent.lifecycle import every_container
from kubette.agent.volumes import configmap, downwardapi, payload, secret
from kubette.agent.volumes.base import Context, VolumeAt, VolumeError

Obj = dict[str, Any]


async def setup(context: Context, volume: Obj) -> VolumeAt:
    source = volume["projected"]
    mode = payload.default_mode(source)
    files: dict[str, payload.File] = {}
    for part in source.get("sources") or ():
        if own := part.get("configMap"):
            files |= await configmap.files_of(context, own, mode)
        elif own := part.get("secret"):
            files |= await secret.files_of(context, own, mode)
        elif own := part.get("downwardAPI"):
            files |= downwardapi.files_of(context, own, mode)
        elif own := part.get("serviceAccountToken"):
            files |= await _token(context, own, mode)
        else:
            raise VolumeError(f"unsupported projected source: {', '.join(part)}")
    path = context.directory("projected", volume["name"], secret=True)
    await payload.write(path, files, context.fs_group)
    return VolumeAt(path, writable=False)


async def _token(context: Context, source: Obj, mode: int) -> dict[str, payload.File]:
    """Readable for the containers' user alone where that is one and the same, for the fsGroup where there is one."""
    seconds = int(source.get("expirationSeconds") or 3600)
    token = await context.objects.token(context.pod, source.get("audience") or "", seconds)
    uid = _common_user(context.pod)
    if uid is not None or context.fs_group is not None:
        mode = 0o600
    return {payload.checked(source["path"]): payload.File(token.encode(), mode, uid)}


def _common_user(pod: Obj) -> int | None:
    of_pod = ((pod.get("spec") or {}).get("securityContext") or {}).get("runAsUser")
    users = set()
    for container in every_container(pod):
        own = (container.get("securityContext") or {}).get("runAsUser")
        users.add(of_pod if own is None else own)
    return next((int(u) for u in users if u is not None), None) if len(users) == 1 else None
