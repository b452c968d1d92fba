"""Admission: what the server adds to or refuses in a write, beyond the kind's own rules.

NamespaceLifecycle, ServiceAccount, Priority, DefaultTolerationSeconds, RuntimeClass, DefaultIngressClass,
DefaultStorageClass, PersistentVolumeClaimResize, TaintNodesByCondition, PodTopologyLabels. Plain
functions over objects and a Reader; only ``wait_for_service_account`` waits (the account of a new namespace is made by
a controller a moment after it).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from kubette.api import meta as m
from kubette.api import quantity
from kubette.api.errors import Forbidden, NotFound, not_found
from kubette.api.kinds import Kind, resource
from kubette.apiserver import podreferences
from kubette.apiserver.registry.base import Reader
from kubette.store import Store

Object = dict[str, Any]
TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_SECONDS = 3607
_ENFORCE_SECRETS = "kubernetes.io/enforce-mountable-secrets"
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
#: Reviews and the like: asked in a namespace, stored nowhere.
_NOT_STORED = frozenset({"localsubjectaccessreviews.authorization.k8s.io"})
_SYSTEM_PRIORITIES = {"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}
_ACCOUNT_TRIES, _ACCOUNT_WAIT = 10, 0.1


def admit_create(kind: Kind, namespace: str, obj: Object, reader: Reader, toleration_seconds: int = 300) -> None:
    """Check and complete a new object. ``toleration_seconds``: of pods for a lost node. Raises an ApiError."""
    if kind.namespaced and kind.group_resource not in _NOT_STORED:
        _namespace_lifecycle(kind, namespace, obj, reader)
    if kind.group_resource == "pods":
        _service_account(namespace, obj, reader)
        _priority(obj, reader)
        _tolerations(obj, toleration_seconds)
        _runtime_class(obj, reader)
        add_topology_labels(obj, str((obj.get("spec") or {}).get("nodeName") or ""), reader)
    if kind.group_resource == "nodes":
        _not_ready_taint(obj)
    if kind.group_resource == "persistentvolumeclaims":
        _storage_class(obj, reader)
    if kind.group_resource == "ingresses.networking.k8s.io":
        _ingress_class(obj, reader)


def _ingress_class(ingress: Object, reader: Reader) -> None:
    """DefaultIngressClass: the newest of those that are marked, for an Ingress that names none in either way."""
    spec = ingress.get("spec") or {}
    if spec.get("ingressClassName") is not None or "kubernetes.io/ingress.class" in m.annotations(ingress):
        return
    classes = reader.list(resource("ingressclasses.networking.k8s.io"))
    if name := _default_class(classes, "ingressclass.kubernetes.io/is-default-class"):
        ingress.setdefault("spec", {})["ingressClassName"] = name


def _default_class(classes: Iterable[Object], *annotations: str) -> str:
    """The newest of those that an annotation marks as the default, of several the first by name; or nothing."""
    marked = [c for c in classes if any(m.annotations(c).get(a) == "true" for a in annotations)]
    newest = max((str(m.metadata(c).get("creationTimestamp")) for c in marked), default="")
    names = [m.name(c) for c in marked if str(m.metadata(c).get("creationTimestamp")) == newest]
    return min(names, default="")


# ---- storage

_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


def _storage_class(claim: Object, reader: Reader) -> None:
    """DefaultStorageClass, for a claim that names none; the empty name asks for no class."""
    spec = claim.get("spec")
    if not isinstance(spec, dict) or spec.get("storageClassName") is not None or _BETA_CLASS in m.annotations(claim):
        return
    classes = reader.list(resource("storageclasses.storage.k8s.io"))
    prefixes = ("storageclass", "storageclass.beta")
    if name := _default_class(classes, *(f"{p}.kubernetes.io/is-default-class" for p in prefixes)):
        spec["storageClassName"] = name


def validate_claim_resize(kind: Kind, claim: Object, old: Object, reader: Reader) -> None:
    """PersistentVolumeClaimResize: a claim grows only when it is bound and its class allows it. Raises Forbidden."""
    if _requested(claim) <= _requested(old):
        return
    if (old.get("status") or {}).get("phase") != "Bound":
        raise refused(kind, claim, "Only bound persistent volume claims can be expanded")
    name = _class_of(claim)
    found = reader.get(resource("storageclasses.storage.k8s.io"), None, name) if name else None
    if found is None or name != _class_of(old) or not found.get("allowVolumeExpansion"):
        words = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc"
        raise refused(kind, claim, f"{words} must support resize")


def _class_of(claim: Object) -> str:
    return m.annotations(claim).get(_BETA_CLASS) or str((claim.get("spec") or {}).get("storageClassName") or "")


def _requested(claim: Object) -> Decimal:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return quantity.parse(str(requests.get("storage") or "0"))


# ---- nodes

_TOPOLOGY = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def _not_ready_taint(node: Object) -> None:
    """TaintNodesByCondition: no pod comes to a new node before the node controller has seen that it is ready."""
    spec = node.get("spec")
    if spec is None:
        spec = node["spec"] = {}
    taints = spec.get("taints") or []
    if not any((t.get("key"), t.get("effect")) == (_NOT_READY["key"], _NOT_READY["effect"]) for t in taints):
        spec["taints"] = [*taints, dict(_NOT_READY)]


def add_topology_labels(pod: Object, node: str, reader: Reader) -> None:
    """PodTopologyLabels: a pod on a node has the zone and region of the node as labels."""
    found = reader.get(resource("nodes"), None, node) if node else None
    if found is not None and (labels := {k: v for k, v in m.labels(found).items() if k in _TOPOLOGY}):
        metadata = pod.setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}


def _namespace_lifecycle(kind: Kind, namespace: str, obj: Object, reader: Reader) -> None:
    found = reader.get(resource("namespaces"), None, namespace)
    if found is None:
        raise not_found("namespaces", namespace)
    if m.deleting(found) or (found.get("status") or {}).get("phase") == "Terminating":
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
        error = refused(
            kind, obj, f"unable to create new content in namespace {namespace} because it is being terminated"
        )
        (error.details or {})["causes"] = [cause]
        raise error


def refused(kind: Kind, obj: Object, why: str) -> Forbidden:
    """Upstream's ``admission.NewForbidden``."""
    name = m.name(obj) or m.metadata(obj).get("generateName") or "Unknown"
    details = {"name": name, "kind": kind.plural}
    if kind.group:
        details["group"] = kind.group
    return Forbidden(f'{kind.group_resource} "{name}" is forbidden: {why}', details=details)


