"""The RBAC objects that every cluster starts with: upstream's bootstrap policy.

Data only; ``bootstrap.py`` writes it, and brings it up to date. The roles of controllers lie in
``controllerpolicy.py``. Source: Kubernetes 1.36, plugin/pkg/auth/authorizer/rbac/bootstrappolicy,
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings .
"""

from __future__ import annotations

from typing import Any

from kubette.apiserver.controllerpolicy import CONTROLLER_ROLES, EVENTS, READ, WRITE, Rule, rule

GROUP = "rbac.authorization.k8s.io"
#: Role's prefix of a controller.
CONTROLLER = "system:controller:"
_EVENTS, _rule = EVENTS, rule


def _urls(verbs: str, urls: str) -> Rule:
    return {"verbs": verbs.split(), "nonResourceURLs": urls.split()}


#: What the node authorizer allows of the resources that it has no rule of its own for, and the role ``system:node``.
NODE_RULES: list[Rule] = [
    _rule("create", "authentication.k8s.io", "tokenreviews"),
    _rule("create", "authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews"),
    _rule(READ, "core", "services"),
    _rule("get list watch create", "core", "nodes"),
    _rule("update patch", "core", "nodes/status"),
    _rule("update patch", "core", "nodes"),
    _EVENTS,
    _rule(READ, "core", "pods"),
    _rule("create delete", "core", "pods"),
    _rule("update patch", "core", "pods/status"),
    _rule("create", "core", "pods/eviction"),
    _rule(READ, "core", "configmaps secrets"),
    _rule("get", "core", "persistentvolumeclaims persistentvolumes"),
    _rule("get", "core", "endpoints"),
    _rule("get list watch create", "certificates.k8s.io", "certificatesigningrequests"),
    _rule("get create update patch delete", "coordination.k8s.io", "leases"),
    _rule("get", "storage.k8s.io", "volumeattachments"),
    _rule("create", "core", "serviceaccounts/token"),
    _rule("get update patch", "core", "persistentvolumeclaims/status"),
    _rule(READ, "storage.k8s.io", "csidrivers"),
    _rule("get create update patch delete", "storage.k8s.io", "csinodes"),
    _rule(READ, "node.k8s.io", "runtimeclasses"),
    _rule("get", "resource.k8s.io", "resourceclaims"),
    _rule("deletecollection", "resource.k8s.io", "resourceslices"),
    _rule("get", "core", "serviceaccounts"),
]

