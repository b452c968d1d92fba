"""What a container is to be: from its part of the pod to the runtime's ContainerSpec. Starts and stops nothing.

The labels are what a later agent takes a running container over by.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from kubette.agent import env, qos
from kubette.agent.config import AgentConfig
from kubette.agent.env import ConfigError
from kubette.agent.expansion import expand_all, expand_strict
from kubette.agent.shared import Shared
from kubette.agent.volumes import subpath
from kubette.agent.volumes.base import VolumeAt
from kubette.api import meta
from kubette.api.meta import Object
from kubette.runtime import references
from kubette.runtime.interface import ContainerSpec, Image, Mount, Sandbox, Security

LABEL_NAME = "io.kubernetes.pod.name"
LABEL_NAMESPACE = "io.kubernetes.pod.namespace"
LABEL_UID = "io.kubernetes.pod.uid"
LABEL_CONTAINER = "io.kubernetes.container.name"
LABEL_RESTARTS = "io.kubernetes.container.restartCount"
LABEL_HASH = "io.kubernetes.container.hash"
LABEL_GRACE = "io.kubernetes.pod.terminationGracePeriod"
LABEL_MESSAGE = "io.kubernetes.container.terminationMessageFile"  # on the node
LABEL_IMAGE = "io.kubernetes.container.image"  # its whole name, with registry and tag
LABEL_RESOURCES = "io.kubernetes.container.resources"  # what it was given, as JSON
LABEL_IMAGE_ID = "io.kubernetes.container.imageID"

_PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}
_MESSAGE_PATH = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class PodSetup:
    """What a pod's containers are put into. ``files``: mounts of /etc/hosts, /etc/resolv.conf and /etc/hostname."""

    sandbox: Sandbox
    ips: tuple[str, ...]
    volumes: Mapping[str, VolumeAt]
    files: tuple[Mount, ...]


def format_pod(pod: Object) -> str:
    """The pod as the kubelet names it in messages."""
    return f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"


async def container_spec(
    shared: Shared, pod: Object, container: Object, setup: PodSetup, attempt: int, image: Image, *, pid_of: str = ""
) -> ContainerSpec:
    """ConfigError or VolumeError say why the container cannot be configured. ``pid_of``: the ID of the container
    whose PID namespace it joins."""
    variables = await _environment(shared, pod, container, setup.ips)
    sub_paths = shared.config.pod_dir(meta.uid(pod)) / "volume-subpaths"
    mounts = await asyncio.to_thread(volume_mounts, container, setup.volumes, variables, sub_paths)
    taken = {m.target.rstrip("/") for m in mounts}
    mounts += [m for m in setup.files if m.target not in taken]
    message_file, log_path = await asyncio.to_thread(_node_files, shared.config, pod, container["name"], attempt)
    message_path = container.get("terminationMessagePath") or _MESSAGE_PATH
    if message_path not in taken:
        mounts.append(Mount(message_file, message_path))
    return ContainerSpec(
        pod_uid=meta.uid(pod),
        name=container["name"],
        attempt=attempt,
        image=image.id,
        sandbox=setup.sandbox,
        command=expand_all(container.get("command") or (), variables),
        args=expand_all(container.get("args") or (), variables),
        env=tuple(variables.items()),
        working_dir=container.get("workingDir") or "",
        mounts=tuple(mounts),
        resources=qos.kernel_resources(pod, container, shared.memory_bytes),
        security=security(pod, container, shared.config.seccomp_dir),
        tty=bool(container.get("tty")),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        log_path=log_path,
        labels=labels(pod, container, attempt, message_file, image),
        pod_words=format_pod(pod),
        stop_signal=(container.get("lifecycle") or {}).get("stopSignal") or "",
        pid_of=pid_of,
    )


async def _environment(shared: Shared, pod: Object, container: Object, ips: Sequence[str]) -> dict[str, str]:
    maps, secrets = env.references(container)
    namespace = meta.namespace(pod)
    found_maps = {n: await shared.objects.config_map(namespace, n) for n in sorted(maps)}
    found_secrets = {n: await shared.objects.secret(namespace, n) for n in sorted(secrets)}
    sources = env.Sources(
        services=tuple(shared.services()),
        config_maps={n: o for n, o in found_maps.items() if o is not None},
        secrets={n: o for n, o in found_secrets.items() if o is not None},
        pod_ips=ips,
        host_ips=shared.config.node_ips,
        allocatable=shared.allocatable,
    )
    return env.build(pod, container, sources)


