"""The node agent: runs the pods that the API assigns to its node. Alone it works against any cluster.

    service    wiring, informers, adoption          node       registration, heartbeat
    workers    one sequential worker a pod          lifecycle  what to start and stop: pure
    status     the pod's status: pure               probes     when and how probes run
    env        environment, expansion: pure         files      hosts and resolv.conf: pure
    volumes/   one kind of volume a file            images     pull policy and its back-off
    creation   a container from its pod             nodeapi    HTTPS on 10250: logs, exec, port-forward
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubette.agent.config import AgentConfig

if TYPE_CHECKING:
    from kubette.client.interface import Api
    from kubette.network.interface import HostPorts, PodNetwork
    from kubette.runtime.interface import Images, Runtime

__all__ = ["AgentConfig", "run"]


async def run(
    client: Api,
    config: AgentConfig,
    runtime: Runtime,
    images: Images,
    network: PodNetwork,
    *,
    host_ports: HostPorts | None = None,
) -> None:
    """Serve as a node until cancelled; pods go on running then. See ``service``."""
    from kubette.agent.service import Agent

    await Agent(client, config, runtime, images, network, host_ports).run()