# ---- ServiceAccount


async def wait_for_service_account(store: Store, namespace: str, obj: Object) -> None:
    """Give the controllers a moment to make the account `default` of a young namespace."""
    spec = obj.get("spec")
    name = (spec.get("serviceAccountName") if isinstance(spec, dict) else None) or "default"
    if name != "default" or store.head("namespaces", "", namespace) is None:
        return
    ring = store.ring("serviceaccounts")
    for _ in range(_ACCOUNT_TRIES):
        if store.head("serviceaccounts", namespace, name) is not None:
            return
        await ring.wait(_ACCOUNT_WAIT)


def _service_account(namespace: str, pod: Object, reader: Reader) -> None:
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        return
    if podreferences.is_mirror(pod):
        if why := _mirror_refused(pod):
            raise refused(resource("pods"), pod, why)
        return
    name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    kind = resource("serviceaccounts")
    account = reader.get(kind, namespace, name)
    if account is None:
        raise refused(
            resource("pods"), pod,
            f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found',
        )  # fmt: skip
    wants = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    if wants:
        _mount_token(spec)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = copy.deepcopy(account["imagePullSecrets"])
    _mountable_secrets(pod, account, [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())])


def _mirror_refused(pod: Object) -> str:
    """Why a pod that claims to be a mirror is refused, whoever makes it: a node must gain nothing by it."""
    if (pod.get("spec") or {}).get("serviceAccountName"):
        return "a mirror pod may not reference service accounts"
    if podreferences.secrets(pod):
        return "a mirror pod may not reference secrets"
    if podreferences.projects_token(pod):
        return "a mirror pod may not use ServiceAccountToken volume projections"
    return ""


def admit_ephemeral_containers(namespace: str, pod: Object, reader: Reader) -> None:
    """Ephemeral containers name only the Secrets that the pod's account lists, where it restricts them."""
    name = (pod.get("spec") or {}).get("serviceAccountName") or ""
    account = reader.get(resource("serviceaccounts"), namespace, name)
    if account is not None:
        _mountable_secrets({**pod, "spec": {}}, account, (pod.get("spec") or {}).get("ephemeralContainers") or [])


def _mountable_secrets(pod: Object, account: Object, containers: list[Object]) -> None:
    """For an account that restricts the Secrets of its pods to those that it lists. Raises Forbidden."""
    if m.annotations(account).get(_ENFORCE_SECRETS, "").lower() not in ("1", "t", "true"):
        return
    spec, name = pod.get("spec") or {}, m.name(account)
    mountable = {s.get("name") for s in account.get("secrets") or ()}
    pulled = {s.get("name") for s in account.get("imagePullSecrets") or ()}
    why = ""
    for volume in spec.get("volumes") or ():
        secret = (volume.get("secret") or {}).get("secretName")
        if secret and secret not in mountable:
            why = f'volume with secret.secretName="{secret}" is not allowed because service account {name} does not'
    for container in containers:
        where = f"container {container.get('name')} with envVar"
        for variable in container.get("env") or ():
            secret = ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")
            if secret and secret not in mountable:
                why = (
                    f"{where} {variable.get('name')} referencing secret.secretName=\"{secret}\" is not allowed "
                    f"because service account {name} does not"
                )
        for source in container.get("envFrom") or ():
            secret = (source.get("secretRef") or {}).get("name")
            if secret and secret not in mountable:
                why = (
                    f"container {container.get('name')} with envFrom referencing secret.secretName=\"{secret}\" is "
                    f"not allowed because service account {name} does not"
                )
    for i, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if reference.get("name") not in pulled:
            why = (
                f'imagePullSecrets[{i}].name="{reference.get("name")}" is not allowed because service account {name} '
                "does not"
            )
    if why:
        raise refused(resource("pods"), pod, f"{why} reference that secret")