def _node_files(config: AgentConfig, pod: Object, name: str, attempt: int) -> tuple[Path, Path]:
    """Make the termination message file, empty, and the directory of the log. Returns both files' paths."""
    message = config.pod_dir(meta.uid(pod)) / "containers" / name / f"{attempt}.message"
    message.parent.mkdir(parents=True, exist_ok=True)
    message.write_bytes(b"")
    message.chmod(0o666)
    logs = config.pod_logs_dir(meta.namespace(pod), meta.name(pod), meta.uid(pod)) / name
    logs.mkdir(parents=True, exist_ok=True)
    return message, logs / f"{attempt}.log"


def spec_hash(container: Object) -> str:
    """Changes with what matters for a restart: the image (the only field of a running container that may)."""
    kept = {"name": container["name"], "image": container.get("image")}
    return hashlib.blake2s(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS), digest_size=4).hexdigest()


def labels(pod: Object, container: Object, attempt: int, message_file: Path, image: Image) -> dict[str, str]:
    grace = (pod.get("spec") or {}).get("terminationGracePeriodSeconds")
    return {
        LABEL_NAME: meta.name(pod),
        LABEL_NAMESPACE: meta.namespace(pod),
        LABEL_UID: meta.uid(pod),
        LABEL_CONTAINER: container["name"],
        LABEL_RESTARTS: str(attempt),
        LABEL_HASH: spec_hash(container),
        LABEL_GRACE: str(30 if grace is None else grace),
        LABEL_MESSAGE: str(message_file),
        LABEL_IMAGE: str(references.parse(str(container["image"]))),
        LABEL_RESOURCES: orjson.dumps(container.get("resources") or {}).decode(),
        LABEL_IMAGE_ID: image.digests[0] if image.digests else image.id,
    }


def security(pod: Object, container: Object, profiles: Path) -> Security:
    """The container's security context over the pod's. ``profiles``: where Localhost seccomp profiles lie."""
    of_pod = (pod.get("spec") or {}).get("securityContext") or {}
    own = container.get("securityContext") or {}

    def pick(name: str) -> Any:
        return own.get(name) if own.get(name) is not None else of_pod.get(name)

    groups = list(of_pod.get("supplementalGroups") or ())
    if of_pod.get("fsGroup") is not None:
        groups.append(of_pod["fsGroup"])
    capabilities = own.get("capabilities") or {}
    return Security(
        privileged=bool(own.get("privileged")),
        run_as_user=pick("runAsUser"),
        run_as_group=pick("runAsGroup"),
        run_as_non_root=bool(pick("runAsNonRoot")),
        supplemental_groups=tuple(groups),
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
        allow_privilege_escalation=own.get("allowPrivilegeEscalation") is not False,
        add_capabilities=tuple(capabilities.get("add") or ()),
        drop_capabilities=tuple(capabilities.get("drop") or ()),
        seccomp=_seccomp(pick("seccompProfile") or {}, profiles),
    )


def _seccomp(chosen: Object, profiles: Path) -> str:
    match chosen.get("type"):
        case "RuntimeDefault":
            return "RuntimeDefault"
        case "Localhost":
            return str(profiles / chosen["localhostProfile"])
    return ""


def volume_mounts(
    container: Object, volumes: Mapping[str, VolumeAt], variables: Mapping[str, str], sub_paths: Path
) -> list[Mount]:
    """The volumeMounts. ConfigError or VolumeError when a subPath cannot be had. ``sub_paths``: the pod's directory,
    below which they are bound."""
    name, out = container["name"], []
    for index, m in enumerate(container.get("volumeMounts") or ()):
        volume = volumes.get(m["name"])
        if volume is None:
            raise ConfigError(f'cannot find volume "{m["name"]}" to mount into container "{name}"')
        source, sub = volume.path, m.get("subPath") or ""
        if m.get("subPathExpr"):
            sub, missing = expand_strict(m["subPathExpr"], variables)
            if missing:
                raise ConfigError(f"missing value for {', '.join(missing)}")
        if sub:
            words = f'volumeMount "{m["name"]}" of container "{name}"'
            source = subpath.bind(volume, sub, sub_paths / m["name"] / name / str(index), words)
        out.append(
            Mount(
                source,
                m["mountPath"] if m["mountPath"].startswith("/") else "/" + m["mountPath"],
                bool(m.get("readOnly")) or not volume.writable,
                _PROPAGATION.get(m.get("mountPropagation") or "", "private"),
            )
        )
    return out
