"""The node agent: runs the pods that the API assigns to its node. Alone it works against any cluster.

A pod's story, in this order:

    service         follows the pods of this node and gives each one a worker
    pod_worker      the worker: observe, decide, act, watch, report, again and again
    lifecycle       what should happen: what to start and stop next (pure)
    sandbox         making it happen: namespaces, addresses, volumes, files
    containers      making it happen: images, starts, hooks, stops
    prober          watching it: probes and readiness
    status_manager  reporting it, as ``status`` derives it (pure)

What they use: ``pod_state`` (what is known of a pod), ``container_spec`` (a container for the runtime), ``env``,
``files`` and ``downward`` (its environment and files, pure), ``volumes/`` (one kind a file), ``images`` (pull policy),
``handlers`` (probes and hooks, run once), ``tasks`` (owned background tasks). Beside the pods: ``node`` (the Node
object and its Lease), ``nodeapi`` (HTTPS on port 10250), ``admission`` (which pods the node refuses), ``orphans``.
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
