"""Which API objects a pod or a volume names, and so which of them its node may read. Pure.

Source: ``VisitPodSecretNames``, ``VisitPodConfigmapNames`` (k8s.io/kubernetes/pkg/api/v1/pod),
``HasAPIObjectReference`` (pkg/api/pod), ``VisitPVSecretNames`` (pkg/api/v1/persistentvolume).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubette.api import meta

Object = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
#: Volume source → where in it a Secret of the pod's namespace is named.
_SECRET_IN_VOLUME = {
    "azureFile": "secretName", "secret": "secretName", "csi": "nodePublishSecretRef", "cephfs": "secretRef",
    "cinder": "secretRef", "flexVolume": "secretRef", "rbd": "secretRef", "scaleIO": "secretRef",
    "iscsi": "secretRef", "storageos": "secretRef",
}  # fmt: skip
#: Of a PersistentVolume; the kubelet has no use for a driver's controller secrets.
_SECRETS_IN_CSI = ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")
#: Volume sources that name no API object.
_PLAIN_VOLUMES = frozenset({
    "awsElasticBlockStore", "azureDisk", "cephfs", "cinder", "downwardAPI", "emptyDir", "fc", "flexVolume",
    "flocker", "gcePersistentDisk", "gitRepo", "hostPath", "image", "iscsi", "nfs", "photonPersistentDisk",
    "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
})  # fmt: skip
#: Volume source → what a pod with it refers to, in upstream's words.
_VOLUMES_OF_OBJECTS = {
    "configMap": "configmaps (via configmap volumes)", "secret": "secrets (via secret volumes)",
    "csi": "csidrivers (via CSI volumes)", "glusterfs": "endpoints (via glusterFS volumes)",
    "persistentVolumeClaim": "persistentvolumeclaims", "azureFile": "secrets (via azureFile volumes)",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
}  # fmt: skip
_PROJECTIONS_OF_OBJECTS = {
    "configMap": "configmaps (via projected volumes)", "secret": "secrets (via projected volumes)",
    "serviceAccountToken": "serviceaccounts (via projected volumes)", "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}  # fmt: skip


def is_mirror(pod: Object) -> bool:
    """Whether the pod only shows what a kubelet runs of its own."""
    return MIRROR in meta.annotations(pod)


def secrets(pod: Object) -> set[str]:
    """The names of Secrets in a pod's spec."""
    spec = pod.get("spec") or {}
    out = {str(s.get("name") or "") for s in spec.get("imagePullSecrets") or ()}
    out.update(_of_containers(spec, "secretRef", "secretKeyRef"))
    for source, value in _sources(spec):
        if source == "projected":
            out.update(_projected(value, "secret"))
        elif field := _SECRET_IN_VOLUME.get(source):
            found = value.get(field)
            out.add(str((found.get("name") if isinstance(found, dict) else found) or ""))
    return out - {""}


def config_maps(pod: Object) -> set[str]:
    """The names of ConfigMaps in a pod's spec."""
    spec = pod.get("spec") or {}
    out = set(_of_containers(spec, "configMapRef", "configMapKeyRef"))
    for source, value in _sources(spec):
        if source == "projected":
            out.update(_projected(value, "configMap"))
        elif source == "configMap":
            out.add(str(value.get("name") or ""))
    return out - {""}


def claims(pod: Object) -> set[str]:
    """The names of PersistentVolumeClaims, those of ephemeral volumes among them."""
    out = set()
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            out.add(str((volume["persistentVolumeClaim"] or {}).get("claimName") or ""))
        elif "ephemeral" in volume:
            out.add(f"{meta.name(pod)}-{volume.get('name')}")
    return out - {""}


def resource_claims(pod: Object) -> set[str]:
    """The names of ResourceClaims: named in the spec, or made from a template and named in the status."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    made = {s.get("name"): s.get("resourceClaimName") for s in status.get("resourceClaimStatuses") or ()}
    out = {str(c.get("resourceClaimName") or made.get(c.get("name")) or "") for c in spec.get("resourceClaims") or ()}
    out.add(str((status.get("extendedResourceClaimStatus") or {}).get("resourceClaimName") or ""))
    return out - {""}


def api_objects(pod: Object) -> str:
    """The first kind of API object that a pod refers to, in upstream's words; empty where it needs none.

    A volume of an unknown source counts as a reference."""
    spec = pod.get("spec") or {}
    if spec.get("serviceAccountName"):
        return "serviceaccounts"
    for found, what in ((secrets(pod), "secrets"), (config_maps(pod), "configmaps")):
        if found:
            return what
    if spec.get("resourceClaims"):
        return "resourceclaims"
    for source, value in _sources(spec):
        if source == "projected":
            for projection in value.get("sources") or ():
                for kind in projection:
                    if kind != "downwardAPI":
                        return _PROJECTIONS_OF_OBJECTS.get(kind, f"an unknown projection {kind!r}")
        elif source not in _PLAIN_VOLUMES:
            return _VOLUMES_OF_OBJECTS.get(source, f"an unknown volume source {source!r}")
    return ""


def projects_token(pod: Object) -> bool:
    """Whether a volume projects a ServiceAccount token."""
    return any(
        "serviceAccountToken" in projection
        for source, value in _sources(pod.get("spec") or {}) if source == "projected"
        for projection in value.get("sources") or ()
    )  # fmt: skip


def secrets_of_volume(volume: Object) -> set[tuple[str, str]]:
    """(namespace, name) of the Secrets that a kubelet needs for a PersistentVolume."""
    spec = volume.get("spec") or {}
    namespace = str((spec.get("claimRef") or {}).get("namespace") or "")
    out = set()
    for source, field in _SECRET_IN_VOLUME.items():
        value = spec.get(source)
        if source == "secret" or not isinstance(value, dict):
            continue
        if source == "azureFile":
            out.add((str(value.get("secretNamespace") or namespace), str(value.get("secretName") or "")))
            continue
        for each in _SECRETS_IN_CSI if source == "csi" else (field,):
            reference = value.get(each) or {}
            out.add((str(reference.get("namespace") or namespace), str(reference.get("name") or "")))
    return {(where, name) for where, name in out if name}


def _of_containers(spec: Object, whole: str, key: str) -> Iterator[str]:
    """Names in ``envFrom`` (``whole``) and ``env`` (``key``) of every container."""
    for field in _CONTAINERS:
        for container in spec.get(field) or ():
            for source in container.get("envFrom") or ():
                yield str((source.get(whole) or {}).get("name") or "")
            for variable in container.get("env") or ():
                yield str(((variable.get("valueFrom") or {}).get(key) or {}).get("name") or "")


def _projected(value: Object, kind: str) -> Iterator[str]:
    for source in value.get("sources") or ():
        yield str((source.get(kind) or {}).get("name") or "")


def _sources(spec: Object) -> Iterator[tuple[str, Object]]:
    """(source, its fields) of every volume."""
    for volume in spec.get("volumes") or ():
        for source, value in volume.items():
            if source != "name" and isinstance(value, dict):
                yield source, value
