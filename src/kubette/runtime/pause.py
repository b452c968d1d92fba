"""The one process that some pods need beside their containers': the first of a PID namespace that they share.

Pods have no pause process, as their other namespaces are pinned by bind mounts. A PID namespace ends with its first
process, so ``shareProcessNamespace`` needs one that outlives every container and reaps what they leave behind.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kubette.runtime import local_images
from kubette.runtime.interface import ContainerSpec, Resources, Sandbox, Security

#: No container of a pod can have this name. As a container's it is the sandbox' own, and nobody is told of it.
NAME = "POD"
REFERENCE = "docker.io/kubette/pause:latest"
_NOBODY = 65535


def spec(sandbox: Sandbox, log: Path) -> ContainerSpec:
    """Without a right, and the last to be killed where memory runs out."""
    return ContainerSpec(
        pod_uid=sandbox.pod_uid,
        name=NAME,
        attempt=0,
        image=local_images.image_of(REFERENCE).id,
        sandbox=replace(sandbox, share_pid=False),
        resources=Resources(cpu_shares=2, oom_score_adj=-998),
        security=Security(
            run_as_user=_NOBODY,
            run_as_group=_NOBODY,
            read_only_root=True,
            allow_privilege_escalation=False,
            drop_capabilities=("ALL",),
            seccomp="RuntimeDefault",
        ),
        log_path=log,
    )
