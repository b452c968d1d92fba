"""What the shell offers after Tab: clusters, nodes, components, and what ``trace`` takes.

Each function has the form that click asks for (``shell_complete``) and answers with an empty list when it cannot
know: a completion never prints an error. Only root may read the clusters' data, so only root is offered names.
"""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterable
from pathlib import Path

import click

from kubette.clusterspec import DATA_ROOT, DEFAULT_NAME, ClusterError, ClusterSpec, known, load

_API_SECONDS = 1.0


def clusters(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of this machine's clusters."""
    with contextlib.suppress(OSError, ClusterError):
        return _starting((spec.name for spec in known(_data_root(ctx))), incomplete)
    return []


def nodes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Nodes of the cluster that ``--name`` names."""
    spec = _spec(ctx)
    return _starting(spec.nodes, incomplete) if spec else []


def components(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Components that have a log: supervisor, server and nodes."""
    spec = _spec(ctx)
    return _starting(("supervisor", "server", *spec.nodes), incomplete) if spec else []


def sources(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Where a traced packet may begin: ``outside``, nodes and pods."""
    spec = _spec(ctx)
    if spec is None:
        return _starting(("outside",), incomplete)
    return _starting(["outside", *(f"node/{node}" for node in spec.nodes), *_named(ctx, spec, "pod")], incomplete)


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Where a traced packet may go: Services, pods and Ingresses."""
    spec = _spec(ctx)
    if spec is None:
        return []
    return _starting([row for kind in ("svc", "pod", "ingress") for row in _named(ctx, spec, kind)], incomplete)


_PATHS = {
    "pod": "/api/v1/namespaces/{}/pods",
    "svc": "/api/v1/namespaces/{}/services",
    "ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
}


def _named(ctx: click.Context, spec: ClusterSpec, kind: str) -> list[str]:
    """``KIND/NAME`` of every such object in the namespace that the command line names."""
    from kubette.cluster.adminapi import Api

    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, LookupError):
        with Api(spec, seconds=_API_SECONDS) as api:
            listed = api.get(_PATHS[kind].format(ctx.params.get("namespace") or "default") + "?limit=500")
        return [f"{kind}/{item['metadata']['name']}" for item in listed["items"]]
    return []


def _spec(ctx: click.Context) -> ClusterSpec | None:
    with contextlib.suppress(OSError, ClusterError):
        return load(ctx.params.get("name") or DEFAULT_NAME, _data_root(ctx))
    return None


def _data_root(ctx: click.Context) -> Path:
    return Path(ctx.params.get("data_root") or DATA_ROOT)


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
