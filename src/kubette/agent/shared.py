"""What the workers of a node share: the seams to the world, and facts about the node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kubette.agent.config import AgentConfig
from kubette.agent.images import ImagePuller
from kubette.agent.objects import ApiObjects
from kubette.api.meta import Object
from kubette.client.events import Recorder
from kubette.client.interface import Api
from kubette.network.interface import HostPorts, PodNetwork
from kubette.runtime.interface import Runtime


@dataclass(slots=True)
class Shared:
    """One per agent. ``services``: all Services known now; ``clock``: seconds since the epoch; ``measuring``: held
    while a pod's disk usage is measured, so that large trees never take all threads."""

    config: AgentConfig
    api: Api
    runtime: Runtime
    puller: ImagePuller
    network: PodNetwork
    host_ports: HostPorts | None
    recorder: Recorder
    objects: ApiObjects
    services: Callable[[], Iterable[Object]] = tuple
    allocatable: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int = 1 << 30
    clock: Callable[[], float] = time.time
    measuring: asyncio.Lock = field(default_factory=asyncio.Lock)
