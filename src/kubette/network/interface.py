"""The seam between the node agent and the pod network: who gives a pod its links and addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol


class PodNetwork(Protocol):
    """The pod links of one node. Every call is idempotent; ``start`` comes before anything else."""

    async def start(self, pod_cidrs: Sequence[str], /) -> None:
        """Make ready to address pods from the node's own ranges; takes over what an earlier agent gave out."""
        ...

    async def attach(self, pod_uid: str, netns: Path, /, *, ip: str | None = None) -> tuple[str, ...]:
        """Connect the namespace and return the pod's IPs, primary first. The same pod gets the same IPs."""
        ...

    async def detach(self, pod_uid: str, /) -> None:
        """Take the link away and free the addresses. Detaching what was never attached succeeds."""
        ...


class HostPorts(Protocol):
    """Container ports on the node's own addresses; ``network.hostports`` is one."""

    def set(self, pod_uid: str, ports: Iterable[tuple[str, str, int, str, int]]) -> None:
        """All of the pod's: (protocol, host IP or "", host port, pod IP, container port)."""
        ...

    def remove(self, pod_uid: str) -> None: ...
