"""A container before it runs: its directory with root filesystem, OCI configuration and record.

All or nothing: what could not be completed leaves no directory and no mount.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

import orjson

from kubette.runtime import devices, records, rootfs, seccomp
from kubette.runtime import spec as specs
from kubette.runtime.images import ImageStore
from kubette.runtime.interface import ContainerSpec, Image, RuntimeFailure
from kubette.runtime.layout import Layout
from kubette.runtime.records import Record
from kubette.runtime.sandboxes import Sandboxes


class Bundles:
    """Makes them; what this machine and this process may do is looked at once."""

    def __init__(self, layout: Layout, images: ImageStore, sandboxes: Sandboxes) -> None:
        self._layout = layout
        self._images = images
        self._sandboxes = sandboxes
        self._caps = specs.own_capabilities()
        self._min_oom = specs.own_oom_score_adj()

    def make(self, spec: ContainerSpec, image: Image, pidns: Path | None) -> Record:
        """The record of a new container. ``pidns``: the PID namespace that it joins; None: one of its own.
        Blocks, for long where a local image must be built first."""
        directory = self._layout.containers / secrets.token_hex(32)
        directory.mkdir(mode=0o700)
        try:
            config, user = self._config(directory, spec, image, pidns)
            (directory / "config.json").write_bytes(orjson.dumps(config))
            record = Record(
                id=directory.name, pod_uid=spec.pod_uid, name=spec.name, attempt=spec.attempt, image=spec.image,
                log_path=str(spec.log_path), labels=dict(spec.labels),
                stop_signal=spec.stop_signal or image.stop_signal,
                tty=spec.tty, stdin=spec.stdin, stdin_once=spec.stdin_once, created_at=time.time(),
                user=[user.uid, user.gid, *user.groups],
            )  # fmt: skip
            records.save(directory, record)
        except BaseException as e:
            rootfs.discard(directory)
            if isinstance(e, OSError):
                raise RuntimeFailure(f"failed to create container: {e}", "CreateContainerError") from e
            raise
        return record

    def _config(
        self, directory: Path, spec: ContainerSpec, image: Image, pidns: Path | None
    ) -> tuple[dict[str, Any], specs.User]:
        """Mounts the root; the configuration that completes it, and whom the container runs as."""
        source = self._images.root(spec.image)
        root, extra = rootfs.prepare(directory, source)
        taken = {"/", *(os.path.normpath(m.target) for m in spec.mounts)}
        declared = {os.path.normpath(f"/{v.lstrip('/')}") for v in image.volumes}
        own = rootfs.volumes(directory, source, declared - taken)
        user = specs.user_of(spec, image, root)
        config = specs.config(
            spec,
            image,
            root=root,
            user=user,
            hostname=self._sandboxes.hostname(spec.pod_uid),
            cgroup="/" + self._layout.container_cgroup(spec.pod_uid, directory.name),
            shm=self._sandboxes.shm(spec.sandbox),
            extra_mounts=extra,
            volumes=own,
            available=self._caps,
            cgroup_namespace=self._layout.hierarchies.is_v2,
            min_oom_score_adj=self._min_oom,
            devices=devices.of_host() if spec.security.privileged else (),
            pidns=pidns,
            profile=seccomp.profile(spec.security.seccomp, specs.capabilities(spec)),
        )
        return config, user
