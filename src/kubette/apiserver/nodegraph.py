"""Which objects each node's pods need: the relations that the node authorizer looks up.

    Secret, ConfigMap, PersistentVolumeClaim, ServiceAccount, ResourceClaim ← pod ← node
    Secret ← PersistentVolume ← claim;  VolumeAttachment ← node;  ResourceSlice ← node

The relations follow the store's events: an answer costs one look-up, plus once what was written since the last.
Source: plugin/pkg/auth/authorizer/node/graph.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from kubette.api import meta
from kubette.apiserver import podreferences
from kubette.store import Compacted, Store

Object = dict[str, Any]
#: (resource, namespace, name)
Vertex = tuple[str, str, str]
_PODS, _VOLUMES = "pods", "persistentvolumes"
_ATTACHMENTS, _SLICES = "volumeattachments.storage.k8s.io", "resourceslices.resource.k8s.io"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that is bound to a node, and everything that it names."""

    node: str
    needs: frozenset[Vertex]


@dataclass(frozen=True, slots=True)
class Volume:
    """A PersistentVolume's claim and its Secrets."""

    claim: Vertex
    secrets: frozenset[Vertex]


def narrow_pod(pod: Object) -> Pod | None:
    """None for a pod without a node. A mirror pod needs nothing: its node has written it."""
    spec, namespace = pod.get("spec") or {}, meta.namespace(pod)
    node = spec.get("nodeName")
    if not node:
        return None
    own = (_PODS, namespace, meta.name(pod))
    if podreferences.is_mirror(pod):
        return Pod(str(node), frozenset({own}))
    found: dict[str, Iterable[str]] = {
        "secrets": podreferences.secrets(pod),
        "configmaps": podreferences.config_maps(pod),
        "persistentvolumeclaims": podreferences.claims(pod),
        "resourceclaims.resource.k8s.io": podreferences.resource_claims(pod),
        "serviceaccounts": {str(spec.get("serviceAccountName") or "")} - {""},
    }
    needs = {(resource, namespace, name) for resource, all_of in found.items() for name in all_of}
    return Pod(str(node), frozenset({own, *needs}))


def narrow_volume(volume: Object) -> Volume | None:
    """None for a volume that is not claimed."""
    claim = (volume.get("spec") or {}).get("claimRef")
    if not claim:
        return None
    secrets = frozenset(("secrets", *key) for key in podreferences.secrets_of_volume(volume))
    key = ("persistentvolumeclaims", str(claim.get("namespace") or ""), str(claim.get("name") or ""))
    return Volume(key, secrets)


class Graph:
    """The relations of everything in ``store``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pods: dict[Vertex, Pod] = {}
        self._volumes: dict[Vertex, Volume] = {}
        self._nodes: dict[Vertex, Counter[str]] = {}  # object → nodes, with the number of pods that need it
        self._of_secret: dict[Vertex, set[Vertex]] = {}  # Secret → PersistentVolumes
        self._named: dict[Vertex, str] = {}  # attachment or slice → node
        self._cursors: dict[str, int] = {}
        self._take: dict[str, Callable[[Vertex, Object | None], None]] = {
            _PODS: self._pod, _VOLUMES: self._volume, _ATTACHMENTS: self._of_node, _SLICES: self._of_node,
        }  # fmt: skip

    def related(self, node: str, resource: str, namespace: str, name: str) -> bool:
        """Whether ``node`` has to do with the object."""
        self._follow()
        key = (resource, namespace, name)
        if resource in (_ATTACHMENTS, _SLICES):
            return self._named.get(key) == node
        if resource == _VOLUMES:
            return self._claimed(key, node)
        if node in self._nodes.get(key, ()):
            return True
        return any(self._claimed(volume, node) for volume in self._of_secret.get(key, ()))

    def _claimed(self, volume: Vertex, node: str) -> bool:
        found = self._volumes.get(volume)
        return found is not None and node in self._nodes.get(found.claim, ())

    # ---- following the store

    def _follow(self) -> None:
        now = self._store.rev
        for resource in self._take:
            if self._store.version(resource) > self._cursors.get(resource, 0):
                self._catch_up(resource)
            self._cursors[resource] = now

    def _catch_up(self, resource: str) -> None:
        take = self._take[resource]
        try:
            events = self._store.ring(resource).since(self._cursors.get(resource, 0))
        except Compacted:
            for key in [k for k in (*self._pods, *self._volumes, *self._named) if k[0] == resource]:
                take(key, None)
            for (namespace, name), entry in self._store.items(resource):
                take((resource, namespace, name), orjson.loads(entry.value))
            return
        for event in events:
            take(event.key, None if event.deleted else orjson.loads(event.value))

    def _pod(self, key: Vertex, obj: Object | None) -> None:
        new, old = narrow_pod(obj) if obj else None, self._pods.get(key)
        if new == old:
            return
        if old is not None:
            del self._pods[key]
            for needed in old.needs:
                nodes = self._nodes[needed]
                nodes[old.node] -= 1
                if not nodes[old.node]:
                    del nodes[old.node]
                if not nodes:
                    del self._nodes[needed]
        if new is not None:
            self._pods[key] = new
            for needed in new.needs:
                self._nodes.setdefault(needed, Counter())[new.node] += 1

    def _volume(self, key: Vertex, obj: Object | None) -> None:
        old = self._volumes.pop(key, None)
        for secret in old.secrets if old else ():
            self._of_secret[secret].discard(key)
            if not self._of_secret[secret]:
                del self._of_secret[secret]
        if obj is not None and (new := narrow_volume(obj)) is not None:
            self._volumes[key] = new
            for secret in new.secrets:
                self._of_secret.setdefault(secret, set()).add(key)

    def _of_node(self, key: Vertex, obj: Object | None) -> None:
        """An object whose spec names its node."""
        self._named.pop(key, None)
        if obj is not None and (node := (obj.get("spec") or {}).get("nodeName")):
            self._named[key] = str(node)
