"""The ClusterRoles of the controllers, one each, as upstream's bootstrap policy has them. Data only.

Source: Kubernetes 1.36, plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go.
"""

from __future__ import annotations

from typing import Any

READ = "get list watch"
WRITE = "create delete deletecollection patch update"
Rule = dict[str, Any]


def rule(verbs: str, groups: str, resources: str, names: str = "") -> Rule:
    """A PolicyRule; each argument is a list in words. ``core``: the group without a name."""
    out: Rule = {
        "verbs": verbs.split(),
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
    }
    if names:
        out["resourceNames"] = names.split()
    return out


EVENTS = rule("create patch update", "core events.k8s.io", "events")

CONTROLLER_ROLES: dict[str, list[Rule]] = {
    "attachdetach-controller": [
        rule("list watch", "core", "persistentvolumeclaims persistentvolumes"),
        rule(READ, "core", "nodes"),
        rule("update patch", "core", "nodes/status"),
        rule("list watch", "core", "pods"),
        EVENTS,
        rule("get list watch create delete", "storage.k8s.io", "volumeattachments"),
        rule(READ, "storage.k8s.io", "csidrivers"),
        rule(READ, "storage.k8s.io", "csinodes"),
    ],
    "certificate-controller": [
        rule("get list watch delete", "certificates.k8s.io", "certificatesigningrequests"),
        rule("update", "certificates.k8s.io",
          "certificatesigningrequests/approval certificatesigningrequests/status"),
        rule("approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client-kubelet"),
        rule("sign", "certificates.k8s.io",
          "signers",
          "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet "
          "kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown"),
        rule("create", "authorization.k8s.io", "subjectaccessreviews"),
        EVENTS,
    ],
    "clusterrole-aggregation-controller": [
        rule("get list watch update patch escalate", "rbac.authorization.k8s.io", "clusterroles"),
    ],
    "cronjob-controller": [
        rule("get list watch update", "batch", "cronjobs"),
        rule("get list watch create update patch delete", "batch", "jobs"),
        rule("update", "batch", "cronjobs/status"),
        rule("update", "batch", "cronjobs/finalizers"),
        rule("list watch delete", "core", "pods"),
        EVENTS,
    ],
    "daemon-set-controller": [
        rule(READ, "apps", "daemonsets"),
        rule("update", "apps", "daemonsets/status"),
        rule("update", "apps", "daemonsets/finalizers"),
        rule("list watch", "core", "nodes"),
        rule("list watch create patch delete", "core", "pods"),
        rule("create", "core", "pods/binding"),
        rule("get list watch create update patch delete", "apps", "controllerrevisions"),
        EVENTS,
    ],
    "deployment-controller": [
        rule("get list watch update", "apps", "deployments"),
        rule("update", "apps", "deployments/status"),
        rule("update", "apps", "deployments/finalizers"),
        rule("get list watch create update patch delete", "apps", "replicasets"),
        rule("get list watch update", "core", "pods"),
        EVENTS,
    ],
    "device-taint-eviction-controller": [
        rule("get list watch delete", "core", "pods"),
        rule("update patch", "core", "pods/status"),
        rule(READ, "resource.k8s.io", "resourceclaims"),
        rule(READ, "resource.k8s.io", "resourceslices"),
        rule(READ, "resource.k8s.io", "deviceclasses"),
        EVENTS,
    ],
    "disruption-controller": [
        rule(READ, "apps", "deployments"),
        rule(READ, "apps", "replicasets"),
        rule(READ, "core", "replicationcontrollers"),
        rule(READ, "policy", "poddisruptionbudgets"),
        rule(READ, "apps", "statefulsets"),
        rule("update", "policy", "poddisruptionbudgets/status"),
        rule("update patch", "core", "pods/status"),
        rule("get", "*", "*/scale"),
        EVENTS,
    ],
    "endpoint-controller": [
        rule(READ, "core", "pods services"),
        rule("get list watch create update delete", "core", "endpoints"),
        rule("create", "core", "endpoints/restricted"),
        EVENTS,
    ],
    "endpointslice-controller": [
        rule(READ, "core", "nodes pods services"),
        rule("update", "core", "services/finalizers"),
        rule("get list watch create update delete", "discovery.k8s.io", "endpointslices"),
        rule("create", "discovery.k8s.io", "endpointslices/restricted"),
        EVENTS,
    ],
    "endpointslicemirroring-controller": [
        rule(READ, "core", "endpoints services"),
        rule("update", "core", "services/finalizers"),
        rule("update", "core", "endpoints/finalizers"),
        rule("get list watch create update delete", "discovery.k8s.io", "endpointslices"),
        rule("create", "discovery.k8s.io", "endpointslices/restricted"),
        EVENTS,
    ],
    "ephemeral-volume-controller": [
        rule(READ, "core", "pods"),
        rule("update", "core", "pods/finalizers"),
        rule("get list watch create", "core", "persistentvolumeclaims"),
        EVENTS,
    ],
    "expand-controller": [
        rule("get list watch update patch", "core", "persistentvolumes"),
        rule("update patch", "core", "persistentvolumeclaims/status"),
        rule(READ, "core", "persistentvolumeclaims"),
        EVENTS,
    ],
    "generic-garbage-collector": [
        rule("get list watch update patch delete", "*", "*"),
        EVENTS,
    ],
    "horizontal-pod-autoscaler": [
        rule(READ, "autoscaling", "horizontalpodautoscalers"),
        rule("update", "autoscaling", "horizontalpodautoscalers/status"),
        rule("get update", "*", "*/scale"),
        rule("list watch", "core", "pods"),
        rule("list watch", "metrics.k8s.io", "pods"),
        rule(READ, "custom.metrics.k8s.io", "*"),
        rule(READ, "external.metrics.k8s.io", "*"),
        EVENTS,
    ],
    "job-controller": [
        rule("get list watch update patch", "batch", "jobs"),
        rule("update", "batch", "jobs/status"),
        rule("update", "batch", "jobs/finalizers"),
        rule("list watch create patch delete", "core", "pods"),
        EVENTS,
    ],
    "legacy-service-account-token-cleaner": [
        rule("get", "core", "configmaps", "kube-apiserver-legacy-service-account-token-tracking"),
        rule("patch delete", "core", "secrets"),
    ],
    "namespace-controller": [
        rule("get list watch delete", "core", "namespaces"),
        rule("update", "core", "namespaces/finalize namespaces/status"),
        rule("get list watch delete deletecollection", "*", "*"),
    ],
    "node-controller": [
        rule("get list watch update patch delete", "core", "nodes"),
        rule("update patch", "core", "nodes/status"),
        rule("update patch", "core", "pods/status"),
        rule("get list watch delete", "core", "pods"),
        EVENTS,
    ],
    "persistent-volume-binder": [
        rule("get list watch create update delete", "core", "persistentvolumes"),
        rule("update", "core", "persistentvolumes/status"),
        rule("get list watch update", "core", "persistentvolumeclaims"),
        rule("update", "core", "persistentvolumeclaims/status"),
        rule("get list watch create delete", "core", "pods"),
        rule(READ, "storage.k8s.io", "storageclasses"),
        rule("list watch", "core", "nodes"),
        EVENTS,
        rule("watch", "core", "events"),
    ],
    "pod-garbage-collector": [
        rule("list watch delete", "core", "pods"),
        rule(READ, "core", "nodes"),
        rule("patch", "core", "pods/status"),
    ],
    "pv-protection-controller": [
        rule("get list watch update", "core", "persistentvolumes"),
        EVENTS,
    ],
    "pvc-protection-controller": [
        rule("get list watch update", "core", "persistentvolumeclaims"),
        rule("update", "core", "persistentvolumeclaims/status"),
        rule(READ, "core", "pods"),
        EVENTS,
    ],
    "replicaset-controller": [
        rule("get list watch update", "apps", "replicasets"),
        rule("update", "apps", "replicasets/status"),
        rule("update", "apps", "replicasets/finalizers"),
        rule("list watch create patch delete", "core", "pods"),
        EVENTS,
    ],
    "replication-controller": [
        rule("get list watch update", "core", "replicationcontrollers"),
        rule("update", "core", "replicationcontrollers/status"),
        rule("update", "core", "replicationcontrollers/finalizers"),
        rule("list watch create patch delete", "core", "pods"),
        EVENTS,
    ],
    "resource-claim-controller": [
        rule(READ, "core", "pods"),
        rule("update", "core", "pods/finalizers"),
        rule("get list watch create delete", "resource.k8s.io", "resourceclaims"),
        rule("update patch", "resource.k8s.io", "resourceclaims resourceclaims/status"),
        rule("update patch", "core", "pods/status"),
        EVENTS,
        rule("update patch", "resource.k8s.io", "resourceclaims/binding"),
    ],
    "resourcequota-controller": [
        rule("list watch", "*", "*"),
        rule("update", "core", "resourcequotas/status"),
        EVENTS,
    ],
    "root-ca-cert-publisher": [
        rule("create update", "core", "configmaps"),
        EVENTS,
    ],
    "route-controller": [
        rule("list watch", "core", "nodes"),
        rule("patch", "core", "nodes/status"),
        EVENTS,
    ],
    "selinux-warning-controller": [
        EVENTS,
        rule(READ, "core", "persistentvolumes"),
        rule(READ, "core", "persistentvolumeclaims"),
        rule(READ, "core", "pods"),
        rule(READ, "storage.k8s.io", "csidrivers"),
    ],
    "service-account-controller": [
        rule("create", "core", "serviceaccounts"),
        EVENTS,
    ],
    "service-ca-cert-publisher": [
        rule("create update", "core", "configmaps"),
        EVENTS,
    ],
    "service-cidrs-controller": [
        rule("get list watch update patch", "networking.k8s.io", "servicecidrs"),
        rule("update patch", "networking.k8s.io", "servicecidrs/finalizers"),
        rule("update patch", "networking.k8s.io", "servicecidrs/status"),
        rule(READ, "networking.k8s.io", "ipaddresses"),
        EVENTS,
    ],
    "service-controller": [
        rule(READ, "core", "services"),
        rule("update patch", "core", "services/status"),
        rule("list watch", "core", "nodes"),
        EVENTS,
    ],
    "statefulset-controller": [
        rule("list watch", "core", "pods"),
        rule(READ, "apps", "statefulsets"),
        rule("update", "apps", "statefulsets/status"),
        rule("update", "apps", "statefulsets/finalizers"),
        rule("get create update patch delete", "core", "pods"),
        rule("get list watch create update patch delete", "apps", "controllerrevisions"),
        rule("get list watch create", "core", "persistentvolumeclaims"),
        rule("update delete", "core", "persistentvolumeclaims"),
        rule("update", "core", "pods/finalizers"),
        EVENTS,
    ],
    "ttl-after-finished-controller": [
        rule("get list watch delete", "batch", "jobs"),
        EVENTS,
    ],
    "ttl-controller": [
        rule("list watch update patch", "core", "nodes"),
        EVENTS,
    ],
    "validatingadmissionpolicy-status-controller": [
        rule(READ, "admissionregistration.k8s.io", "validatingadmissionpolicies"),
        rule("get update patch", "admissionregistration.k8s.io", "validatingadmissionpolicies/status"),
        EVENTS,
    ],
    "volumeattributesclass-protection-controller": [
        rule(READ, "core", "persistentvolumeclaims"),
        rule(READ, "core", "persistentvolumes"),
        rule("get list watch update", "storage.k8s.io", "volumeattributesclasses"),
        EVENTS,
    ],
}  # fmt: skip
