"""Whatever is structurally an object gets an answer, never a crash: examples with pieces missing or odd."""

# ruff: noqa: E501 (examples)

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from kubette.api import schema
from kubette.api.errors import ApiError
from kubette.api.kinds import resource
from kubette.apiserver import registry
from kubette.apiserver.registry import objectmeta

_PROBE = {"httpGet": {"path": "/", "port": "http", "httpHeaders": [{"name": "A", "value": "b"}]}}
_CONTAINER = {
    "name": "c", "image": "i:1", "ports": [{"name": "http", "containerPort": 80, "hostPort": 80}],
    "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
    "envFrom": [{"configMapRef": {"name": "c"}}], "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "x"}],
    "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "500m", "memory": "1Mi"}},
    "livenessProbe": _PROBE, "readinessProbe": {"exec": {"command": ["x"]}}, "startupProbe": {"grpc": {"port": 1}},
    "lifecycle": {"preStop": {"exec": {"command": ["x"]}}, "postStart": {"tcpSocket": {"port": 1}}},
    "securityContext": {"runAsUser": 1, "capabilities": {"add": ["X"]}, "seccompProfile": {"type": "Localhost"}},
}  # fmt: skip
_TERM = {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, "topologyKey": "k"}
_POD = {
    "containers": [_CONTAINER], "initContainers": [{**_CONTAINER, "name": "i"}],
    "volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}, {"serviceAccountToken": {"path": "t"}}]}},
                {"name": "w", "hostPath": {"path": "/"}}, {"name": "x", "emptyDir": {"sizeLimit": "1Mi"}},
                {"name": "y", "downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.labels"}}]}}],
    "affinity": {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "a", "operator": "Exists"}], "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]}},
        "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": _TERM}]},
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [_TERM]}},
    "tolerations": [{"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute", "tolerationSeconds": 1}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}],
    "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["a"], "options": [{"name": "ndots"}]},
    "hostAliases": [{"ip": "1.1.1.1", "hostnames": ["a"]}], "securityContext": {"sysctls": [{"name": "a", "value": "b"}]},
    "schedulingGates": [{"name": "a"}], "readinessGates": [{"conditionType": "a"}], "imagePullSecrets": [{"name": "s"}],
}  # fmt: skip
_TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": _POD}
_SELECTED = {"selector": {"matchLabels": {"a": "b"}}, "template": _TEMPLATE, "replicas": 1}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "pods": {"spec": _POD},
    "services": {"spec": {"type": "LoadBalancer", "clusterIP": "10.43.0.9", "clusterIPs": ["10.43.0.9"],
        "ports": [{"name": "a", "port": 1, "nodePort": 30001, "targetPort": "b"}, {"name": "b", "port": 1, "protocol": "UDP"}],
        "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1}}, "externalName": "a",
        "externalIPs": ["1.1.1.1"], "loadBalancerSourceRanges": ["1.0.0.0/8"], "externalTrafficPolicy": "Local",
        "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "healthCheckNodePort": 30002}},
    "endpoints": {"subsets": [{"addresses": [{"ip": "1.1.1.1"}], "ports": [{"name": "a", "port": 1}]}]},
    "endpointslices.discovery.k8s.io": {"addressType": "IPv4", "endpoints": [{"addresses": ["1.1.1.1"], "hostname": "a"}],
        "ports": [{"name": "a", "port": 1}]},
    "replicationcontrollers": {"spec": {"selector": {"a": "b"}, "template": _TEMPLATE}},
    "replicasets.apps": {"spec": _SELECTED},
    "deployments.apps": {"spec": {**_SELECTED, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "1%"}}}},
    "daemonsets.apps": {"spec": {k: v for k, v in _SELECTED.items() if k != "replicas"}},
    "statefulsets.apps": {"spec": {**_SELECTED, "serviceName": "a", "volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {}}]}},
    "jobs.batch": {"spec": {"template": _TEMPLATE, "podFailurePolicy": {"rules": []}}},
    "cronjobs.batch": {"spec": {"schedule": "* * * * *", "timeZone": "UTC", "jobTemplate": {"spec": {"template": _TEMPLATE}}}},
    "nodes": {"spec": {"podCIDR": "10.42.0.0/24", "podCIDRs": ["10.42.0.0/24"], "taints": [{"key": "a", "effect": "NoExecute"}]}},
    "namespaces": {"spec": {"finalizers": ["kubernetes"]}},
    "secrets": {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}, "stringData": {"a": "b"}},
    "configmaps": {"data": {"a": "b"}, "binaryData": {"c": "dg=="}, "immutable": True},
    "ingresses.networking.k8s.io": {"spec": {"ingressClassName": "a", "tls": [{"hosts": ["a.b"], "secretName": "s"}],
        "defaultBackend": {"service": {"name": "a", "port": {"number": 1}}}, "rules": [{"host": "*.a.b", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "a", "port": {"name": "a"}}}}]}}]}},
    "networkpolicies.networking.k8s.io": {"spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "1.0.0.0/8",
        "except": ["1.1.0.0/16"]}}], "ports": [{"port": 1, "endPort": 2}]}]}},
    "rolebindings.rbac.authorization.k8s.io": {"roleRef": {"kind": "Role", "name": "a"}, "subjects": [{"kind": "User", "name": "a"}]},
    "roles.rbac.authorization.k8s.io": {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]},
    "persistentvolumes": {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/"}}},
    "persistentvolumeclaims": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    "horizontalpodautoscalers.autoscaling": {"spec": {"maxReplicas": 2, "scaleTargetRef": {"kind": "a", "name": "b"}}},
    "poddisruptionbudgets.policy": {"spec": {"minAvailable": "1%", "selector": {"matchLabels": {"a": "b"}}}},
    "events": {"involvedObject": {"namespace": "default", "name": "a"}, "reason": "b"},
    "certificatesigningrequests.certificates.k8s.io": {"spec": {"request": "YQ==", "signerName": "a.b/c", "usages": ["any"]}},
}  # fmt: skip
_ODD = [{}, [], "", 0, -1, "-1", "x y", "::1", "999999", None]


