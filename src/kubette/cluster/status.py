"""How a cluster is: what runs, and what the API says of its nodes. Reads only."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass

from kubette.cluster import processes, ready, supervisor
from kubette.cluster.adminapi import Api
from kubette.clusterspec import ClusterSpec


@dataclass(frozen=True, slots=True)
class Status:
    """``state``: running, degraded (something that should run does not) or stopped. pid 0: not running."""

    name: str
    state: str
    server: str
    context: str
    processes: Mapping[str, int]
    nodes: Mapping[str, str]  # name → Ready, NotReady, Off or Unknown
    addresses: Mapping[str, str]
    dns: bool


def read(spec: ClusterSpec) -> Status:
    names = (supervisor.SERVER, *spec.nodes)
    pids = {name: processes.recorded(supervisor.pid_file(spec, name)) or 0 for name in names}
    pids = {"supervisor": supervisor.running(spec) or 0, **pids}
    off = {node for node in spec.nodes if supervisor.stop_mark(spec, node).exists()}
    nodes = dict.fromkeys(spec.nodes, "Unknown")
    dns = False
    if any(pids.values()):
        try:
            with Api(spec) as api:
                nodes.update(_nodes(api))
            dns = any(_answers(spec, node) for node in spec.nodes if node not in off)
        except (OSError, http.client.HTTPException, ValueError):
            pass
    nodes.update(dict.fromkeys(off, "Off"))
    wanted = [pid for name, pid in pids.items() if name not in off]
    healthy = all(wanted) and dns and all(s in ("Ready", "Off") for s in nodes.values())
    state = "running" if healthy else "degraded" if any(pids.values()) else "stopped"
    return Status(spec.name, state, spec.server_url, spec.context, pids, nodes, dict(spec.nodes), dns)


def _nodes(api: Api) -> dict[str, str]:
    nodes = api.get("/api/v1/nodes")["items"]
    good = ready.ready_nodes(nodes)
    names = [node["metadata"]["name"] for node in nodes]
    return {name: "Ready" if name in good else "NotReady" for name in names}


def _answers(spec: ClusterSpec, node: str) -> bool:
    try:
        return ready.dns_answers(spec, node)
    except OSError:
        return False