CLUSTER_ROLES: dict[str, list[Rule]] = {
    "cluster-admin": [
        _rule("*", "*", "*"),
        _urls("*", "*"),
    ],
    "system:aggregate-to-admin": [
        _rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
        _rule(f"{READ} {WRITE}", "rbac.authorization.k8s.io", "rolebindings roles"),
    ],
    "system:aggregate-to-edit": [
        _rule(READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
        _rule("impersonate", "core", "serviceaccounts"),
        _rule(WRITE, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
        _rule("create", "core", "pods/eviction"),
        _rule(WRITE, "core",
          "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets "
          "serviceaccounts services services/proxy"),
        _rule("create", "core", "serviceaccounts/token"),
        _rule(WRITE, "core events.k8s.io", "events"),
        _rule(WRITE, "apps",
          "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale "
          "statefulsets statefulsets/scale"),
        _rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
        _rule(WRITE, "batch", "cronjobs jobs"),
        _rule(WRITE, "policy", "poddisruptionbudgets"),
        _rule(WRITE, "networking.k8s.io", "ingresses networkpolicies"),
        _rule(f"{READ} {WRITE}", "coordination.k8s.io", "leases"),
        _rule(WRITE, "resource.k8s.io", "resourceclaims resourceclaimtemplates"),
    ],
    "system:aggregate-to-view": [
        _rule(READ, "core",
          "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
          "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status"),
        _rule(READ, "core",
          "bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status "
          "resourcequotas resourcequotas/status"),
        _rule(READ, "core", "namespaces"),
        _rule(READ, "core events.k8s.io", "events"),
        _rule(READ, "discovery.k8s.io", "endpointslices"),
        _rule(READ, "apps",
          "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status "
          "replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status"),
        _rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
        _rule(READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
        _rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
        _rule(READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
        _rule(READ, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
    ],
    "system:auth-delegator": [
        _rule("create", "authentication.k8s.io", "tokenreviews"),
        _rule("create", "authorization.k8s.io", "subjectaccessreviews"),
    ],
    "system:basic-user": [
        _rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
        _rule("create", "authentication.k8s.io", "selfsubjectreviews"),
    ],
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": [
        _rule("create", "certificates.k8s.io", "certificatesigningrequests/nodeclient"),
    ],
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": [
        _rule("create", "certificates.k8s.io", "certificatesigningrequests/selfnodeclient"),
    ],
    "system:certificates.k8s.io:kube-apiserver-client-approver": [
        _rule("approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client"),
    ],
    "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver": [
        _rule("approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client-kubelet"),
    ],
    "system:certificates.k8s.io:kubelet-serving-approver": [
        _rule("approve", "certificates.k8s.io", "signers", "kubernetes.io/kubelet-serving"),
    ],
    "system:certificates.k8s.io:legacy-unknown-approver": [
        _rule("approve", "certificates.k8s.io", "signers", "kubernetes.io/legacy-unknown"),
    ],
    "system:discovery": [
        _urls("get", "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"),
    ],
    "system:heapster": [
        _rule(READ, "core", "events namespaces nodes pods"),
    ],
    "system:kube-aggregator": [
        _rule(READ, "core", "endpoints services"),
    ],
    "system:kube-controller-manager": [
        _EVENTS,
        _rule("create", "coordination.k8s.io", "leases"),
        _rule("get update", "coordination.k8s.io", "leases", "kube-controller-manager"),
        _rule("create", "core", "secrets serviceaccounts"),
        _rule("delete", "core", "secrets"),
        _rule("get", "core", "configmaps namespaces secrets serviceaccounts"),
        _rule("update", "core", "secrets serviceaccounts"),
        _rule("create", "authentication.k8s.io", "tokenreviews"),
        _rule("create", "authorization.k8s.io", "subjectaccessreviews"),
        _rule("list watch", "*", "*"),
        _rule("create", "core", "serviceaccounts/token"),
    ],
    "system:kube-dns": [
        _rule("list watch", "core", "endpoints services"),
    ],
    "system:kube-scheduler": [
        _EVENTS,
        _rule("create", "coordination.k8s.io", "leases"),
        _rule("get list watch update", "coordination.k8s.io", "leases", "kube-scheduler"),
        _rule(f"{READ} {WRITE}", "coordination.k8s.io", "leasecandidates"),
        _rule(READ, "core", "nodes"),
        _rule("get list watch delete", "core", "pods"),
        _rule("create", "core", "bindings pods/binding"),
        _rule("update patch", "core", "pods/status"),
        _rule(READ, "core", "replicationcontrollers services"),
        _rule(READ, "apps", "replicasets"),
        _rule(READ, "apps", "statefulsets"),
        _rule(READ, "policy", "poddisruptionbudgets"),
        _rule(READ, "core", "persistentvolumeclaims persistentvolumes"),
        _rule("create", "authentication.k8s.io", "tokenreviews"),
        _rule("create", "authorization.k8s.io", "subjectaccessreviews"),
        _rule(READ, "storage.k8s.io", "csinodes"),
        _rule(READ, "storage.k8s.io", "volumeattachments"),
        _rule(READ, "core", "namespaces"),
        _rule(READ, "storage.k8s.io", "csidrivers"),
        _rule(READ, "storage.k8s.io", "csistoragecapacities"),
        _rule(READ, "resource.k8s.io", "deviceclasses"),
        _rule("get list watch update patch", "resource.k8s.io", "resourceclaims"),
        _rule("get list watch update patch", "resource.k8s.io", "resourceclaims/status"),
        _rule("update", "core", "pods/finalizers"),
        _rule(READ, "resource.k8s.io", "resourceslices"),
        _rule("create delete", "resource.k8s.io", "resourceclaims"),
        _rule("update patch", "resource.k8s.io", "resourceclaims/binding"),
    ],
    "system:kubelet-api-admin": [
        _rule(READ, "core", "nodes"),
        _rule("proxy", "core", "nodes"),
        _rule("*", "core", "nodes/log nodes/metrics nodes/proxy nodes/stats"),
        _rule("*", "core", "nodes/configz nodes/healthz nodes/pods"),
    ],
    "system:monitoring": [
        _urls("get", "/flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz"),
        _rule("get", "core", "nodes/metrics"),
    ],
    "system:node": NODE_RULES,
    "system:node-bootstrapper": [
        _rule("get list watch create", "certificates.k8s.io", "certificatesigningrequests"),
    ],
    "system:node-problem-detector": [
        _rule("get", "core", "nodes"),
        _rule("patch", "core", "nodes/status"),
        _EVENTS,
    ],
    "system:node-proxier": [
        _rule("list watch", "core", "endpoints services"),
        _rule(READ, "core", "nodes"),
        _EVENTS,
        _rule("list watch", "networking.k8s.io", "servicecidrs"),
        _rule("list watch", "discovery.k8s.io", "endpointslices"),
    ],
    "system:persistent-volume-provisioner": [
        _rule("get list watch create delete", "core", "persistentvolumes"),
        _rule("get list watch update", "core", "persistentvolumeclaims"),
        _rule(READ, "storage.k8s.io", "storageclasses"),
        _rule("watch", "core", "events"),
        _EVENTS,
    ],
    "system:public-info-viewer": [
        _urls("get", "/healthz /livez /readyz /version /version/"),
    ],
    "system:service-account-issuer-discovery": [
        _urls("get",
          "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks "
          "/openid/v1/jwks/"),
    ],
    "system:volume-scheduler": [
        _rule("get list watch update patch", "core", "persistentvolumes"),
        _rule(READ, "storage.k8s.io", "storageclasses"),
        _rule("get list watch update patch", "core", "persistentvolumeclaims"),
    ],
}  # fmt: skip

#: Aggregated role → the part of it that is written out, and the role into which it is aggregated itself.
_AGGREGATED = {"view": "edit", "edit": "admin", "admin": ""}
#: Role, of which the binding has the name → subjects.
_BINDINGS: dict[str, list[tuple[str, str]]] = {
    "cluster-admin": [("Group", "system:masters")],
    "system:basic-user": [("Group", "system:authenticated")],
    "system:discovery": [("Group", "system:authenticated")],
    "system:kube-controller-manager": [("User", "system:kube-controller-manager")],
    "system:kube-scheduler": [("User", "system:kube-scheduler")],
    # Not upstream's, where an administrator binds it: who calls an agent whose authorization is delegated.
    "system:kubelet-api-admin": [("User", "kube-apiserver-kubelet-client")],
    "system:monitoring": [("Group", "system:monitoring")],
    "system:node": [],  # nodes have an authorizer of their own
    "system:node-proxier": [("User", "system:kube-proxy")],
    "system:public-info-viewer": [("Group", "system:authenticated"), ("Group", "system:unauthenticated")],
    "system:service-account-issuer-discovery": [("Group", "system:serviceaccounts")],
    "system:volume-scheduler": [("User", "system:kube-scheduler")],
}
_MANAGER = ("User", "system:kube-controller-manager")


def cluster_roles() -> list[dict[str, Any]]:
    """The ClusterRoles, with admin, edit and view aggregated from their parts."""
    out = []
    parts = {f"system:aggregate-to-{name}": name for name in _AGGREGATED}
    for name, rules in CLUSTER_ROLES.items():
        role = _object("ClusterRole", name, aggregate_to=parts.get(name, ""))
        role["rules"] = rules
        out.append(role)
    for name, rules in CONTROLLER_ROLES.items():
        role = _object("ClusterRole", CONTROLLER + name)
        role["rules"] = rules
        out.append(role)
    rules = []
    for name, into in _AGGREGATED.items():
        rules = CLUSTER_ROLES[f"system:aggregate-to-{name}"] + rules
        role = _object("ClusterRole", name, aggregate_to=into)
        selector = {"matchLabels": {f"{GROUP}/aggregate-to-{name}": "true"}}
        role["aggregationRule"] = {"clusterRoleSelectors": [selector]}
        role["rules"] = rules
        out.append(role)
    return out


def cluster_role_bindings() -> list[dict[str, Any]]:
    """The ClusterRoleBindings. Every controller runs in the controller manager, under its identity."""
    bindings = {**_BINDINGS, **{CONTROLLER + name: [_MANAGER] for name in CONTROLLER_ROLES}}
    out = []
    for name, subjects in bindings.items():
        binding = _object("ClusterRoleBinding", name)
        binding["roleRef"] = {"apiGroup": GROUP, "kind": "ClusterRole", "name": name}
        if subjects:
            binding["subjects"] = [{"apiGroup": GROUP, "kind": kind, "name": who} for kind, who in subjects]
        out.append(binding)
    return out


def merged_rules(name: str, wanted: list[Rule], found: list[Rule]) -> list[Rule]:
    """The rules of a stored role, brought up to date. An aggregated role's follow from its parts; the system's own
    roles are exactly ours, so that what a version takes away is taken away; in others an administrator's stay."""
    if name in _AGGREGATED:
        return found
    return wanted if name.startswith("system:") else _union(wanted, found)


def merged_subjects(name: str, wanted: list[Rule], found: list[Rule]) -> list[Rule]:
    """The subjects of a stored binding, brought up to date. ``system:node`` has none."""
    return wanted if name == "system:node" else _union(wanted, found)


def _union(wanted: list[Rule], found: list[Rule]) -> list[Rule]:
    return found + [w for w in wanted if w not in found]


def _object(kind: str, name: str, aggregate_to: str = "") -> dict[str, Any]:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    if aggregate_to:
        labels[f"{GROUP}/aggregate-to-{aggregate_to}"] = "true"
    annotations = {f"{GROUP}/autoupdate": "true"}
    metadata = {"name": name, "labels": labels, "annotations": annotations}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata}
