"""The rows of the table of kinds: every GA resource of Kubernetes 1.36.

Data only; ``kinds.py`` says what a row means and how to look one up. A row names only what is its own;
``_rows`` adds what follows from the group: schema and protobuf names and the usual verbs. Where a group
has several versions the preferred one comes first, and the order is the order of discovery.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubette.api.kinds import Kind, Subresource

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_CREATE = ("create",)
_CONNECT = ("create", "get")
_PROXY = ("create", "delete", "get", "patch", "update")
_GET_WRITE = ("get", "patch", "update")
_NO_COLLECTION = ("create", "delete", "get", "list", "patch", "update", "watch")

_Sub = tuple[str, str, str, str, tuple[str, ...]]  # name, group, version, kind, verbs
_SCALE: _Sub = ("scale", "autoscaling", "v1", "Scale", _GET_WRITE)


@dataclass(frozen=True, slots=True)
class _Row:
    kind: str
    plural: str
    namespaced: bool
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subs: tuple[_Sub, ...] = ()
    status: bool = False
    verbs: tuple[str, ...] = ALL_VERBS


def _ns(
    kind: str, plural: str, *short: str, cat: str = "", subs: tuple[_Sub, ...] = (), status: bool = False,
    verbs: tuple[str, ...] = ALL_VERBS,
) -> _Row:
    return _Row(kind, plural, True, short, (cat,) if cat else (), subs, status, verbs)


def _cluster(
    kind: str, plural: str, *short: str, cat: str = "", subs: tuple[_Sub, ...] = (), status: bool = False,
    verbs: tuple[str, ...] = ALL_VERBS,
) -> _Row:
    return _Row(kind, plural, False, short, (cat,) if cat else (), subs, status, verbs)


def _rows(
    group: str, version: str, rows: Iterable[_Row], schema: str = "", proto: str = ""
) -> tuple[Kind, ...]:
    package = (group or "core").split(".")[0]
    schema = schema or f"io.k8s.api.{package}"
    proto = proto or f"k8s.io.api.{package}"
    out = []
    for r in rows:
        subs = [Subresource(*s) for s in r.subs]
        if r.status:
            subs.append(Subresource("status", group, version, r.kind, _GET_WRITE))
        out.append(
            Kind(
                group=group, version=version, kind=r.kind, plural=r.plural, singular=r.kind.lower(),
                namespaced=r.namespaced, verbs=r.verbs, short_names=r.short, categories=r.categories,
                subresources=tuple(sorted(subs, key=lambda s: s.name)),
                schema=f"{schema}.{version}.{r.kind}", proto=f"{proto}.{version}.{r.kind}",
            )
        )
    return tuple(out)


_POD_SUBS: tuple[_Sub, ...] = (
    ("attach", "", "v1", "PodAttachOptions", _CONNECT),
    ("binding", "", "v1", "Binding", _CREATE),
    ("ephemeralcontainers", "", "v1", "Pod", _GET_WRITE),
    ("eviction", "policy", "v1", "Eviction", _CREATE),
    ("exec", "", "v1", "PodExecOptions", _CONNECT),
    ("log", "", "v1", "Pod", ("get",)),
    ("portforward", "", "v1", "PodPortForwardOptions", _CONNECT),
    ("proxy", "", "v1", "PodProxyOptions", _PROXY),
    ("resize", "", "v1", "Pod", _GET_WRITE),
)

_CORE = _rows("", "v1", [
    _ns("Binding", "bindings", verbs=_CREATE),
    _cluster("ComponentStatus", "componentstatuses", "cs", verbs=("get", "list")),
    _ns("ConfigMap", "configmaps", "cm"),
    _ns("Endpoints", "endpoints", "ep"),
    _ns("Event", "events", "ev"),
    _ns("LimitRange", "limitranges", "limits"),
    _cluster(
        "Namespace", "namespaces", "ns", status=True, verbs=_NO_COLLECTION,
        subs=(("finalize", "", "v1", "Namespace", ("update",)),),
    ),
    _cluster("Node", "nodes", "no", subs=(("proxy", "", "v1", "NodeProxyOptions", _PROXY),), status=True),
    _ns("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", status=True),
    _cluster("PersistentVolume", "persistentvolumes", "pv", status=True),
    _ns("Pod", "pods", "po", cat="all", subs=_POD_SUBS, status=True),
    _ns("PodTemplate", "podtemplates"),
    _ns("ReplicationController", "replicationcontrollers", "rc", cat="all", subs=(_SCALE,), status=True),
    _ns("ResourceQuota", "resourcequotas", "quota", status=True),
    _ns("Secret", "secrets"),
    _ns(
        "ServiceAccount", "serviceaccounts", "sa",
        subs=(("token", "authentication.k8s.io", "v1", "TokenRequest", _CREATE),),
    ),
    _ns(
        "Service", "services", "svc", cat="all",
        subs=(("proxy", "", "v1", "ServiceProxyOptions", _PROXY),), status=True,
    ),
])

_APIREGISTRATION = _rows("apiregistration.k8s.io", "v1", [
    _cluster("APIService", "apiservices", cat="api-extensions", status=True),
], "io.k8s.kube-aggregator.pkg.apis.apiregistration", "k8s.io.kube_aggregator.pkg.apis.apiregistration")

_APPS = _rows("apps", "v1", [
    _ns("ControllerRevision", "controllerrevisions"),
    _ns("DaemonSet", "daemonsets", "ds", cat="all", status=True),
    _ns("Deployment", "deployments", "deploy", cat="all", subs=(_SCALE,), status=True),
    _ns("ReplicaSet", "replicasets", "rs", cat="all", subs=(_SCALE,), status=True),
    _ns("StatefulSet", "statefulsets", "sts", cat="all", subs=(_SCALE,), status=True),
])

_EVENTS = _rows("events.k8s.io", "v1", [_ns("Event", "events", "ev")])

_AUTHENTICATION = _rows("authentication.k8s.io", "v1", [
    _cluster("SelfSubjectReview", "selfsubjectreviews", verbs=_CREATE),
    _cluster("TokenReview", "tokenreviews", verbs=_CREATE),
])

_AUTHORIZATION = _rows("authorization.k8s.io", "v1", [
    _ns("LocalSubjectAccessReview", "localsubjectaccessreviews", verbs=_CREATE),
    _cluster("SelfSubjectAccessReview", "selfsubjectaccessreviews", verbs=_CREATE),
    _cluster("SelfSubjectRulesReview", "selfsubjectrulesreviews", verbs=_CREATE),
    _cluster("SubjectAccessReview", "subjectaccessreviews", verbs=_CREATE),
])

_HPA = _ns("HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", cat="all", status=True)
_AUTOSCALING = _rows("autoscaling", "v2", [_HPA]) + _rows("autoscaling", "v1", [_HPA])

_BATCH = _rows("batch", "v1", [
    _ns("CronJob", "cronjobs", "cj", cat="all", status=True),
    _ns("Job", "jobs", cat="all", status=True),
])

_CERTIFICATES = _rows("certificates.k8s.io", "v1", [
    _cluster(
        "CertificateSigningRequest", "certificatesigningrequests", "csr", status=True,
        subs=(("approval", "certificates.k8s.io", "v1", "CertificateSigningRequest", _GET_WRITE),),
    ),
])

_NETWORKING = _rows("networking.k8s.io", "v1", [
    _cluster("IngressClass", "ingressclasses"),
    _ns("Ingress", "ingresses", "ing", status=True),
    _cluster("IPAddress", "ipaddresses", "ip"),
    _ns("NetworkPolicy", "networkpolicies", "netpol"),
    _cluster("ServiceCIDR", "servicecidrs", status=True),
])

_POLICY = _rows("policy", "v1", [
    _ns("PodDisruptionBudget", "poddisruptionbudgets", "pdb", status=True),
])

_RBAC = _rows("rbac.authorization.k8s.io", "v1", [
    _cluster("ClusterRoleBinding", "clusterrolebindings"),
    _cluster("ClusterRole", "clusterroles"),
    _ns("RoleBinding", "rolebindings"),
    _ns("Role", "roles"),
])

_STORAGE = _rows("storage.k8s.io", "v1", [
    _cluster("CSIDriver", "csidrivers"),
    _cluster("CSINode", "csinodes"),
    _ns("CSIStorageCapacity", "csistoragecapacities"),
    _cluster("StorageClass", "storageclasses", "sc"),
    _cluster("VolumeAttachment", "volumeattachments", status=True),
    _cluster("VolumeAttributesClass", "volumeattributesclasses", "vac"),
])

_ADMISSION = _rows("admissionregistration.k8s.io", "v1", [
    _cluster("MutatingAdmissionPolicy", "mutatingadmissionpolicies", cat="api-extensions"),
    _cluster("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", cat="api-extensions"),
    _cluster("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", cat="api-extensions"),
    _cluster(
        "ValidatingAdmissionPolicy", "validatingadmissionpolicies", cat="api-extensions", status=True
    ),
    _cluster("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", cat="api-extensions"),
    _cluster("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", cat="api-extensions"),
])

_APIEXTENSIONS = _rows("apiextensions.k8s.io", "v1", [
    _cluster(
        "CustomResourceDefinition", "customresourcedefinitions", "crd", "crds",
        cat="api-extensions", status=True,
    ),
], "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions")

_SCHEDULING = _rows("scheduling.k8s.io", "v1", [_cluster("PriorityClass", "priorityclasses", "pc")])

_COORDINATION = _rows("coordination.k8s.io", "v1", [_ns("Lease", "leases")])

_NODE = _rows("node.k8s.io", "v1", [_cluster("RuntimeClass", "runtimeclasses")])

_DISCOVERY = _rows("discovery.k8s.io", "v1", [_ns("EndpointSlice", "endpointslices")])

_RESOURCE = _rows("resource.k8s.io", "v1", [
    _cluster("DeviceClass", "deviceclasses"),
    _ns("ResourceClaim", "resourceclaims", status=True),
    _ns("ResourceClaimTemplate", "resourceclaimtemplates"),
    _cluster("ResourceSlice", "resourceslices"),
])

_FLOWCONTROL = _rows("flowcontrol.apiserver.k8s.io", "v1", [
    _cluster("FlowSchema", "flowschemas", status=True),
    _cluster("PriorityLevelConfiguration", "prioritylevelconfigurations", status=True),
])

KINDS: tuple[Kind, ...] = (
    *_CORE, *_APIREGISTRATION, *_APPS, *_EVENTS, *_AUTHENTICATION, *_AUTHORIZATION, *_AUTOSCALING, *_BATCH,
    *_CERTIFICATES, *_NETWORKING, *_POLICY, *_RBAC, *_STORAGE, *_ADMISSION, *_APIEXTENSIONS, *_SCHEDULING,
    *_COORDINATION, *_NODE, *_DISCOVERY, *_RESOURCE, *_FLOWCONTROL,
)
