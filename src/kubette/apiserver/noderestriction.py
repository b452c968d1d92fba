"""What a node may write: itself, its lease, and the pods that run on it.

RBAC cannot say "its own": it gives every node the same role. So a node whose key was stolen could otherwise
rewrite the others, or ask for a token of any ServiceAccount. The rules are those of upstream's NodeRestriction
admission (plugin/pkg/admission/noderestriction), as are the words. Pure.
"""

from __future__ import annotations

from typing import Any

from kubette.api import meta
from kubette.api.kinds import Kind, resource
from kubette.apiserver.admission import refused
from kubette.apiserver.authn import User
from kubette.apiserver.registry.base import Reader

Object = dict[str, Any]
_GROUP, _PREFIX = "system:nodes", "system:node:"
_LEASES = "kube-node-lease"
_MIRROR = "kubernetes.io/config.mirror"


def node_of(user: User) -> str | None:
    """The node that asks; None for everybody else."""
    if _GROUP not in user.groups or not user.name.startswith(_PREFIX):
        return None
    return user.name.removeprefix(_PREFIX)


def admit(
    user: User, kind: Kind, verb: str, sub: str, obj: Object, old: Object | None, reader: Reader
) -> None:
    """``obj`` is what would be written, or for a delete or a subresource of its own (eviction, token) the stored
    object; a token's request is then ``old``. Raises Forbidden."""
    node = node_of(user)
    if node is not None and (why := _why_not(node, kind, verb, sub, obj, old, reader)):
        raise refused(kind, obj, why)


def _why_not(
    node: str, kind: Kind, verb: str, sub: str, obj: Object, old: Object | None, reader: Reader
) -> str:
    match kind.group_resource:
        case "nodes":
            return _of_node(node, verb, obj, old)
        case "pods":
            return _of_pod(node, verb, sub, obj, old)
        case "leases.coordination.k8s.io":
            if meta.namespace(obj) != _LEASES:
                return f'can only access leases in the "{_LEASES}" system namespace'
            if meta.name(obj) != node:
                return "can only access node lease with the same name as the requesting node"
        case "csinodes.storage.k8s.io" if meta.name(obj) != node:
            return "can only access CSINode with the same name as the requesting node"
        case "serviceaccounts" if sub == "token":
            return _of_token(node, meta.namespace(obj), old or {}, reader)
    return ""


def _of_node(node: str, verb: str, new: Object, old: Object | None) -> str:
    if meta.name(new) != node:
        return f'node "{node}" is not allowed to modify node "{meta.name(new)}"'
    if verb != "create" and old is not None and _taints(new) != _taints(old):
        return f'node "{node}" is not allowed to modify taints'
    return ""


def _taints(node: Object) -> list[Object]:
    return (node.get("spec") or {}).get("taints") or []


def _of_pod(node: str, verb: str, sub: str, new: Object, old: Object | None) -> str:
    mine = ((old or new).get("spec") or {}).get("nodeName") == node
    if verb == "create" and not sub:
        if _MIRROR not in meta.annotations(new):
            return f'pod does not have "{_MIRROR}" annotation, node "{node}" can only create mirror pods'
        return "" if mine else f'node "{node}" can only create pods with spec.nodeName set to itself'
    if sub == "eviction":
        return "" if mine else f"node {node} can only evict pods with spec.nodeName set to itself"
    if verb == "delete":
        return "" if mine else f'node "{node}" can only delete pods with spec.nodeName set to itself'
    if sub != "status":
        return f'unexpected subresource "{sub}"' if sub else f'node "{node}" cannot update pods'
    if not mine:
        return f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
    if old is not None and meta.labels(new) != meta.labels(old):
        return f'node "{node}" cannot update labels through pod status'
    return ""


def _of_token(node: str, namespace: str, request: Object, reader: Reader) -> str:
    ref = (request.get("spec") or {}).get("boundObjectRef") or {}
    if ref.get("kind") != "Pod" or not ref.get("name"):
        return "node requested token not bound to a pod"
    if not ref.get("uid"):
        return "node requested token with a pod binding without a uid"
    pod = reader.get(resource("pods"), namespace, ref["name"])
    if pod is None or meta.uid(pod) != ref["uid"]:
        return f'node requested token bound to a pod that does not exist: "{ref["name"]}"'
    if (pod.get("spec") or {}).get("nodeName") != node:
        return "node requested token bound to a pod scheduled on a different node"
    return ""