def _mount_token(spec: Object) -> None:
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    lacking = [
        c for c in containers
        if not any(v.get("mountPath") == TOKEN_DIRECTORY for v in c.get("volumeMounts") or ())
    ]  # fmt: skip
    if not lacking:
        return
    volumes = spec.get("volumes") or []
    name = next((v["name"] for v in volumes if str(v.get("name", "")).startswith("kube-api-access-")), "")
    if not name:
        name = f"kube-api-access-{m.random_suffix()}"
        spec["volumes"] = [*volumes, _token_volume(name)]
    for container in lacking:
        mount = {"name": name, "readOnly": True, "mountPath": TOKEN_DIRECTORY}
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount]


def _token_volume(name: str) -> Object:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "name": name,
        "projected": {
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
            ],
        },
    }


# ---- Priority, DefaultTolerationSeconds


def _priority(pod: Object, reader: Reader) -> None:
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        return
    kind = resource("priorityclasses.scheduling.k8s.io")
    name = spec.get("priorityClassName") or ""
    chosen: Object | None = None
    if name:
        chosen = reader.get(kind, None, name)
        if chosen is None and name in _SYSTEM_PRIORITIES:
            chosen = {"value": _SYSTEM_PRIORITIES[name]}
        if chosen is None:
            raise refused(resource("pods"), pod, f"no PriorityClass with name {name} was found")
    else:
        defaults = [c for c in reader.list(kind) if c.get("globalDefault")]
        if defaults:
            chosen = min(defaults, key=lambda c: c.get("value", 0))
            spec["priorityClassName"] = m.name(chosen)
    value = int((chosen or {}).get("value", 0))
    if spec.get("priority") is not None and spec["priority"] != value:
        raise refused(
            resource("pods"), pod,
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
            f"priority admission controller computed {value} from the given PriorityClass name",
        )  # fmt: skip
    spec["priority"] = value
    spec.setdefault("preemptionPolicy", (chosen or {}).get("preemptionPolicy") or "PreemptLowerPriority")


def _tolerations(pod: Object, seconds: int) -> None:
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        return
    tolerations = list(spec.get("tolerations") or ())
    for taint in _TAINTS:
        if not any(_tolerates(t, taint) for t in tolerations):
            tolerations.append(
                {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
            )
    spec["tolerations"] = tolerations


def _runtime_class(pod: Object, reader: Reader) -> None:
    """Overhead and scheduling constraints come from the pod's RuntimeClass, which must exist."""
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        return
    name, chosen = spec.get("runtimeClassName") or "", {}
    if name:
        found = reader.get(resource("runtimeclasses.node.k8s.io"), None, name)
        if found is None:
            raise refused(resource("pods"), pod, f'pod rejected: RuntimeClass "{name}" not found')
        chosen = found
    overhead = (chosen.get("overhead") or {}).get("podFixed")
    if spec.get("overhead") and not overhead:
        words = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
        raise refused(resource("pods"), pod, words)
    if overhead:
        if spec.get("overhead") not in (None, {}, overhead):
            words = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
            raise refused(resource("pods"), pod, words)
        spec["overhead"] = copy.deepcopy(overhead)
    scheduling = chosen.get("scheduling") or {}
    for key, value in (scheduling.get("nodeSelector") or {}).items():
        if spec.setdefault("nodeSelector", {}).setdefault(key, value) != value:
            words = f"conflict: {key} RuntimeClass: {value} Pod: {spec['nodeSelector'][key]}"
            raise refused(resource("pods"), pod, words)
    have = spec.get("tolerations") or []
    spec["tolerations"] = [*have, *(t for t in scheduling.get("tolerations") or () if t not in have)]


def _tolerates(toleration: Object, taint: str) -> bool:
    return (toleration.get("key") or "") in ("", taint) and toleration.get("effect", "") in ("", "NoExecute")


def admit_delete(kind: Kind, name: str) -> None:
    """Refuse what must never go."""
    if kind.group_resource == "namespaces" and name in ("default", "kube-system", "kube-public"):
        raise Forbidden(
            f'namespaces "{name}" is forbidden: this namespace may not be deleted',
            details={"name": name, "kind": "namespaces"},
        )
    if kind.group_resource == "namespaces" and not name:
        raise NotFound("the server could not find the requested resource")