def _places(value: Any, out: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        out.append((value, key))
        _places(below, out)
    return out


def _spoil(obj: dict[str, Any], dice: random.Random) -> None:
    for _ in range(dice.randint(1, 3)):
        body = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")}
        places = _places(body, [])
        if not places:
            return
        where, key = dice.choice(places)
        where = obj if where is body else where
        if dice.random() < 0.4:
            del where[key]
        else:
            where[key] = copy.deepcopy(dice.choice(_ODD))


@pytest.mark.parametrize("name", sorted(_EXAMPLES))
def test_no_object_crashes_its_strategy(world, name):
    dice = random.Random(name)
    kind = resource(name)
    strategy = registry.strategy_for(kind)
    base = {"apiVersion": kind.api_version, "kind": kind.kind, **_EXAMPLES[name]}
    base["metadata"] = {"name": "it", "uid": "u", **({"namespace": "default"} if kind.namespaced else {})}
    stored = copy.deepcopy(base)
    strategy.default(stored)
    strategy.prepare_create(stored, world.context())
    for _ in range(150):
        obj = copy.deepcopy(base)
        _spoil(obj, dice)
        if schema.check(kind, obj, "Ignore").errors:
            continue
        again, ctx = copy.deepcopy(obj), world.context()
        strategy.default(obj)
        strategy.prepare_create(obj, ctx)
        if not (objectmeta.validate_meta(kind, obj) + strategy.validate(obj, ctx)):
            strategy.allocate(obj, None, ctx)
            strategy.release(obj, None, ctx)
        strategy.default(again)
        strategy.prepare_update(again, stored, ctx)
        for error in strategy.validate_update(again, stored, ctx):
            assert str(error)
        try:
            strategy.check_delete(obj, ctx)
        except ApiError:
            pass
