"""What a node may ask for: itself, the pods that run on it, and what those pods need.

RBAC gives every node the same role and cannot say "its own", so a stolen key of one node would read every Secret.
Here most resources have a rule of their own, over ``nodegraph``; the rest have fixed rules. What a node may *write*
into an object is judged later, by ``noderestriction``. Source: plugin/pkg/auth/authorizer/node/node_authorizer.go.
"""

from __future__ import annotations

from collections.abc import Callable

from kubette.apiserver import policy
from kubette.apiserver.authn import User, node_of
from kubette.apiserver.nodegraph import Graph
from kubette.apiserver.rbac import Attributes, matches
from kubette.store import Store

_LEASES = "kube-node-lease"
_READ = frozenset({"get", "list", "watch"})
_OWN_OBJECT = frozenset({"get", "create", "update", "patch", "delete"})
#: Whether the object that is asked for is related to the node.
Related = Callable[[], bool]
Rule = Callable[[str, Attributes, Related], bool]


class NodeAuthorizer:
    """Allows nodes; of everybody else it has no opinion."""

    def __init__(self, store: Store) -> None:
        self._graph = Graph(store)

    def allowed(self, user: User, asked: Attributes) -> bool:
        node = node_of(user)
        if not node:
            return False
        resource = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
        rule = _RULES.get(resource) if resource else None
        if rule is None:
            return any(matches(r, asked) for r in policy.NODE_RULES)

        def related() -> bool:
            return bool(asked.name) and self._graph.related(node, resource, asked.namespace, asked.name)

        return rule(node, asked, related)


def _selects(node: str, asked: Attributes, field: str) -> bool:
    return (field, "=", node) in asked.fields


def _read_in_namespace(node: str, asked: Attributes, related: Related) -> bool:
    """Secrets and ConfigMaps: one object, also as a list or watch of that one."""
    return asked.verb in _READ and not asked.subresource and bool(asked.namespace) and related()


def _get(node: str, asked: Attributes, related: Related) -> bool:
    return asked.verb == "get" and not asked.subresource and related()


def _claim(node: str, asked: Attributes, related: Related) -> bool:
    if asked.subresource == "status":
        return asked.verb in ("update", "patch") and related()
    return _get(node, asked, related)


def _service_account(node: str, asked: Attributes, related: Related) -> bool:
    return (asked.verb, asked.subresource) in (("get", ""), ("create", "token")) and related()


def _lease(node: str, asked: Attributes, related: Related) -> bool:
    """On create the authorizer does not know the name."""
    own = asked.verb == "create" or asked.name == node
    return asked.verb in _OWN_OBJECT and asked.namespace == _LEASES and own


def _csi_node(node: str, asked: Attributes, related: Related) -> bool:
    own = asked.verb == "create" or asked.name == node
    return asked.verb in _OWN_OBJECT and not asked.subresource and own


def _resource_slice(node: str, asked: Attributes, related: Related) -> bool:
    if asked.subresource:
        return False
    if asked.verb in ("list", "watch", "deletecollection"):
        return _selects(node, asked, "spec.nodeName")
    return asked.verb == "create" or (asked.verb in _OWN_OBJECT and related())


def _node(node: str, asked: Attributes, related: Related) -> bool:
    """By name, not by relation: a node looks for its own object before that exists."""
    if asked.subresource == "status":
        return asked.verb in ("update", "patch")
    if asked.subresource:
        return False
    return asked.verb in ("create", "update", "patch") or (asked.verb in _READ and asked.name == node)


def _pod(node: str, asked: Attributes, related: Related) -> bool:
    match asked.subresource:
        case "":
            if asked.verb in ("list", "watch"):
                return _selects(node, asked, "spec.nodeName") or related()
            return asked.verb in ("create", "delete") or (asked.verb == "get" and related())
        case "status":
            return asked.verb in ("update", "patch")
        case "eviction":
            return asked.verb == "create"
    return False


_RULES: dict[str, Rule] = {
    "secrets": _read_in_namespace,
    "configmaps": _read_in_namespace,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _get,
    "resourceclaims.resource.k8s.io": _get,
    "volumeattachments.storage.k8s.io": _get,
    "serviceaccounts": _service_account,
    "leases.coordination.k8s.io": _lease,
    "csinodes.storage.k8s.io": _csi_node,
    "resourceslices.resource.k8s.io": _resource_slice,
    "nodes": _node,
    "pods": _pod,
}
