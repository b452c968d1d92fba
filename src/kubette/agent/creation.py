"""From a pod's container to the runtime's ContainerSpec: command, mounts, security, labels. Pure but for paths.

Labels are what a later agent adopts a running container by.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from kubette.agent.env import ConfigError
from kubette.agent.expansion import expand_all, expand_strict
from kubette.api import meta
from kubette.runtime.interface import Mount, SandboxSpec, Security

Obj = dict[str, Any]

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
_MESSAGE_LIMIT, _LOG_LIMIT, _LOG_LINES = 4096, 2048, 80


def spec_hash(container: Obj) -> str:
    """Changes with what matters for a restart: the image (the only field of a running container that may)."""
    kept = {"name": container["name"], "image": container.get("image")}
    return hashlib.blake2s(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS), digest_size=4).hexdigest()


def labels(
    pod: Obj, container: Obj, attempt: int, message_file: Path, image: str, image_id: str
) -> dict[str, str]:
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
        LABEL_IMAGE: image,
        LABEL_RESOURCES: orjson.dumps(container.get("resources") or {}).decode(),
        LABEL_IMAGE_ID: image_id,
    }


def sandbox(pod: Obj, hostname: str) -> SandboxSpec:
    spec = pod.get("spec") or {}
    sysctls = {s["name"]: s["value"] for s in (spec.get("securityContext") or {}).get("sysctls") or ()}
    return SandboxSpec(
        pod_uid=meta.uid(pod),
        pod_name=meta.name(pod),
        pod_namespace=meta.namespace(pod),
        hostname=hostname,
        host_network=bool(spec.get("hostNetwork")),
        host_ipc=bool(spec.get("hostIPC")),
        host_pid=bool(spec.get("hostPID")),
        share_pid=bool(spec.get("shareProcessNamespace")),
        sysctls=sysctls,
    )


def security(pod: Obj, container: Obj, profiles: Path) -> Security:
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


def _seccomp(chosen: Obj, profiles: Path) -> str:
    match chosen.get("type"):
        case "RuntimeDefault":
            return "RuntimeDefault"
        case "Localhost":
            return str(profiles / chosen["localhostProfile"])
    return ""


@dataclass(frozen=True, slots=True)
class VolumeAt:
    """A volume on the node. What follows an API object is not ``writable``, whatever its mount says."""

    path: Path
    writable: bool = True


def mounts(container: Obj, volumes: Mapping[str, VolumeAt], env: Mapping[str, str]) -> list[Mount]:
    """The volumeMounts. ConfigError when a subPath cannot be had."""
    out = []
    for m in container.get("volumeMounts") or ():
        volume = volumes.get(m["name"])
        if volume is None:
            raise ConfigError(f'cannot find volume "{m["name"]}" to mount into container "{container["name"]}"')
        source, sub = volume.path, m.get("subPath") or ""
        if m.get("subPathExpr"):
            sub, missing = expand_strict(m["subPathExpr"], env)
            if missing:
                raise ConfigError(f"missing value for {', '.join(missing)}")
        if sub:
            source = sub_path(volume, sub, m["name"])
        out.append(
            Mount(
                source,
                m["mountPath"] if m["mountPath"].startswith("/") else "/" + m["mountPath"],
                bool(m.get("readOnly")) or not volume.writable,
                _PROPAGATION.get(m.get("mountPropagation") or "", "private"),
            )
        )
    return out


def sub_path(volume: VolumeAt, sub: str, name: str) -> Path:
    """The path below the volume, made if it is missing; no symbolic link may lead out of it."""
    if os.path.isabs(sub) or ".." in Path(sub).parts:
        raise ConfigError(f'failed to prepare subPath for volumeMount "{name}" of container: subPath must be relative')
    root = volume.path.resolve()
    wanted = root / sub
    real = wanted.resolve()
    if real != root and root not in real.parents:
        raise ConfigError(f'failed to prepare subPath for volumeMount "{name}": {sub} leads outside of the volume')
    if not real.exists():
        if not volume.writable:
            raise ConfigError(f'failed to prepare subPath for volumeMount "{name}" of container')
        real.mkdir(parents=True, mode=0o750, exist_ok=True)
        real.chmod(volume.path.stat().st_mode & 0o7777)
    return real


def command(container: Obj, env: Mapping[str, str]) -> tuple[Sequence[str], Sequence[str]]:
    return expand_all(container.get("command") or (), env), expand_all(container.get("args") or (), env)


def termination_message(file: str, policy: str, exit_code: int, log: Path) -> str:
    """What the container left in its message file, or the end of its log if the policy says so."""
    try:
        with open(file, "rb") as f:
            text = f.read(_MESSAGE_LIMIT).decode(errors="replace")
    except OSError:
        text = ""
    if text or policy != "FallbackToLogsOnError" or exit_code == 0:
        return text
    try:
        with log.open("rb") as f:
            f.seek(max(0, log.stat().st_size - 4 * _LOG_LIMIT))
            lines = f.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line.split(" ", 3)[-1] for line in lines[-_LOG_LINES:])[-_LOG_LIMIT:]
