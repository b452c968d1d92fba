"""What a pod's spec says when it does not say it. Shared by pods and by every pod template.

``default_template`` does what holds for both; ``default_pod`` adds what only a pod gets (a template keeps
what its author wrote). Source: pkg/apis/core/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubette.apiserver.registry import resources

Object = dict[str, Any]
_FILE_MODE = 0o644
_TOKEN_SECONDS = 3600
_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")


def containers_of(spec: Object) -> Iterator[Object]:
    """Init, regular and ephemeral containers."""
    for name in _CONTAINER_LISTS:
        yield from spec.get(name) or ()


def default_pod(spec: Object) -> None:
    """SetDefaults_Pod and all below."""
    default_template(spec)
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        wanted = container.get("resources") or {}
        if limits := wanted.get("limits"):
            requests = wanted.get("requests") or {}
            for name, quantity in limits.items():
                requests.setdefault(name, quantity)
            wanted["requests"] = requests
        if spec.get("hostNetwork"):
            for port in container.get("ports") or ():
                if not port.get("hostPort") and port.get("containerPort"):
                    port["hostPort"] = port["containerPort"]
    if spec.get("resources") is not None:
        _pod_resources(spec)
    spec.setdefault("enableServiceLinks", True)


def _pod_resources(spec: Object) -> None:
    """What a pod as a whole asks for, where it does not say it: as much as its containers, else as its limits."""
    own = spec["resources"]
    if own.get("limits") or own.get("requests"):
        limits = dict(own.get("limits") or {})
        for name, total in resources.aggregate(spec, "limits").items():
            if name.startswith("hugepages-") and name not in (own.get("requests") or {}):
                limits.setdefault(name, resources.shown(total))
        if limits:
            own["limits"] = limits
    if not own.get("limits"):
        return
    requests = dict(own.get("requests") or {})
    for name, total in resources.aggregate(spec, "requests").items():
        if name in ("cpu", "memory"):
            requests.setdefault(name, resources.shown(total))
    for name, limit in own["limits"].items():
        if name in ("cpu", "memory") or name.startswith("hugepages-"):
            requests.setdefault(name, limit)
    if requests:
        own["requests"] = requests


def default_template(spec: Object) -> None:
    """SetDefaults_PodSpec, containers, volumes."""
    for field, value in (
        ("restartPolicy", "Always"),
        ("dnsPolicy", "ClusterFirst"),
        ("schedulerName", "default-scheduler"),
    ):
        if not spec.get(field):
            spec[field] = value
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in containers_of(spec):
        _container(container)
    for volume in spec.get("volumes") or ():
        default_volume(volume)


def image_tag(image: str) -> str:
    """The tag of an image name: ``latest`` when it has neither tag nor digest."""
    name, at, _ = image.partition("@")
    last = name.rpartition("/")[2]
    _, colon, tag = last.partition(":")
    if colon:
        return tag
    return "" if at or not image else "latest"


def _container(container: Object) -> None:
    if not container.get("imagePullPolicy"):
        latest = image_tag(container.get("image") or "") == "latest"
        container["imagePullPolicy"] = "Always" if latest else "IfNotPresent"
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    container.setdefault("resources", {})
    for port in container.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for env in container.get("env") or ():
        source = env.get("valueFrom") or {}
        _field_ref(source)
    for field in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe := container.get(field):
            _probe(probe)
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _http_get(handler)


def _probe(probe: Object) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(field):
            probe[field] = value
    _http_get(probe)
    if (grpc := probe.get("grpc")) is not None:
        grpc.setdefault("service", "")


def _http_get(handler: Object) -> None:
    if (http := handler.get("httpGet")) is not None:
        if not http.get("path"):
            http["path"] = "/"
        if not http.get("scheme"):
            http["scheme"] = "HTTP"


def _field_ref(source: Object) -> None:
    if (field := source.get("fieldRef")) and not field.get("apiVersion"):
        field["apiVersion"] = "v1"
    if (file := source.get("fileKeyRef")) is not None:
        file.setdefault("optional", False)
    if (resource := source.get("resourceFieldRef")) is not None:
        resource.setdefault("divisor", "0")


def default_volume(volume: Object) -> None:
    """A volume without a source is an emptyDir; files are 0644."""
    if not any(isinstance(v, dict) for k, v in volume.items() if k != "name"):
        volume["emptyDir"] = {}
    for source in ("secret", "configMap", "downwardAPI", "projected"):
        if (value := volume.get(source)) is not None:
            value.setdefault("defaultMode", _FILE_MODE)
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _field_ref(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        if (token := source.get("serviceAccountToken")) is not None:
            token.setdefault("expirationSeconds", _TOKEN_SECONDS)
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _field_ref(item)
    if (host := volume.get("hostPath")) is not None:
        host.setdefault("type", "")
    if (image := volume.get("image")) is not None and not image.get("pullPolicy"):
        latest = image_tag(image.get("reference") or "") == "latest"
        image["pullPolicy"] = "Always" if latest else "IfNotPresent"
    claim = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec")
    if claim is not None and not claim.get("volumeMode"):
        claim["volumeMode"] = "Filesystem"
    if (iscsi := volume.get("iscsi")) is not None and not iscsi.get("iscsiInterface"):
        iscsi["iscsiInterface"] = "default"


def drop_disabled(spec: Object, old: Object) -> None:
    """DropDisabledPodFields: alpha fields of 1.36 vanish, unless the pod that is there (``old``) has them."""
    if spec.get("schedulingGroup") is not None and old.get("schedulingGroup") is None:
        del spec["schedulingGroup"]
    if not any("stopSignal" in (c.get("lifecycle") or {}) for c in containers_of(old)):
        for container in containers_of(spec):
            if "stopSignal" in (lifecycle := container.get("lifecycle") or {}):
                del lifecycle["stopSignal"]
                if not lifecycle:
                    del container["lifecycle"]
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            for field in ("clusterTrustBundle", "podCertificate"):
                if field in source and not _projects(old, field):
                    del source[field]


def _projects(spec: Object, field: str) -> bool:
    sources = (s for v in spec.get("volumes") or () for s in (v.get("projected") or {}).get("sources") or ())
    return any(field in s for s in sources)
