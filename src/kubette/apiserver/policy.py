"""The RBAC objects that every cluster starts with: upstream's bootstrap policy, what our components need.

Data only; ``bootstrap.py`` writes what is missing. Source: Kubernetes 1.36 default roles,
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings .
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_GROUP = "rbac.authorization.k8s.io"
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_ALL = ("*",)
Rule = dict[str, Any]


def _rule(groups: Sequence[str], resources: Sequence[str], verbs: Sequence[str], names: Sequence[str] = ()) -> Rule:
    out: Rule = {"verbs": list(verbs), "apiGroups": list(groups), "resources": list(resources)}
    if names:
        out["resourceNames"] = list(names)
    return out


def _urls(urls: Sequence[str], verbs: Sequence[str] = ("get",)) -> Rule:
    return {"verbs": list(verbs), "nonResourceURLs": list(urls)}


_CORE_USER = (
    "configmaps", "endpoints", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods",
    "replicationcontrollers", "replicationcontrollers/scale", "replicationcontrollers/status", "serviceaccounts",
    "services", "services/status", "bindings", "events", "limitranges", "namespaces/status", "pods/log",
    "pods/status", "resourcequotas", "resourcequotas/status", "namespaces",
)  # fmt: skip
_APPS = (
    "controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale",
    "deployments/status", "replicasets", "replicasets/scale", "replicasets/status", "statefulsets",
    "statefulsets/scale", "statefulsets/status",
)  # fmt: skip
_BATCH = ("cronjobs", "cronjobs/status", "jobs", "jobs/status")
_HPA = ("horizontalpodautoscalers", "horizontalpodautoscalers/status")
_PDB = ("poddisruptionbudgets", "poddisruptionbudgets/status")
_NET = ("ingresses", "ingresses/status", "networkpolicies")

_VIEW = [
    _rule([""], _CORE_USER, _READ),
    _rule(["discovery.k8s.io"], ["endpointslices"], _READ),
    _rule(["apps"], _APPS, _READ),
    _rule(["autoscaling"], _HPA, _READ),
    _rule(["batch"], _BATCH, _READ),
    _rule(["policy"], _PDB, _READ),
    _rule(["networking.k8s.io"], _NET, _READ),
]
_EDIT = [
    _rule([""], ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"], _READ),
    _rule([""], ["serviceaccounts"], ["impersonate"]),
    _rule([""], ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"], _WRITE),
    _rule([""], ["pods/eviction"], ["create"]),
    _rule(
        [""],
        ["configmaps", "events", "persistentvolumeclaims", "replicationcontrollers", "replicationcontrollers/scale",
         "secrets", "serviceaccounts", "services", "services/proxy", "endpoints"],
        _WRITE,
    ),
    _rule([""], ["serviceaccounts/token"], ["create"]),
    _rule(
        ["apps"],
        ["daemonsets", "deployments", "deployments/rollback", "deployments/scale", "replicasets",
         "replicasets/scale", "statefulsets", "statefulsets/scale"],
        _WRITE,
    ),
    _rule(["autoscaling"], ["horizontalpodautoscalers"], _WRITE),
    _rule(["batch"], ["cronjobs", "jobs"], _WRITE),
    _rule(["policy"], ["poddisruptionbudgets"], _WRITE),
    _rule(["networking.k8s.io"], ["ingresses", "networkpolicies"], _WRITE),
    _rule(["discovery.k8s.io"], ["endpointslices"], _WRITE),
    _rule(["coordination.k8s.io"], ["leases"], [*_READ, *_WRITE]),
]  # fmt: skip
_ADMIN = [
    _rule(["authorization.k8s.io"], ["localsubjectaccessreviews"], ["create"]),
    _rule([_GROUP], ["rolebindings", "roles"], [*_WRITE, *_READ]),
]
_EVENTS = _rule(["", "events.k8s.io"], ["events"], ["create", "patch", "update"])
_REVIEWS = [
    _rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
    _rule(["authorization.k8s.io"], ["localsubjectaccessreviews", "subjectaccessreviews"], ["create"]),
]

CLUSTER_ROLES: dict[str, list[Rule]] = {
    "cluster-admin": [_rule(_ALL, _ALL, _ALL), _urls(["*"], ["*"])],
    "system:aggregate-to-view": _VIEW,
    "system:aggregate-to-edit": _EDIT,
    "system:aggregate-to-admin": _ADMIN,
    "system:discovery": [
        _urls(["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz",
               "/version", "/version/"])
    ],
    "system:public-info-viewer": [_urls(["/healthz", "/livez", "/readyz", "/version", "/version/"])],
    "system:basic-user": [
        _rule(["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ["create"]),
        _rule(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
    ],
    "system:monitoring": [_urls(["/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis",
                                 "/readyz", "/readyz/*"])],
    "system:node": [
        *_REVIEWS,
        _rule([""], ["services", "endpoints"], _READ),
        _rule([""], ["nodes"], ["create", *_READ, "patch", "update"]),
        _rule([""], ["nodes/status"], ["patch", "update"]),
        _EVENTS,
        _rule([""], ["pods"], [*_READ, "create", "delete"]),
        _rule([""], ["pods/status"], ["patch", "update"]),
        _rule([""], ["pods/eviction"], ["create"]),
        _rule([""], ["configmaps", "secrets", "namespaces", "serviceaccounts"], _READ),
        _rule([""], ["persistentvolumeclaims", "persistentvolumes"], ["get"]),
        _rule([""], ["serviceaccounts/token"], ["create"]),
        _rule(["certificates.k8s.io"], ["certificatesigningrequests"], ["create", *_READ]),
        _rule(["coordination.k8s.io"], ["leases"], ["create", "delete", *_READ, "patch", "update"]),
        _rule(["storage.k8s.io"], ["csidrivers", "csinodes", "volumeattachments"], [*_READ, "create", "update"]),
        _rule(["node.k8s.io"], ["runtimeclasses"], _READ),
        _rule(["discovery.k8s.io"], ["endpointslices"], _READ),
        _rule(["networking.k8s.io"], ["networkpolicies", "servicecidrs"], _READ),
    ],
    "system:node-proxier": [
        _rule([""], ["endpoints", "services"], ["list", "watch"]),
        _rule([""], ["nodes", "namespaces", "pods"], _READ),
        _EVENTS,
        _rule(["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
        _rule(["networking.k8s.io"], ["servicecidrs", "networkpolicies"], ["list", "watch"]),
    ],
    "system:kube-controller-manager": [
        # One identity runs every controller here, where upstream gives each a ServiceAccount of its own;
        # garbage collection and namespace deletion reach every kind.
        _rule(_ALL, _ALL, _ALL),
        _urls(["*"], ["get"]),
    ],
    "system:kube-scheduler": [
        _EVENTS,
        _rule(["coordination.k8s.io"], ["leases"], ["create", "get", "list", "update", "watch"]),
        _rule([""], ["nodes", "namespaces", "persistentvolumeclaims", "persistentvolumes"], _READ),
        _rule([""], ["pods"], ["delete", *_READ]),
        _rule([""], ["bindings", "pods/binding"], ["create"]),
        _rule([""], ["pods/status"], ["patch", "update"]),
        _rule([""], ["replicationcontrollers", "services"], _READ),
        _rule(["apps"], ["replicasets", "statefulsets"], _READ),
        _rule(["policy"], ["poddisruptionbudgets"], _READ),
        _rule(["scheduling.k8s.io"], ["priorityclasses"], _READ),
        _rule(["storage.k8s.io"], ["csidrivers", "csinodes", "csistoragecapacities", "storageclasses",
                                   "volumeattachments"], _READ),
        _rule(["resource.k8s.io"], ["deviceclasses", "resourceclaims", "resourceslices"], _READ),
        *_REVIEWS,
    ],
    "system:kube-dns": [
        _rule([""], ["endpoints", "services", "pods", "namespaces", "nodes"], ["list", "watch"]),
        _rule(["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
    ],
    "system:kubelet-api-admin": [
        _rule([""], ["nodes"], [*_READ, "proxy"]),
        _rule([""], ["nodes/log", "nodes/metrics", "nodes/proxy", "nodes/stats", "nodes/healthz", "nodes/pods"], _ALL),
    ],
    "system:auth-delegator": [
        _rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
        _rule(["authorization.k8s.io"], ["subjectaccessreviews"], ["create"]),
    ],
    "system:service-account-issuer-discovery": [_urls(["/.well-known/openid-configuration", "/openid/v1/jwks"])],
}  # fmt: skip

_AGGREGATES_TO = {
    "system:aggregate-to-view": "view",
    "system:aggregate-to-edit": "edit",
    "system:aggregate-to-admin": "admin",
}
#: binding (and role) → subjects
_BINDINGS: dict[str, list[tuple[str, str]]] = {
    "cluster-admin": [("Group", "system:masters")],
    "system:discovery": [("Group", "system:authenticated")],
    "system:basic-user": [("Group", "system:authenticated")],
    "system:public-info-viewer": [("Group", "system:authenticated"), ("Group", "system:unauthenticated")],
    "system:service-account-issuer-discovery": [("Group", "system:serviceaccounts")],
    "system:monitoring": [("Group", "system:monitoring")],
    # Upstream leaves this one empty and has an authorizer of its own for nodes.
    "system:node": [("Group", "system:nodes")],
    "system:node-proxier": [("User", "system:kube-proxy")],
    "system:kube-controller-manager": [("User", "system:kube-controller-manager")],
    "system:kube-scheduler": [("User", "system:kube-scheduler")],
    "system:kubelet-api-admin": [("User", "kube-apiserver-kubelet-client")],
}


def cluster_roles() -> list[dict[str, Any]]:
    """The ClusterRoles, with admin, edit and view aggregated from their parts."""
    out = []
    for name, rules in CLUSTER_ROLES.items():
        role = _object("ClusterRole", name)
        if name in _AGGREGATES_TO:
            role["metadata"]["labels"][f"{_GROUP}/aggregate-to-{_AGGREGATES_TO[name]}"] = "true"
        role["rules"] = rules
        out.append(role)
    view, edit, admin = (CLUSTER_ROLES[f"system:aggregate-to-{n}"] for n in ("view", "edit", "admin"))
    for name, rules in (("view", view), ("edit", edit + view), ("admin", admin + edit + view)):
        role = _object("ClusterRole", name)
        if name != "admin":
            role["metadata"]["labels"][f"{_GROUP}/aggregate-to-{'admin' if name == 'edit' else 'edit'}"] = "true"
        role["aggregationRule"] = {
            "clusterRoleSelectors": [{"matchLabels": {f"{_GROUP}/aggregate-to-{name}": "true"}}]
        }
        role["rules"] = rules
        out.append(role)
    return out


def cluster_role_bindings() -> list[dict[str, Any]]:
    out = []
    for name, subjects in _BINDINGS.items():
        binding = _object("ClusterRoleBinding", name)
        binding["roleRef"] = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name}
        binding["subjects"] = [{"apiGroup": _GROUP, "kind": kind, "name": who} for kind, who in subjects]
        out.append(binding)
    return out


def _object(kind: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {f"{_GROUP}/autoupdate": "true"},
        },
    }
