"""Starting and stopping one container: image, configuration, create, start, hooks; each with upstream's events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from kubette.agent import creation, env, hooks, qos
from kubette.agent.env import ConfigError
from kubette.agent.images import auths_of
from kubette.agent.podsetup import Prepared
from kubette.agent.shared import Shared
from kubette.agent.volumes.base import VolumeError
from kubette.api import meta
from kubette.runtime import references
from kubette.runtime.interface import Container, ContainerSpec, Image, ImageFailure, Mount, RuntimeFailure

Obj = dict[str, Any]
T = TypeVar("T")

log = logging.getLogger(__name__)

_MIN_GRACE = 2.0
_POST_START_SECONDS = 3600.0


class StartFailure(Exception):
    """The container does not run: the waiting reason and message that its status shows."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def pod_words(pod: Obj) -> str:
    """The pod as the kubelet names it in messages."""
    return f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"


def field_path(pod: Obj, name: str) -> str:
    spec = pod.get("spec") or {}
    kinds = ("initContainers", "ephemeralContainers")
    where = next((k for k in kinds if any(c["name"] == name for c in spec.get(k) or ())), "containers")
    return f"spec.{where}{{{name}}}"


def emitter(shared: Shared, pod: Obj, name: str) -> Callable[[str, str, str], None]:
    """Events about one container."""
    path = field_path(pod, name)

    def emit(type_: str, reason: str, message: str) -> None:
        shared.recorder.event(pod, type_, reason, message, field_path=path)

    return emit


async def start(
    shared: Shared,
    pod: Obj,
    container: Obj,
    prepared: Prepared,
    attempt: int,
    started: Callable[[str], Awaitable[None]],
    target: str = "",
) -> None:
    """Bring the container up. ``started(id)`` is called when it has been created, before its postStart hook.
    ``target``: the ID of the running container whose processes an ephemeral one is to see.

    StartFailure says why it does not run; cancelling never leaves a container half made."""
    name = container["name"]
    emit = emitter(shared, pod, name)
    try:
        image = await shared.puller.ensure(meta.uid(pod), container, await _auths(shared, pod, container, emit), emit)
    except ImageFailure as error:
        emit("Warning", "Failed", f"Error: {error.reason}")
        raise StartFailure(error.reason, str(error)) from error
    try:
        if (wanted := container.get("targetContainerName")) and not target:
            raise ConfigError(f"unable to find target container {wanted}")
        spec = replace(await _spec(shared, pod, container, prepared, attempt, image), pid_of=target)
    except (ConfigError, VolumeError) as error:
        emit("Warning", "Failed", f"Error: {error}")
        raise StartFailure("CreateContainerConfigError", str(error)) from error
    try:
        identity = await _whole(_create_and_start(shared, spec, emit, started))
    except RuntimeFailure as error:
        emit("Warning", "Failed", f"Error: {error}")
        raise StartFailure(error.reason, str(error)) from error
    if handler := (container.get("lifecycle") or {}).get("postStart"):
        ip = prepared.ips[0] if prepared.ips else ""
        try:
            await hooks.run(handler, container, ip, identity, shared.runtime, _POST_START_SECONDS)
        except hooks.HookFailure as error:
            emit("Warning", "FailedPostStartHook", "PostStartHook failed")  # what it said may be secret
            emit("Normal", "Killing", "FailedPostStartHook")
            await shared.runtime.stop(identity, _grace_of(pod))
            why = f"{error.subject} for {_words(pod, name)} failed - {error}"
            raise StartFailure("PostStartHookError", why) from error


async def _create_and_start(
    shared: Shared,
    spec: ContainerSpec,
    emit: Callable[[str, str, str], None],
    started: Callable[[str], Awaitable[None]],
) -> str:
    identity = await shared.runtime.create(spec)
    emit("Normal", "Created", "Container created")
    try:
        await shared.runtime.start(identity)
        emit("Normal", "Started", "Container started")
    finally:
        await started(identity)
    return identity


