"""What a cluster has from its first second: namespaces, RBAC, priority classes, the Service and the ServiceCIDR
`kubernetes`.

Run at every start. It makes what is missing, and brings roles and bindings of an older version up to date unless
their annotation ``autoupdate`` says ``false``; the Service's endpoints are this server's address and kept so. The
rest is left alone.
"""

from __future__ import annotations

import ipaddress
import logging
from typing import Any

from kubette.api import meta
from kubette.api.errors import AlreadyExists, ApiError
from kubette.api.kinds import Kind, resource
from kubette.apiserver import policy, writes
from kubette.apiserver.config import ServerConfig
from kubette.apiserver.objects import Objects
from kubette.apiserver.registry.base import Context

_log = logging.getLogger(__name__)
Object = dict[str, Any]
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_CHECK_SECONDS = 10.0
_SLICES = "endpointslices.discovery.k8s.io"


async def run(objects: Objects, config: ServerConfig) -> None:
    """Make all that is missing."""
    wanted = [
        *((resource("namespaces"), _namespace(n)) for n in NAMESPACES),
        *((resource("clusterroles.rbac.authorization.k8s.io"), o) for o in policy.cluster_roles()),
        *((resource("clusterrolebindings.rbac.authorization.k8s.io"), o) for o in policy.cluster_role_bindings()),
        *((resource("priorityclasses.scheduling.k8s.io"), o) for o in _priority_classes()),
    ]
    acks = [w for kind, obj in wanted if (w := _create(objects, kind, obj)) is not None]
    acks += _reconcile(objects)
    for ack in acks:
        await ack.finish()
    await ensure_service(objects, config)
    await ensure_service_cidr(objects, config)


def _reconcile(objects: Objects) -> list[writes.Written]:
    """Roles and bindings of the bootstrap policy as it is now."""
    out = []
    for plural, wanted, field, merged in (
        ("clusterroles", policy.cluster_roles(), "rules", policy.merged_rules),
        ("clusterrolebindings", policy.cluster_role_bindings(), "subjects", policy.merged_subjects),
    ):
        kind = resource(f"{plural}.{policy.GROUP}")
        for obj in wanted:
            name = obj["metadata"]["name"]
            found = objects.get(kind, "", name)
            if found is None or meta.annotations(found).get(f"{policy.GROUP}/autoupdate") == "false":
                continue
            values = merged(name, obj.get(field) or [], found.get(field) or [])
            if values == (found.get(field) or []):
                continue

            def change(old: Object, field: str = field, values: list[Object] = values) -> Object:
                return {**old, field: values}

            out.append(writes.update(objects, kind, "", name, change, context(objects)))
    return out


async def keep(objects: Objects, config: ServerConfig) -> None:
    """Put the Service `kubernetes` and its endpoints right whenever somebody has changed them, and bring back
    a namespace of the system: without kube-node-lease no node could say that it lives."""
    ring = objects.store.ring("services")
    while True:
        await ring.wait(_CHECK_SECONDS)
        try:
            for name in NAMESPACES:
                if (made := _create(objects, resource("namespaces"), _namespace(name))) is not None:
                    await made.finish()
            await ensure_service(objects, config)
            await ensure_service_cidr(objects, config)
        except ApiError as e:
            _log.warning("keeping the system's objects: %s", e)


async def ensure_service(objects: Objects, config: ServerConfig) -> None:
    """The Service `kubernetes`, its Endpoints and EndpointSlice, as this server's address wants them."""
    address = config.endpoint_address
    family = "IPv6" if ":" in address else "IPv4"
    first = str(next(ipaddress.ip_network(config.service_cidr).hosts()))
    head: Object = {
        "name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"},
    }  # fmt: skip
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": head,
        "spec": {
            "type": "ClusterIP", "clusterIP": first, "clusterIPs": [first], "sessionAffinity": "None",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": config.port}],
        },
    }  # fmt: skip
    port = {"name": "https", "port": config.port, "protocol": "TCP"}
    mirror = {**head, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}
    endpoints = {
        "apiVersion": "v1", "kind": "Endpoints", "metadata": mirror,
        "subsets": [{"addresses": [{"ip": address}], "ports": [port]}],
    }  # fmt: skip
    labelled = {**head, "labels": {"kubernetes.io/service-name": "kubernetes"}}
    piece = {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": labelled, "addressType": family,
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}], "ports": [port],
    }  # fmt: skip
    written = [_ensure(objects, resource("services"), service, ())]
    if not ipaddress.ip_address(address).is_loopback:  # an address that means something else in every pod
        written += [
            _ensure(objects, resource("endpoints"), endpoints, ("subsets",)),
            _ensure(objects, resource(_SLICES), piece, ("endpoints", "ports")),
        ]
    for one in written:
        if one is not None:
            await one.finish()


async def ensure_service_cidr(objects: Objects, config: ServerConfig) -> None:
    """The ServiceCIDR of this server's own range, and that it is ready, unless somebody says otherwise."""
    kind, ranges = resource("servicecidrs.networking.k8s.io"), [config.service_cidr]
    wanted = {
        "apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": ranges},
    }  # fmt: skip
    if (made := _create(objects, kind, wanted)) is not None:
        await made.finish()
    found = objects.get(kind, None, "kubernetes") or {}
    ready = meta.condition(found, "Ready") or {}
    if meta.deleting(found) or found["spec"]["cidrs"] != ranges or ready.get("status") in ("True", "False"):
        return
    condition = {
        "type": "Ready", "status": "True", "reason": "", "message": "Kubernetes default Service CIDR is ready",
        "lastTransitionTime": meta.now(),
    }  # fmt: skip

    def change(old: Object) -> Object:
        others = [c for c in (old.get("status") or {}).get("conditions") or () if c["type"] != "Ready"]
        return {**old, "status": {"conditions": [*others, condition]}}

    ctx = context(objects)
    ctx.subresource = "status"
    await writes.update(objects, kind, "", "kubernetes", change, ctx).finish()


def context(objects: Objects) -> Context:
    """The server's own identity."""
    return Context("system:apiserver", ("system:masters",), meta.now, objects)


def _create(objects: Objects, kind: Kind, obj: Object) -> writes.Written | None:
    namespace = obj["metadata"].get("namespace", "")
    if objects.head(kind, namespace, obj["metadata"]["name"]) is not None:
        return None
    try:
        return writes.create(objects, kind, namespace, obj, context(objects))
    except AlreadyExists:
        return None


def _ensure(objects: Objects, kind: Kind, wanted: Object, fields: tuple[str, ...]) -> writes.Written | None:
    """Create, or put ``fields`` right."""
    name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
    found = objects.get(kind, namespace, name)
    if found is None:
        return _create(objects, kind, wanted)
    if all(found.get(f) == wanted[f] for f in fields):
        return None

    def change(old: Object) -> Object:
        return {**old, **{f: wanted[f] for f in fields}}

    return writes.update(objects, kind, namespace, name, change, context(objects))


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _priority_classes() -> list[Object]:
    critical = "Used for system critical pods that must "
    texts = {
        "system-node-critical": (2000001000, critical + "not be moved from their current node."),
        "system-cluster-critical": (
            2000000000,
            critical + "run in the cluster, but can be moved to another node if necessary.",
        ),
    }
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
            "value": value, "description": text, "preemptionPolicy": "PreemptLowerPriority",
        }
        for name, (value, text) in texts.items()
    ]  # fmt: skip
