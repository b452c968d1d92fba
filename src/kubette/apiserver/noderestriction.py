"""What a node may write: itself, its lease, and the pods that run on it.

The node authorizer sees only the request; this sees the object. With both, a node whose key was stolen rewrites no
other node, steers no workload to itself, and gets tokens and Secrets of its own pods only. The rules are those of
upstream's NodeRestriction admission (plugin/pkg/admission/noderestriction), as are the words. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubette.api import meta
from kubette.api.kinds import Kind, resource
from kubette.apiserver import certificates, podreferences
from kubette.apiserver.admission import refused
from kubette.apiserver.authn import User, node_of
from kubette.apiserver.rbac import Attributes
from kubette.apiserver.registry.base import Reader

Object = dict[str, Any]
_LEASES = "kube-node-lease"
_RESTRICTED = "node-restriction.kubernetes.io"
#: What a kubelet says of its node: labels, and the namespaces of others.
_KUBELET_LABELS = frozenset({
    "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type", "kubernetes.io/os",
    "kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
})  # fmt: skip
_KUBELET_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
#: Fields of a claim's status that a kubelet reports when it has resized the volume.
_RESIZED = ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")


@dataclass(frozen=True, slots=True)
class Write:
    """``new``: what would be written, or for a delete or a subresource of its own (eviction, token) the stored
    object. ``old``: what there is; for such a subresource the request's body."""

    node: str
    user: User
    kind: Kind
    verb: str
    sub: str
    new: Object
    old: Object | None
    reader: Reader
    allowed: Callable[[User, Attributes], bool]


def admit(
    user: User,
    kind: Kind,
    verb: str,
    sub: str,
    new: Object,
    old: Object | None,
    reader: Reader,
    allowed: Callable[[User, Attributes], bool],
) -> None:
    """Raises Forbidden. For the arguments see ``Write``."""
    node = node_of(user)
    rule = _RULES.get(kind.group_resource)
    if node is None or rule is None:
        return
    if not node:
        raise refused(kind, new, f'could not determine node from user "{user.name}"')
    if why := rule(Write(node, user, kind, verb, sub, new, old, reader, allowed)):
        raise refused(kind, new, why)


# ---- nodes


def _node(write: Write) -> str:
    node, new, old = write.node, write.new, write.old
    if meta.name(new) != node:
        return f'node "{node}" is not allowed to modify node "{meta.name(new)}"'
    if write.verb == "delete":
        return ""
    if old is None:
        if _config_source(new):
            return f'node "{node}" is not allowed to create pods with a non-nil configSource'
        if found := forbidden_labels(meta.labels(new), {}):
            return f'node "{node}" is not allowed to set the following labels: {", ".join(found)}'
        return ""
    if _config_source(new) and _config_source(new) != _config_source(old):
        return f'node "{node}" is not allowed to update configSource to a new non-nil configSource'
    if _taints(new) != _taints(old):
        return f'node "{node}" is not allowed to modify taints'
    if _owners(new) != _owners(old):
        return f'node "{node}" is not allowed to modify ownerReferences'
    if found := forbidden_labels(meta.labels(new), meta.labels(old)):
        return f"is not allowed to modify labels: {', '.join(found)}"
    return ""


def forbidden_labels(new: dict[str, str], old: dict[str, str]) -> list[str]:
    """The labels that a node may not add, change or remove, of those that differ."""
    changed = (key for key in {*new, *old} if new.get(key) != old.get(key))
    return sorted(key for key in changed if not _may_label(key))


def _may_label(key: str) -> bool:
    namespace = key.partition("/")[0] if "/" in key else ""
    if _within(namespace, _RESTRICTED):
        return False
    if not any(_within(namespace, suffix) for suffix in ("kubernetes.io", "k8s.io")):
        return True
    return key in _KUBELET_LABELS or any(_within(namespace, suffix) for suffix in _KUBELET_NAMESPACES)


def _within(namespace: str, domain: str) -> bool:
    return namespace == domain or namespace.endswith(f".{domain}")