async def _whole(work: Awaitable[T]) -> T:
    """Await to the end, also when cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def _auths(
    shared: Shared, pod: Obj, container: Obj, emit: Callable[[str, str, str], None]
) -> list[dict[str, str]]:
    """What the pod's imagePullSecrets hold for the image's registry; it may do without those that are missing."""
    found, missing = [], []
    for name in [s.get("name", "") for s in (pod.get("spec") or {}).get("imagePullSecrets") or ()]:
        try:
            secret = await shared.objects.secret(meta.namespace(pod), name)
        except VolumeError:
            secret = None
        if secret is None:
            missing.append(name)
        else:
            found.append(secret)
    if missing:
        emit(
            "Warning",
            "FailedToRetrieveImagePullSecret",
            f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
            "attempting to pull the image may not succeed.",
        )
    return auths_of(found, str(container.get("image") or ""))


async def _spec(
    shared: Shared, pod: Obj, container: Obj, prepared: Prepared, attempt: int, image: Image
) -> ContainerSpec:
    name, uid, config = container["name"], meta.uid(pod), shared.config
    variables = await _environment(shared, pod, container, prepared)
    command, args = creation.command(container, variables)
    mounts = creation.mounts(container, prepared.volumes, variables)
    taken = {m.target.rstrip("/") for m in mounts}
    mounts += [m for m in prepared.own_mounts if m.target not in taken]
    message_file = await asyncio.to_thread(_message_file, config.pod_dir(uid) / "containers" / name, attempt)
    message_path = container.get("terminationMessagePath") or "/dev/termination-log"
    if message_path not in taken:
        mounts.append(Mount(message_file, message_path))
    image_id = image.digests[0] if image.digests else image.id
    logs = config.pod_logs_dir(meta.namespace(pod), meta.name(pod), uid) / name
    logs.mkdir(parents=True, exist_ok=True)
    return ContainerSpec(
        pod_uid=uid,
        name=name,
        attempt=attempt,
        image=image.id,
        sandbox=prepared.sandbox,
        command=command,
        args=args,
        env=tuple(variables.items()),
        working_dir=container.get("workingDir") or "",
        mounts=tuple(mounts),
        resources=qos.kernel_resources(pod, container, shared.memory_bytes),
        security=creation.security(pod, container, config.seccomp_dir),
        tty=bool(container.get("tty")),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        log_path=logs / f"{attempt}.log",
        labels=creation.labels(pod, container, attempt, message_file, _full_name(container), image_id),
        pod_words=pod_words(pod),
        stop_signal=(container.get("lifecycle") or {}).get("stopSignal") or "",
    )


def _words(pod: Obj, name: str) -> str:
    return f'Container "{name}" in Pod "{pod_words(pod)}"'


def _full_name(container: Obj) -> str:
    return str(references.parse(str(container["image"])))


def _message_file(directory: Path, attempt: int) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{attempt}.message"
    path.write_bytes(b"")
    path.chmod(0o666)
    return path


async def _environment(shared: Shared, pod: Obj, container: Obj, prepared: Prepared) -> dict[str, str]:
    maps, secrets = env.references(container)
    namespace = meta.namespace(pod)
    found_maps = {n: await shared.objects.config_map(namespace, n) for n in sorted(maps)}
    found_secrets = {n: await shared.objects.secret(namespace, n) for n in sorted(secrets)}
    sources = env.Sources(
        services=tuple(shared.services()),
        config_maps={n: o for n, o in found_maps.items() if o is not None},
        secrets={n: o for n, o in found_secrets.items() if o is not None},
        pod_ips=prepared.ips,
        host_ips=shared.config.node_ips,
        allocatable=shared.allocatable,
    )
    return env.build(pod, container, sources)


def _grace_of(pod: Obj) -> float:
    grace = (pod.get("spec") or {}).get("terminationGracePeriodSeconds")
    return 30.0 if grace is None else float(grace)


def grace_for(pod: Obj, container: Obj, probe: str) -> float:
    """Seconds between SIGTERM and SIGKILL: the deletion's, or the failed probe's own, or the pod's."""
    deletion = meta.metadata(pod).get("deletionGracePeriodSeconds")
    if deletion is not None:
        return float(deletion)
    own = (container.get(f"{probe}Probe") or {}).get("terminationGracePeriodSeconds") if probe else None
    return _grace_of(pod) if own is None else float(own)


async def stop(
    shared: Shared, pod: Obj, container: Obj, current: Container, pod_ip: str, message: str, grace: float
) -> None:
    """preStop, the stop signal, and the kill when the grace is over; returns when the container has exited."""
    emit = emitter(shared, pod, container["name"])
    emit("Normal", "Killing", message)
    over = shared.clock() + grace
    handler = (container.get("lifecycle") or {}).get("preStop")
    if handler and grace > 0:
        try:
            await hooks.run(handler, container, pod_ip, current.id, shared.runtime, grace)
        except hooks.HookFailure as error:
            log.info("%s for %s failed - %s", error.subject, _words(pod, container["name"]), error)
            emit("Warning", "FailedPreStopHook", "PreStopHook failed")
    left = max(over - shared.clock(), min(_MIN_GRACE, max(grace, 1.0)))
    await shared.runtime.stop(current.id, left)
