"""Emptying a node before it leaves the cluster, as ``kubectl drain --force --ignore-daemonsets
--delete-emptydir-data`` does: pods are evicted, so that PodDisruptionBudgets hold and containers end gracefully.

https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from kubette.api.meta import Object
from kubette.cluster.adminapi import Api, ApiFailure
from kubette.clusterspec import ClusterError

_PAUSE = 0.1
_MIRROR = "kubernetes.io/config.mirror"


def drain(api: Api, nodes: Sequence[str], seconds: float) -> None:
    """Evict every pod of ``nodes``. ClusterError, with the nodes schedulable again, when pods are left after
    ``seconds``."""
    for node in nodes:
        _set_unschedulable(api, node, True)
    deadline = time.monotonic() + seconds
    refused = ""
    while left := [pod for node in nodes for pod in _evictable(api, node)]:
        if time.monotonic() > deadline:
            for node in nodes:
                _set_unschedulable(api, node, None)
            names = ", ".join(sorted(f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in left))
            raise ClusterError(f"the cluster stays as it is: these pods do not leave their node: {names}{refused}")
        refused = _evict(api, left)
        time.sleep(_PAUSE)


def delete(api: Api, node: str) -> None:
    """Delete the Node object; one that has gone already is as good."""
    try:
        api.request("DELETE", f"/api/v1/nodes/{node}")
    except ApiFailure as error:
        if error.code != 404:
            raise


def evictable(pods: Iterable[Object]) -> list[Object]:
    """Those that an eviction moves elsewhere or ends: not a DaemonSet's, which would come back at once, not mirror
    pods, which the API only reflects, and not pods that have ended."""
    return [
        pod
        for pod in pods
        if _MIRROR not in (pod["metadata"].get("annotations") or {})
        and "DaemonSet" not in [o["kind"] for o in pod["metadata"].get("ownerReferences") or () if o.get("controller")]
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]


def _evictable(api: Api, node: str) -> list[Object]:
    return evictable(api.get(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")["items"])


def _evict(api: Api, pods: Iterable[Object]) -> str:
    """Ask for each pod that is not on its way out. Returns why a budget refused the last that it refused."""
    refused = ""
    for pod in pods:
        meta = pod["metadata"]
        if meta.get("deletionTimestamp"):
            continue
        name, namespace = meta["name"], meta["namespace"]
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
        try:
            api.request("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", eviction)
        except ApiFailure as error:
            if error.code == 429:
                refused = f" ({error.message})"
            elif error.code != 404:
                raise
    return refused


def _set_unschedulable(api: Api, node: str, value: bool | None) -> None:
    patch: dict[str, Any] = {"spec": {"unschedulable": value}}
    try:
        api.request("PATCH", f"/api/v1/nodes/{node}", patch, "application/merge-patch+json")
    except ApiFailure as error:
        if error.code != 404:  # it never came to be
            raise