def _config_source(node: Object) -> Any:
    return (node.get("spec") or {}).get("configSource")


def _taints(node: Object) -> list[Object]:
    return (node.get("spec") or {}).get("taints") or []


def _owners(obj: Object) -> list[Object]:
    return meta.metadata(obj).get("ownerReferences") or []


# ---- pods


def _pod(write: Write) -> str:
    node = write.node
    of_this_node = ((write.old or write.new).get("spec") or {}).get("nodeName") == node
    match write.sub:
        case "eviction":
            bound = (write.new.get("spec") or {}).get("nodeName") == node
            return "" if bound else f"node {node} can only evict pods with spec.nodeName set to itself"
        case "status":
            return _pod_status(write, of_this_node)
        case "":
            if write.verb == "create":
                return _mirror_pod(write)
            if write.verb == "delete":
                return "" if of_this_node else f'node "{node}" can only delete pods with spec.nodeName set to itself'
            return f'unexpected operation "UPDATE", node "{node}" can only create and delete mirror pods'
    return f"unexpected pod subresource \"{write.sub}\", only 'status' and 'eviction' are allowed"


def _mirror_pod(write: Write) -> str:
    node, pod = write.node, write.new
    if not podreferences.is_mirror(pod):
        return f'pod does not have "{podreferences.MIRROR}" annotation, node "{node}" can only create mirror pods'
    if (pod.get("spec") or {}).get("nodeName") != node:
        return f'node "{node}" can only create pods with spec.nodeName set to itself'
    owners = _owners(pod)
    if len(owners) > 1:
        return f'node "{node}" can only create pods with a single owner reference set to itself'
    owner = owners[0] if owners else {}
    if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
        return f'node "{node}" can only create pods with an owner reference set to itself'
    if not owner.get("controller"):
        return f'node "{node}" can only create pods with a controller owner reference set to itself'
    if owner.get("blockOwnerDeletion"):
        return f'node "{node}" must not set blockOwnerDeletion on an owner reference'
    found = write.reader.get(resource("nodes"), None, node)
    if found is None:
        return f'nodes "{node}" not found'
    if owner.get("uid") != meta.uid(found):
        return f"node {node} UID mismatch: expected {owner.get('uid')} got {meta.uid(found)}"
    if what := podreferences.api_objects(pod):
        return f'node "{node}" can not create pods that reference {what}'
    return ""


def _pod_status(write: Write, of_this_node: bool) -> str:
    node, new, old = write.node, write.new, write.old or {}
    if not of_this_node:
        return f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
    if meta.labels(new) != meta.labels(old):
        return f'node "{node}" cannot update labels through pod status'
    after, before = new.get("status") or {}, old.get("status") or {}
    if (after.get("resourceClaimStatuses") or []) != (before.get("resourceClaimStatuses") or []):
        return f'node "{node}" cannot update resource claim statues'
    if after.get("extendedResourceClaimStatus") != before.get("extendedResourceClaimStatus"):
        return f'node "{node}" cannot update extended resource claim status'
    return ""


# ---- ServiceAccount tokens


