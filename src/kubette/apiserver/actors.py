"""Which component acts on the objects of each kind, as data; and the warning for a kind that none acts on.

A controller is named by its ``name``; a component by its command (``kubette scheduler`` and so on). A kind with no
actor is stored and validated, and its creation answers with a warning, so that nobody waits for an effect that
does not come. A test compares this table with the controllers that run and with the list in README.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubette.api.kinds import Kind

#: group resource → the controllers and components that act on it. No entry: stored, and nothing happens.
ACTORS: dict[str, tuple[str, ...]] = {
    "nodes": (
        "node-ipam-controller",
        "node-controller",
        "taint-eviction-controller",
        "ttl-controller",
        "scheduler",
        "agent",
    ),
    "namespaces": ("namespace-controller", "service-account-controller", "root-ca-certificate-publisher"),
    "pods": ("scheduler", "agent", "pod-garbage-collector", "garbage-collector-controller"),
    "serviceaccounts": ("service-account-controller", "serviceaccount-token-controller", "apiserver"),
    "services": ("endpointslice-controller", "endpoint-controller", "service-controller", "proxy", "dns"),
    "endpoints": ("endpointslicemirroring-controller",),
    "endpointslices.discovery.k8s.io": ("proxy", "dns", "ingress"),
    "ingresses.networking.k8s.io": ("ingress",),
    "ingressclasses.networking.k8s.io": ("ingress", "apiserver"),
    "replicationcontrollers": ("replication-controller",),
    "replicasets.apps": ("replicaset-controller",),
    "deployments.apps": ("deployment-controller",),
    "daemonsets.apps": ("daemonset-controller",),
    "jobs.batch": ("job-controller", "ttl-after-finished-controller"),
    "poddisruptionbudgets.policy": ("disruption-controller", "apiserver"),
    "persistentvolumeclaims": ("persistentvolumeclaim-protection-controller",),
    "persistentvolumes": ("persistentvolume-protection-controller",),
    "certificatesigningrequests.certificates.k8s.io": ("csrapproving", "csrsigning", "csrcleaner"),
    "priorityclasses.scheduling.k8s.io": ("apiserver", "scheduler"),
    "runtimeclasses.node.k8s.io": ("apiserver",),
    "roles.rbac.authorization.k8s.io": ("apiserver",),
    "rolebindings.rbac.authorization.k8s.io": ("apiserver",),
    "clusterroles.rbac.authorization.k8s.io": ("apiserver", "clusterrole-aggregation-controller"),
    "clusterrolebindings.rbac.authorization.k8s.io": ("apiserver",),
}

#: Controllers that only let deleted objects go: a kind that none but these act on has no effect all the same.
_HOUSEKEEPING = frozenset({"persistentvolumeclaim-protection-controller", "persistentvolume-protection-controller"})

#: Kinds that only hold data: their readers are pods, other objects and clients, so that nothing need act on them.
DATA = frozenset(
    {
        "configmaps", "secrets", "podtemplates", "controllerrevisions.apps", "events", "events.events.k8s.io",
        "leases.coordination.k8s.io",
    }
)  # fmt: skip

WARNING = "stored; this version of kubette has no controller for it"
#: What is missing most where nothing enforces a kind that others rely on for their safety.
_CONSEQUENCES = {
    "networkpolicies.networking.k8s.io": "nothing enforces NetworkPolicies: this one restricts no traffic",
    "resourcequotas": "nothing enforces ResourceQuotas: this one limits nothing",
    "limitranges": "nothing enforces LimitRanges: this one limits and defaults nothing",
    "validatingadmissionpolicies.admissionregistration.k8s.io":
        "nothing evaluates admission policies: this one refuses nothing",
    "validatingwebhookconfigurations.admissionregistration.k8s.io":
        "nothing calls admission webhooks: this one refuses nothing",
}  # fmt: skip


def stored(kind: Kind) -> bool:
    """Whether the server keeps objects of the kind (reviews and component statuses are only answered)."""
    return "delete" in kind.verbs


def inert(kind: Kind) -> bool:
    """Whether objects of the kind are kept and nothing acts on them."""
    acting = set(ACTORS.get(kind.group_resource, ())) - _HOUSEKEEPING
    return stored(kind) and kind.group_resource not in DATA and not acting


def warnings(kind: Kind) -> Iterator[str]:
    """What a client that creates an object of the kind should know."""
    if inert(kind):
        yield WARNING
        if consequence := _CONSEQUENCES.get(kind.group_resource):
            yield consequence