def _token(write: Write) -> str:
    if write.verb != "create" or write.sub != "token":
        return ""
    spec = (write.old or {}).get("spec") or {}
    ref = spec.get("boundObjectRef") or {}
    if (ref.get("apiVersion"), ref.get("kind")) != ("v1", "Pod") or not ref.get("name"):
        return "node requested token not bound to a pod"
    if not ref.get("uid"):
        return "node requested token with a pod binding without a uid"
    pod = write.reader.get(resource("pods"), meta.namespace(write.new), ref["name"])
    if pod is None:
        return f'pods "{ref["name"]}" not found'
    if meta.uid(pod) != ref["uid"]:
        return (
            f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
    if (pod.get("spec") or {}).get("nodeName") != write.node:
        return "node requested token bound to a pod scheduled on a different node"
    audiences = spec.get("audiences") or [""]
    if len(audiences) > 1:
        return "node may only request 0 or 1 audiences"
    return _audience(write, pod, audiences[0])


def _audience(write: Write, pod: Object, audience: str) -> str:
    """A token is for whom a volume of the pod says, or for whom RBAC lets the node ask."""
    if audience in _audiences(pod, write.reader):
        return ""
    asked = Attributes(
        "request-serviceaccounts-token-audience", "", "v1", audience, "", meta.namespace(write.new),
        meta.name(write.new),
    )  # fmt: skip
    if audience and write.allowed(write.user, asked):
        return ""
    return (
        f'audience "{audience}" not found in pod spec volume, {write.user.name} is not authorized to request tokens '
        "for this audience"
    )


def _audiences(pod: Object, reader: Reader) -> set[str]:
    """Of a pod's projected tokens, and of the CSI drivers of its volumes."""
    out: set[str] = set()
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if (token := source.get("serviceAccountToken")) is not None:
                out.add(str(token.get("audience") or ""))
        if driver := _csi_driver(pod, volume, reader):
            found = reader.get(resource("csidrivers.storage.k8s.io"), None, driver) or {}
            requests = (found.get("spec") or {}).get("tokenRequests") or ()
            out.update(str(request.get("audience") or "") for request in requests)
    return out


def _csi_driver(pod: Object, volume: Object, reader: Reader) -> str:
    if csi := volume.get("csi"):
        return str(csi.get("driver") or "")
    claim_name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
    if volume.get("ephemeral"):
        claim_name = f"{meta.name(pod)}-{volume.get('name')}"
    if not claim_name:
        return ""
    claim = reader.get(resource("persistentvolumeclaims"), meta.namespace(pod), claim_name) or {}
    name = (claim.get("spec") or {}).get("volumeName")
    found = reader.get(resource("persistentvolumes"), None, name) if name else None
    return str((((found or {}).get("spec") or {}).get("csi") or {}).get("driver") or "")


# ---- the rest


def _claim(write: Write) -> str:
    if write.sub != "status" or write.old is None:
        return "may only update PVC status"
    if _resized(write.new) != _resized(write.old):
        return f'node "{write.node}" is not allowed to update fields other than status.quantity and status.conditions'
    return ""


def _resized(claim: Object) -> Object:
    """A claim without what a resize changes."""
    metadata = {k: v for k, v in meta.metadata(claim).items() if k not in ("resourceVersion", "managedFields")}
    status = {k: v for k, v in (claim.get("status") or {}).items() if k not in _RESIZED}
    return {**claim, "metadata": metadata, "status": status}


def _lease(write: Write) -> str:
    if meta.namespace(write.new) != _LEASES:
        return f'can only access leases in the "{_LEASES}" system namespace'
    if meta.name(write.new) != write.node:
        return "can only access node lease with the same name as the requesting node"
    return ""


def _csi_node(write: Write) -> str:
    own = meta.name(write.new) == write.node
    return "" if own else "can only access CSINode with the same name as the requesting node"


def _resource_slice(write: Write) -> str:
    if write.verb not in ("create", "delete") or (write.new.get("spec") or {}).get("nodeName") == write.node:
        return ""
    return f"can only {write.verb} ResourceSlice with the same NodeName as the requesting node"


def _signing_request(write: Write) -> str:
    """A node asks for certificates of its own name only."""
    spec = write.new.get("spec") or {}
    if write.verb != "create" or spec.get("signerName") not in certificates.KUBELET_SIGNERS:
        return ""
    try:
        subject = certificates.subject(spec.get("request"))
    except ValueError as e:
        return f"unable to parse csr: {e}"
    if subject.common_name != f"system:node:{write.node}":
        return f"can only create a node CSR with CN=system:node:{write.node}"
    return ""


_RULES: dict[str, Callable[[Write], str]] = {
    "nodes": _node,
    "pods": _pod,
    "persistentvolumeclaims": _claim,
    "serviceaccounts": _token,
    "leases.coordination.k8s.io": _lease,
    "csinodes.storage.k8s.io": _csi_node,
    "resourceslices.resource.k8s.io": _resource_slice,
    "certificatesigningrequests.certificates.k8s.io": _signing_request,
}
