"""One table of objects that upstream refuses, and one of odd objects that it accepts, for all kinds.

A row of REFUSED takes the well-formed object of its kind, puts values at paths (``a.b[0].c``; None removes) and
names an error that must be among those found. The texts are upstream's.
"""

# ruff: noqa: E501 (tables of inputs and messages)

from __future__ import annotations

import base64
import copy
import re
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from kubette.api import schema
from kubette.api.errors import Invalid
from kubette.api.kinds import all_kinds, resource
from kubette.apiserver import actors, registry
from kubette.apiserver.registry.base import Strategy

Object = dict[str, Any]
_RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
_HOOK = {
    "name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
    "clientConfig": {"service": {"name": "s", "namespace": "n"}}, "rules": [_RULE],
}  # fmt: skip
_BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
_FLOW = {"subjects": [{"kind": "User", "user": {"name": "u"}}],
         "resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}]}  # fmt: skip
_TARGET = {"type": "AverageValue", "averageValue": "1"}
_SCALE = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "maxReplicas": 3}


def _pem(label: str = "CERTIFICATE REQUEST", spoilt: bool = False) -> str:
    """A PKCS#10 request as ``spec.request`` has it. ``spoilt``: its signature is another's."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    der = request.sign(ed25519.Ed25519PrivateKey.generate(), None).public_bytes(Encoding.DER)
    body = base64.encodebytes(der[:-1] + bytes([der[-1] ^ 1]) if spoilt else der).decode()
    return base64.b64encode(f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()).decode()


#: A well-formed object of each kind, without what the server adds.
GOOD: dict[str, Object] = {
    "certificatesigningrequests.certificates.k8s.io": {"spec": {"request": _pem(), "signerName": "example.com/s", "usages": ["client auth"]}},
    "controllerrevisions.apps": {"data": {"a": 1}, "revision": 1},
    "horizontalpodautoscalers.autoscaling": {"spec": {**_SCALE, "behavior": {}, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}},
    "resourcequotas": {"spec": {"hard": {"cpu": "1", "pods": "10"}}},
    "limitranges": {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1"}}]}},
    "persistentvolumes": {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/d"}}},
    "persistentvolumeclaims": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    "storageclasses.storage.k8s.io": {"provisioner": "example.com/p"},
    "csidrivers.storage.k8s.io": {"spec": {}},
    "csinodes.storage.k8s.io": {"spec": {"drivers": [{"name": "d.example.com", "nodeID": "n"}]}},
    "csistoragecapacities.storage.k8s.io": {"storageClassName": "s", "capacity": "1Gi"},
    "volumeattachments.storage.k8s.io": {"spec": {"attacher": "d.example.com", "nodeName": "n", "source": {"persistentVolumeName": "v"}}},
    "volumeattributesclasses.storage.k8s.io": {"driverName": "d.example.com", "parameters": {"a": "b"}},
    "runtimeclasses.node.k8s.io": {"handler": "runc"},
    "flowschemas.flowcontrol.apiserver.k8s.io": {"spec": {"priorityLevelConfiguration": {"name": "p"}, "rules": [_FLOW]}},
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": {"spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}}},
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": {"webhooks": [_HOOK]},
    "validatingwebhookconfigurations.admissionregistration.k8s.io": {"webhooks": [_HOOK]},
    "validatingadmissionpolicies.admissionregistration.k8s.io": {"spec": {"matchConstraints": {"resourceRules": [_RULE]}, "validations": [{"expression": "true"}]}},
    "mutatingadmissionpolicies.admissionregistration.k8s.io": {"spec": {"matchConstraints": {"resourceRules": [_RULE]}, "reinvocationPolicy": "Never", "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}]}},
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": {"spec": {"policyName": "p", "validationActions": ["Deny"]}},
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io": {"spec": {"policyName": "p"}},
    "apiservices.apiregistration.k8s.io": {"metadata": {"name": "v1.example.com"}, "spec": {"group": "example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1, "service": {"name": "s", "namespace": "n"}}},
    "ingresses.networking.k8s.io": {"spec": {"rules": [{"host": "a.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": _BACKEND}]}}]}},
    "ingressclasses.networking.k8s.io": {"spec": {"controller": "example.com/c", "parameters": {"kind": "K", "name": "n"}}},
    "networkpolicies.networking.k8s.io": {"spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 80}]}]}},
    "ipaddresses.networking.k8s.io": {"metadata": {"name": "10.0.0.1"}, "spec": {"parentRef": {"resource": "services", "name": "s", "namespace": "n"}}},
    "servicecidrs.networking.k8s.io": {"spec": {"cidrs": ["10.0.0.0/16"]}},
    "services": {"spec": {"ports": [{"port": 80}]}},
    "endpoints": {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]},
    "endpointslices.discovery.k8s.io": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"name": "p", "port": 80}]},
    "configmaps": {"data": {"k": "v"}},
    "secrets": {"data": {"k": "dg=="}},
    "namespaces": {"metadata": {"name": "ns"}},
    "nodes": {"spec": {}},
    "events": {"metadata": {"name": "e", "namespace": "default"}, "involvedObject": {"kind": "Pod", "namespace": "default"}},
    "events.events.k8s.io": {"metadata": {"name": "e", "namespace": "default"}, "eventTime": "2030-01-01T00:00:00.000000Z", "type": "Normal", "reason": "R", "action": "A", "reportingController": "c", "reportingInstance": "i", "regarding": {"namespace": "default"}},
    "leases.coordination.k8s.io": {"spec": {"leaseDurationSeconds": 1}},
    "roles.rbac.authorization.k8s.io": {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]},
    "clusterrolebindings.rbac.authorization.k8s.io": {"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]},
    "priorityclasses.scheduling.k8s.io": {"value": 1},
    "resourceclaims.resource.k8s.io": {"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}},
    "resourceclaimtemplates.resource.k8s.io": {"spec": {"spec": {"devices": {"requests": [{"name": "r", "firstAvailable": [{"name": "a", "deviceClassName": "c"}]}]}}}},
    "deviceclasses.resource.k8s.io": {"spec": {"selectors": [{"cel": {"expression": "true"}}], "config": [{"opaque": {"driver": "d.example.com", "parameters": {"a": 1}}}], "extendedResourceName": "example.com/gpu"}},
    "resourceslices.resource.k8s.io": {"spec": {"driver": "d.example.com", "nodeName": "n", "pool": {"name": "p", "resourceSliceCount": 1}, "devices": [{"name": "a", "attributes": {"v": {"version": "1.0.0"}, "example.com/s": {"string": "x"}}, "capacity": {"m": {"value": "1Gi"}}}, {"name": "b"}]}},
    "customresourcedefinitions.apiextensions.k8s.io": {"metadata": {"name": "things.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}, "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"n": {"type": "integer"}}}}}}}]}},
}
#: Where a CustomResourceDefinition's only schema is.
_SCHEMA = "spec.versions[0].schema.openAPIV3Schema"

#: kind → (changes, the error).
REFUSED: dict[str, list[tuple[Object, str]]] = {
    "deviceclasses.resource.k8s.io": [
        ({"spec.selectors[0].cel": None}, "spec.selectors[0].cel: Required value"),
        ({"spec.selectors[0].cel.expression": ""}, 'spec.selectors[0].cel.expression: Invalid value: "": compilation failed'),
        ({"spec.selectors": [{"cel": {"expression": "true"}}] * 33}, "spec.selectors: Too many: 33: must have at most 32 items"),
        ({"spec.config[0].opaque": None}, "spec.config[0].opaque: Required value"),
        ({"spec.config[0].opaque.driver": None}, "spec.config[0].opaque.driver: Required value"),
        ({"spec.config[0].opaque.driver": "a_b"}, 'spec.config[0].opaque.driver: Invalid value: "a_b"'),
        ({"spec.config[0].opaque.parameters": None}, "spec.config[0].opaque.parameters: Required value"),
        ({"spec.config[0].opaque.parameters": [1]}, 'spec.config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object'),
        ({"spec.config[0].opaque.parameters": {"a": "x" * 10240}}, "spec.config[0].opaque.parameters: Too long: may not be more than 10240 bytes"),
        ({"spec.extendedResourceName": "a_b"}, 'spec.extendedResourceName: Invalid value: "a_b": must be a valid extended resource name'),
    ],
    "resourceslices.resource.k8s.io": [
        ({"spec.driver": None}, "spec.driver: Required value"),
        ({"spec.pool.name": None}, "spec.pool.name: Required value"),
        ({"spec.pool.name": "a//b"}, 'spec.pool.name: Invalid value: ""'),
        ({"spec.pool.resourceSliceCount": 0}, "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero"),
        ({"spec.pool.generation": -1}, "spec.pool.generation: Invalid value: -1: must be greater than or equal to zero"),
        ({"spec.nodeName": None}, "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"),
        ({"spec.nodeName": ""}, 'spec.nodeName: Invalid value: "": must be either unset or set to a non-empty string'),
        ({"spec.nodeName": "A"}, 'spec.nodeName: Invalid value: "A"'),
        ({"spec.allNodes": True}, 'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of'),
        ({"spec.allNodes": False}, "spec.allNodes: Invalid value: false: must be either unset or set to true"),
        ({"spec.sharedCounters": [{"name": "c", "counters": {"m": {"value": "1"}}}]}, 'spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed'),
        ({"spec.devices": None, "spec.sharedCounters": [{"name": "c"}]}, "spec.sharedCounters[0].counters: Required value"),
        ({"spec.devices[1].name": "a"}, 'spec.devices[1]: Duplicate value: "a"'),
        ({"spec.devices[0].name": None}, 'spec.devices[0].name: Invalid value: ""'),
        ({"spec.devices": [{"name": f"d{i}"} for i in range(129)]}, "spec.devices: Too many: 129: must have at most 128 items"),
        ({"spec.devices[0].attributes.v.version": "1"}, 'attributes[v].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0'),
        ({"spec.devices[0].attributes.v.version": None}, 'spec.devices[0].attributes[v]: Invalid value: "": exactly one value must be specified'),
        ({"spec.devices[0].attributes.v.bool": True}, "exactly one value must be specified"),
        ({"spec.devices[0].attributes.v": {"string": "x" * 65}}, "attributes[v].string: Too long: may not be more than 64 bytes"),
        ({"spec.devices[0].attributes": {"a-b": {"int": 1}}}, 'spec.devices[0].attributes: Invalid value: "a-b": a valid C identifier'),
        ({"spec.devices[0].capacity.m.requestPolicy": {"default": "1"}}, "capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true"),
        ({"spec.devices[0].taints": [{"key": "k"}]}, "spec.devices[0].taints[0].effect: Required value"),
        ({"spec.devices[0].taints": [{"key": "k", "effect": "Odd"}]}, 'supported values: "NoExecute", "NoSchedule", "None"'),
        ({"spec.devices[0].consumesCounters": [{"counterSet": "c"}]}, "spec.devices[0].consumesCounters[0].counters: Required value"),
        ({"spec.devices[0].allNodes": True}, "can only be set if `perDeviceNodeSelection` is set to true"),
        ({"spec.nodeName": None, "spec.perDeviceNodeSelection": True}, "is required when `perDeviceNodeSelection` is set to true"),
        ({"spec.devices[0].bindingConditions": ["a"]}, "bindingFailureConditions are required to use bindingConditions"),
    ],
    "certificatesigningrequests.certificates.k8s.io": [
        ({"spec.request": "YWJj"}, 'spec.request: Invalid value: "YWJj": PEM block type must be CERTIFICATE REQUEST'),
        ({"spec.request": None}, 'spec.request: Invalid value: null: PEM block type must be CERTIFICATE REQUEST'),
        ({"spec.request": _pem("CERTIFICATE")}, "PEM block type must be CERTIFICATE REQUEST"),
        ({"spec.request": base64.b64encode(b"-----BEGIN CERTIFICATE REQUEST-----\ndg==\n-----END CERTIFICATE REQUEST-----\n").decode()}, "x509: malformed certificate request"),
        ({"spec.request": _pem(spoilt=True)}, "x509: the signature does not match the request"),
        ({"spec.usages": ["odd"]}, 'spec.usages[0]: Unsupported value: "odd": supported values: "any", "cert sign"'),
        ({"spec.usages": ["any", "any"]}, 'spec.usages[1]: Duplicate value: "any"'),
        ({"spec.signerName": "kubernetes.io/legacy-unknown"}, "the legacy signerName is not allowed via this API version"),
        ({"spec.signerName": "a.com/b/c"}, "must be a fully qualified domain and path of the form 'example.com/signer-name'"),
        ({"spec.signerName": "a/b"}, 'spec.signerName: Invalid value: "a": should be a domain with at least two segments separated by dots'),
        ({"spec.signerName": "a.com/b."}, 'spec.signerName: Invalid value: "b.": validating label "": a lowercase RFC 1123 subdomain'),
        ({"spec.signerName": f"{'x.' * 150}com/b"}, "spec.signerName: Too long: may not be more than 253 bytes"),
    ],
    "controllerrevisions.apps": [
        ({"data": None}, "data: Required value: data is mandatory"),
        ({"data": ["a"]}, "data: Required value: data must be a valid JSON object"),
        ({"revision": -1}, "revision: Invalid value: -1: must be greater than or equal to 0"),
    ],
    "horizontalpodautoscalers.autoscaling": [
        ({"spec.maxReplicas": None}, "spec.maxReplicas: Required value: must be set and greater than 0"),
        ({"spec.maxReplicas": -1}, "spec.maxReplicas: Invalid value: -1: must be greater than or equal to 1"),
        ({"spec.minReplicas": 4}, "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"),
        ({"spec.minReplicas": 0}, "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas"),
        ({"spec.scaleTargetRef.apiVersion": "v1"}, 'spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group'),
        ({"spec.scaleTargetRef.apiVersion": "a/b/c"}, "unexpected GroupVersion string: a/b/c"),
        ({"spec.scaleTargetRef.name": "a/b"}, "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'"),
        ({"spec.metrics[0].type": None}, "spec.metrics[0].type: Required value: must specify a metric source type"),
        ({"spec.metrics[0].type": "Odd"}, 'spec.metrics[0].type: Unsupported value: "Odd": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"'),
        ({"spec.metrics[0].type": "Pods"}, "spec.metrics[0].pods: Required value: must populate information for the given metric source"),
        ({"spec.metrics[0].pods": {"metric": {"name": "m"}, "target": _TARGET}}, "spec.metrics[0].pods: Forbidden: must populate the given metric source only"),
        ({"spec.metrics[0].resource.name": None}, "spec.metrics[0].resource.name: Required value: must specify a resource name"),
        ({"spec.metrics[0].resource.target.type": "Odd"}, 'spec.metrics[0].resource.target.type: Invalid value: "Odd": must be either Utilization, Value, or AverageValue'),
        ({"spec.metrics[0].resource.target.averageUtilization": 0}, "averageUtilization: Invalid value: 0: must be greater than 0"),
        ({"spec.metrics[0].resource.target.averageUtilization": None}, "averageUtilization: Required value: must set either a target raw value or a target utilization"),
        ({"spec.metrics[0].resource.target.averageValue": "1"}, "averageValue: Forbidden: may not set both a target raw value and a target utilization"),
        ({"spec.metrics[0]": {"type": "ContainerResource", "containerResource": {"name": "cpu", "target": _TARGET}}}, "containerResource.container: Required value: must specify a container"),
        ({"spec.metrics[0]": {"type": "Pods", "pods": {"metric": {}, "target": _TARGET}}}, "spec.metrics[0].pods.metric.name: Required value: must specify a metric name"),
        ({"spec.metrics[0]": {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "0"}}}}, 'target.value: Invalid value: "0": must be positive'),
        ({"spec.metrics[0]": {"type": "External", "external": {"metric": {"name": "m"}, "target": {**_TARGET, "value": "1"}}}}, "target.value: Forbidden: may not set both a target value for metric and a per-pod target"),
        ({"spec.metrics[0]": {"type": "Object", "object": {"describedObject": {"name": "s", "kind": "S", "apiVersion": "a/b/c"}, "metric": {"name": "m"}, "target": _TARGET}}}, "object.describedObject.apiVersion: Invalid value"),
        ({"spec.metrics[0]": {"type": "Object", "object": {"describedObject": {"name": "s", "kind": "S"}, "metric": {"name": "m"}, "target": {"type": "Value"}}}}, "must set either a target value or averageValue"),
        ({"spec.behavior.scaleUp": {"stabilizationWindowSeconds": 3601}}, "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600"),
        ({"spec.behavior.scaleDown": {"stabilizationWindowSeconds": -1}}, "must be greater than or equal to zero"),
        ({"spec.behavior.scaleDown": {"selectPolicy": "Odd"}}, 'selectPolicy: Unsupported value: "Odd": supported values: "Disabled", "Max", "Min"'),
        ({"spec.behavior.scaleDown": {"policies": []}}, "spec.behavior.scaleDown.policies: Required value: must specify at least one Policy"),
        ({"spec.behavior.scaleDown": {"tolerance": "-1"}}, 'tolerance: Invalid value: "-1": must be greater than or equal to 0'),
        ({"spec.behavior.scaleDown": {"policies": [{"type": "Odd", "value": 1, "periodSeconds": 1}]}}, 'policies[0].type: Unsupported value: "Odd": supported values: "Percent", "Pods"'),
        ({"spec.behavior.scaleDown": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1}]}}, "policies[0].value: Invalid value: 0: must be greater than zero"),
        ({"spec.behavior.scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1801}]}}, "policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800"),
    ],
    "resourcequotas": [
        ({"spec.hard.nosuch": "1"}, 'spec.hard[nosuch]: Invalid value: "nosuch": must be a standard resource type or fully qualified'),
        ({"spec.hard.storage": "1"}, 'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota'),
        ({"spec.hard.pods": "1500m"}, 'spec.hard[pods]: Invalid value: "1500m": must be an integer'),
        ({"spec.hard.cpu": "-1"}, 'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0'),
        ({"spec.scopes": ["Odd"]}, 'spec.scopes: Invalid value: ["Odd"]: unsupported scope'),
        ({"spec.scopes": ["BestEffort"]}, 'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'),
        ({"spec.scopes": ["Terminating", "NotTerminating"]}, "conflicting scopes"),
        ({"spec.scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}}, "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"),
        ({"spec.scopeSelector": {"matchExpressions": [{"scopeName": "Terminating", "operator": "In", "values": ["x"]}]}}, "spec.scopeSelector.matchExpressions.operator: Invalid value: \"In\": must be 'Exists' when scope is any of"),
        ({"spec.scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists", "values": ["x"]}]}}, "must be no value when `operator` is 'Exist' or 'DoesNotExist'"),
    ],
    "limitranges": [
        ({"spec.limits[0].type": "Odd"}, 'spec.limits[0].type: Invalid value: "Odd": must be a standard limit type or fully qualified'),
        ({"spec.limits[0].min.cpu": "3"}, 'spec.limits[0].min[cpu]: Invalid value: "3": min value 3 is greater than max value 2'),
        ({"spec.limits[0].default": {"cpu": "3"}}, "default value 3 is greater than max value 2"),
        ({"spec.limits[0].defaultRequest": {"cpu": "500m"}}, "min value 1 is greater than default request value 500m"),
        ({"spec.limits[0].maxLimitRequestRatio": {"cpu": "3"}}, 'maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000'),
        ({"spec.limits[0].maxLimitRequestRatio": {"cpu": "500m"}}, "ratio 500m is less than 1"),
        ({"spec.limits[0].max": {"pods": "1"}}, 'spec.limits[0].max[pods]: Invalid value: "pods": must be a standard resource for containers'),
        ({"spec.limits[0]": {"type": "Pod", "default": {"cpu": "1"}}}, "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"),
        ({"spec.limits[0]": {"type": "PersistentVolumeClaim"}}, "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided"),
        ({"spec.limits": [{"type": "Pod"}, {"type": "Pod"}]}, 'spec.limits[1].type: Duplicate value: "Pod"'),
        ({"spec.limits[0]": {"type": "Container", "default": {"e.com/g": "2"}, "defaultRequest": {"e.com/g": "1"}}}, "default value 2 must equal to defaultRequest value 1 in e.com/g"),
    ],
    "persistentvolumes": [
        ({"spec.accessModes": None}, "spec.accessModes: Required value"),
        ({"spec.accessModes": ["Odd"]}, 'spec.accessModes: Unsupported value: "Odd"'),
        ({"spec.capacity": None}, "spec.capacity: Required value"),
        ({"spec.capacity": {"cpu": "1"}}, 'spec.capacity: Unsupported value: {"cpu":"1"}: supported values: "storage"'),
        ({"spec.capacity.storage": "0"}, 'spec.capacity[storage]: Invalid value: "0": must be greater than zero'),
        ({"spec.hostPath": None}, "spec: Required value: must specify a volume type"),
        ({"spec.nfs": {"server": "s", "path": "/"}}, "spec.nfs: Forbidden: may not specify more than 1 volume type"),
        ({"spec.hostPath.path": "/a/../b"}, "spec.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"),
        ({"spec.hostPath.type": "Odd"}, 'spec.hostPath.type: Unsupported value: "Odd"'),
        ({"spec.hostPath.path": "/", "spec.persistentVolumeReclaimPolicy": "Recycle"}, "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"),
        ({"spec.persistentVolumeReclaimPolicy": "Odd"}, 'spec.persistentVolumeReclaimPolicy: Unsupported value: "Odd"'),
        ({"spec.nodeAffinity": {}}, "spec.nodeAffinity.required: Required value: must specify required node constraints"),
        ({"spec.volumeAttributesClassName": "a"}, "spec.csi: Required value: has to be specified when using volumeAttributesClassName"),
        ({"spec.hostPath": None, "spec.local": {"path": "/d"}}, "spec.nodeAffinity: Required value: Local volume requires node affinity"),
        ({"spec.hostPath": None, "spec.nfs": {"path": "rel"}}, 'spec.nfs.path: Invalid value: "rel": must be an absolute path'),
        ({"spec.hostPath": None, "spec.csi": {"driver": "d", "volumeHandle": "", "nodePublishSecretRef": {"name": "s"}}}, "spec.csi.nodePublishSecretRef.namespace: Required value"),
        ({"spec.hostPath": None, "spec.csi": {"driver": "d"}}, "spec.csi.volumeHandle: Required value"),
        ({"spec.hostPath": None, "spec.iscsi": {"targetPortal": "p", "iqn": "odd", "lun": 0}}, 'spec.iscsi.iqn: Invalid value: "odd": must be valid format'),
        ({"spec.hostPath": None, "spec.iscsi": {"targetPortal": "p", "iqn": "iqn.2001-04.com.example:a", "lun": 256}}, "spec.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive"),
        ({"spec.hostPath": None, "spec.fc": {"targetWWNs": ["a"]}}, "spec.fc.lun: Required value: lun is required if targetWWNs is specified"),
        ({"spec.hostPath": None, "spec.azureDisk": {"diskName": "d", "diskURI": "u", "kind": "Managed"}}, 'spec.azureDisk.diskURI: Unsupported value: "u"'),
        ({"spec.hostPath": None, "spec.gcePersistentDisk": {"pdName": "", "partition": 300}}, "spec.persistentDisk.pdName: Required value"),
        ({"spec.hostPath": None, "spec.flexVolume": {"driver": "d", "options": {"kubernetes.io/x": "y"}}}, "kubernetes.io and k8s.io namespaces are reserved"),
        ({"spec.hostPath": None, "spec.glusterfs": {"endpoints": "e", "path": "p", "endpointsNamespace": ""}}, "if the endpointnamespace is set, it must be a valid namespace name"),
        ({"metadata.annotations": {"volume.beta.kubernetes.io/mount-options": "ro"}}, "may not specify mount options for this volume type"),
    ],
    "persistentvolumeclaims": [
        ({"spec.accessModes": None}, "spec.accessModes: Required value: at least 1 access mode is required"),
        ({"spec.accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]}, "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"),
        ({"spec.resources": None}, "spec.resources[storage]: Required value"),
        ({"spec.resources.requests.storage": "-1"}, 'spec.resources[storage]: Invalid value: "-1": must be greater than zero'),
        ({"spec.volumeMode": "Odd"}, 'spec.volumeMode: Unsupported value: "Odd"'),
        ({"spec.storageClassName": "A B"}, 'spec.storageClassName: Invalid value: "A B"'),
        ({"spec.volumeAttributesClassName": "A B"}, 'spec.volumeAttributesClassName: Invalid value: "A B"'),
        ({"spec.dataSourceRef": {"kind": "Odd", "name": "n"}}, "spec.dataSourceRef: Invalid value: \"Odd\": must be 'PersistentVolumeClaim' when referencing the default apiGroup"),
        ({"spec.dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}, "spec.dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "b"}}, 'spec: Invalid value: "spec.dataSource": must match dataSourceRef'),
    ],
    "storageclasses.storage.k8s.io": [
        ({"provisioner": None}, "provisioner: Required value"),
        ({"provisioner": "a b"}, 'provisioner: Invalid value: "a b": name part must consist of'),
        ({"reclaimPolicy": "Recycle"}, 'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"'),
        ({"volumeBindingMode": ""}, 'volumeBindingMode: Unsupported value: ""'),
        ({"parameters": {"": "x"}}, 'parameters: Invalid value: "": field can not be empty.'),
        ({"allowedTopologies": [{}]}, 'allowedTopologies[0].matchLabelExpressions: Duplicate value: ""'),
        ({"allowedTopologies": [{"matchLabelExpressions": [{"key": "a", "values": ["x", "x"]}]}]}, 'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "x"'),
    ],
    "csidrivers.storage.k8s.io": [
        ({"spec.fsGroupPolicy": "Odd"}, 'spec.fsGroupPolicy: Unsupported value: "Odd"'),
        ({"spec.volumeLifecycleModes": ["Odd"]}, 'spec.volumeLifecycleModes: Unsupported value: "Odd"'),
        ({"spec.tokenRequests": [{"audience": "a", "expirationSeconds": 1}]}, "spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes"),
        ({"spec.tokenRequests": [{"audience": "a"}, {"audience": "a"}]}, 'spec.tokenRequests[1].audience: Duplicate value: "a"'),
        ({"spec.nodeAllocatableUpdatePeriodSeconds": 5}, "must be greater than or equal to 10 seconds"),
        ({"spec.serviceAccountTokenInSecrets": True}, "serviceAccountTokenInSecrets is set but no tokenRequests are specified"),
    ],
    "csinodes.storage.k8s.io": [
        ({"spec.drivers[0].name": ""}, "spec.drivers[0].name: Required value"),
        ({"spec.drivers[0].nodeID": "x" * 257}, "must be 256 characters or less"),
        ({"spec.drivers[0].allocatable": {"count": -1}}, "spec.drivers[0].allocatable.count: Invalid value: -1"),
        ({"spec.drivers[0].topologyKeys": ["a", "a"]}, 'spec.drivers[0]: Duplicate value: "a"'),
    ],
    "csistoragecapacities.storage.k8s.io": [
        ({"storageClassName": ""}, 'storageClassName: Invalid value: ""'),
        ({"capacity": "-1"}, 'capacity: Invalid value: "-1": must be greater than or equal to 0'),
        ({"nodeTopology": {"matchExpressions": [{"key": "a", "operator": "Odd"}]}}, 'nodeTopology.matchExpressions[0].operator: Invalid value: "Odd"'),
    ],
    "volumeattachments.storage.k8s.io": [
        ({"spec.attacher": ""}, "spec.attacher: Required value"),
        ({"spec.source": {}}, "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"),
        ({"spec.nodeName": ""}, 'spec.nodeName: Invalid value: ""'),
        ({"spec.source": {"inlineVolumeSpec": {"accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/"}}}}, "spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes"),
    ],
    "volumeattributesclasses.storage.k8s.io": [
        ({"driverName": ""}, "driverName: Required value"),
        ({"parameters": None}, "parameters: Required value: must contain at least one key/value pair"),
    ],
    "runtimeclasses.node.k8s.io": [
        ({"handler": ""}, "handler: Required value"),
        ({"handler": "A_B"}, 'handler: Invalid value: "A_B"'),
        ({"overhead": {"podFixed": {"odd": "1"}}}, "must be a standard resource for containers"),
        ({"scheduling": {"tolerations": [{"operator": "Exists"}, {"operator": "Exists"}]}}, "scheduling.tolerations[1]: Duplicate value"),
    ],
    "flowschemas.flowcontrol.apiserver.k8s.io": [
        ({"spec.matchingPrecedence": -1}, "spec.matchingPrecedence: Invalid value: -1: must be a positive value"),
        ({"spec.matchingPrecedence": 1}, "only the schema named 'exempt' may have matchingPrecedence 1"),
        ({"spec.priorityLevelConfiguration.name": ""}, "spec.priorityLevelConfiguration.name: Required value: must reference a priority level"),
        ({"spec.distinguisherMethod": {"type": "Odd"}}, 'spec.distinguisherMethod.type: Unsupported value: {"type":"Odd"}'),
        ({"spec.rules[0].subjects": None}, "spec.rules[0].subjects: Required value: subjects must contain at least one value"),
        ({"spec.rules[0].subjects[0].kind": "Group"}, "spec.rules[0].subjects[0].group: Required value: group is required when subject kind is 'Group'"),
        ({"spec.rules[0].resourceRules": None}, "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty"),
        ({"spec.rules[0].resourceRules[0].verbs": ["odd"]}, 'spec.rules[0].resourceRules[0].verbs: Unsupported value: ["odd"]'),
        ({"spec.rules[0].resourceRules[0].namespaces": None}, "resource rules that are not cluster scoped must supply at least one namespace"),
        ({"spec.rules[0].nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["x"]}]}, 'nonResourceURLs[0]: Invalid value: "x": must start with slash'),
    ],
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": [
        ({"spec.type": "Exempt"}, "spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'"),
        ({"spec.limited": None}, "spec.limited: Required value: must not be empty when type is Limited"),
        ({"spec.limited.limitResponse.type": "Odd"}, 'spec.limited.limitResponse.type: Unsupported value: "Odd"'),
        ({"spec.limited.limitResponse.queuing.handSize": 65}, "handSize: Invalid value: 65: should not be greater than queues (64)"),
        ({"spec.limited.limitResponse.queuing.handSize": 11}, "required entropy bits of deckSize 64 and handSize 11 should not be greater than 60"),
        ({"spec.limited.lendablePercent": 101}, "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive"),
    ],
    "validatingwebhookconfigurations.admissionregistration.k8s.io": [
        ({"webhooks[0].name": "short"}, 'webhooks[0].name: Invalid value: "short": should be a domain with at least three segments separated by dots'),
        ({"webhooks[0].sideEffects": None}, "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun"),
        ({"webhooks[0].sideEffects": "Some"}, 'webhooks[0].sideEffects: Unsupported value: "Some"'),
        ({"webhooks[0].admissionReviewVersions": None}, "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1"),
        ({"webhooks[0].admissionReviewVersions": ["v9"]}, "must include at least one of v1, v1beta1"),
        ({"webhooks[0].timeoutSeconds": 31}, "the timeout value must be between 1 and 30 seconds"),
        ({"webhooks[0].clientConfig": {}}, "webhooks[0].clientConfig: Required value: exactly one of url or service is required"),
        ({"webhooks[0].clientConfig": {"url": "http://u@h/?q#f"}}, "'https' is the only allowed URL scheme; desired format: https://host[/path]"),
        ({"webhooks[0].clientConfig.service.path": "/a//b"}, 'webhooks[0].clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty'),
        ({"webhooks[0].clientConfig.service.port": 0}, "port is not valid: must be between 1 and 65535, inclusive"),
        ({"webhooks[0].rules[0].operations": ["*", "CREATE"]}, "if '*' is present, must not specify other operations"),
        ({"webhooks[0].rules[0].operations": ["create"]}, 'webhooks[0].rules[0].operations[0]: Unsupported value: "create"'),
        ({"webhooks[0].rules[0].resources": ["*/*", "pods"]}, "if '*/*' is present, must not specify other resources"),
        ({"webhooks[0].rules[0].resources": ["pods/*", "pods/log"]}, "if 'pods/*' is present, must not specify pods/log"),
        ({"webhooks[0].rules[0].scope": "Odd"}, 'webhooks[0].rules[0].scope: Unsupported value: "Odd"'),
        ({"webhooks[0].matchConditions": [{"name": "", "expression": " "}]}, "webhooks[0].matchConditions[0].expression: Required value"),
        ({"webhooks": [_HOOK, _HOOK]}, 'webhooks[1].name: Duplicate value: "a.example.com"'),
    ],
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": [
        ({"webhooks[0].reinvocationPolicy": "Odd"}, 'webhooks[0].reinvocationPolicy: Unsupported value: "Odd": supported values: "IfNeeded", "Never"'),
        ({"webhooks[0].failurePolicy": "Odd"}, 'webhooks[0].failurePolicy: Unsupported value: "Odd"'),
    ],
    "validatingadmissionpolicies.admissionregistration.k8s.io": [
        ({"spec.failurePolicy": "Odd"}, 'spec.failurePolicy: Unsupported value: "Odd"'),
        ({"spec.matchConstraints": None}, "spec.matchConstraints: Required value"),
        ({"spec.matchConstraints.resourceRules": None}, "spec.matchConstraints.resourceRules: Required value"),
        ({"spec.validations": None}, "spec.validations: Required value: validations or auditAnnotations must contain at least one item"),
        ({"spec.validations[0].expression": " "}, "spec.validations[0].expression: Required value: expression is not specified"),
        ({"spec.validations[0].message": "a\nb"}, "must not contain line breaks"),
        ({"spec.validations[0].reason": "Odd"}, 'spec.validations[0].reason: Unsupported value: "Odd"'),
        ({"spec.variables": [{"name": "if", "expression": "1"}]}, 'spec.variables[0].name: Invalid value: "if": must be a valid CEL identifier'),
        ({"spec.paramKind": {"apiVersion": "a/b/c", "kind": "K"}}, "unexpected GroupVersion string: a/b/c"),
        ({"spec.auditAnnotations": [{"key": "k", "valueExpression": "1"}] * 2}, 'spec.auditAnnotations[1].key: Duplicate value: "k"'),
    ],
    "mutatingadmissionpolicies.admissionregistration.k8s.io": [
        ({"spec.reinvocationPolicy": None}, "spec.reinvocationPolicy: Required value"),
        ({"spec.mutations": None}, "spec.mutations: Required value: mutations must contain at least one item"),
        ({"spec.mutations[0].jsonPatch": None}, "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch"),
        ({"spec.mutations[0].patchType": "Odd"}, 'spec.mutations[0].patchType: Unsupported value: "Odd"'),
        ({"spec.matchConstraints.resourceRules[0].operations": ["DELETE"]}, 'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE"'),
    ],
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": [
        ({"spec.policyName": ""}, "spec.policyName: Required value"),
        ({"spec.validationActions": None}, "spec.validationActions: Required value: at least one validation action is required"),
        ({"spec.validationActions": ["Deny", "Warn"]}, "must not contain both Deny and Warn"),
        ({"spec.paramRef": {"name": "a", "selector": {}}}, "spec.paramRef.name: Forbidden: name and selector are mutually exclusive"),
        ({"spec.paramRef": {"name": "a"}}, "spec.paramRef.parameterNotFoundAction: Required value"),
    ],
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io": [
        ({"spec.matchResources": {"resourceRules": [{**_RULE, "operations": ["DELETE"]}]}}, 'spec.matchResources.resourceRules.operations: Unsupported value: "DELETE"'),
    ],
    "apiservices.apiregistration.k8s.io": [
        ({"metadata.name": "other"}, 'metadata.name: Invalid value: "other": must be `spec.version+"."+spec.group`: "v1.example.com"'),
        ({"spec.groupPriorityMinimum": 0}, "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000"),
        ({"spec.versionPriority": 1001}, "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000"),
        ({"spec.service": None, "spec.insecureSkipTLSVerify": True}, "local APIServices may not have insecureSkipTLSVerify"),
        ({"spec.insecureSkipTLSVerify": True, "spec.caBundle": "YQ=="}, "may not be true if caBundle is present"),
    ],
    "ingresses.networking.k8s.io": [
        ({"spec": {}}, "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"),
        ({"spec.rules[0].host": "10.0.0.1"}, "must be a DNS name, not an IP address"),
        ({"spec.rules[0].http.paths": []}, "spec.rules[0].http.paths: Required value"),
        ({"spec.rules[0].http.paths[0].pathType": None}, "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"),
        ({"spec.rules[0].http.paths[0].path": "a//b"}, 'path: Invalid value: "a//b": must be an absolute path'),
        ({"spec.rules[0].http.paths[0].path": "/a/.."}, "cannot end with '/..'"),
        ({"spec.rules[0].http.paths[0].backend": {}}, 'backend: Invalid value: "": resource or service backend is required'),
        ({"spec.rules[0].http.paths[0].backend": {"resource": {"kind": "a/b", "name": "n"}}}, "backend.resource.kind: Invalid value: \"a/b\": may not contain '/'"),
        ({"spec.rules[0].http.paths[0].backend": {"resource": {"kind": "k", "name": "n", "apiGroup": "A B"}}}, "backend.resource.apiGroup: Invalid value"),
        ({"spec.tls": [{"secretName": "A B"}]}, 'spec.tls[0].secretName: Invalid value: "A B"'),
        ({"metadata.annotations": {"kubernetes.io/ingress.class": "y"}, "spec.ingressClassName": "x"}, "annotations.kubernetes.io/ingress.class: Invalid value: \"y\": must match `ingressClassName` when both are specified"),
    ],
    "ingressclasses.networking.k8s.io": [
        ({"spec.controller": "plain"}, 'must be a domain-prefixed path (such as "acme.io/foo")'),
        ({"spec.controller": "a.com/b c"}, 'spec.controller: Invalid value: "b c": Invalid path'),
        ({"spec.parameters.scope": "Odd"}, 'spec.parameters.scope: Unsupported value: "Odd"'),
        ({"spec.parameters.scope": "Namespace"}, "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"),
        ({"spec.parameters.namespace": "n"}, "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"),
        ({"spec.parameters.name": "a/b"}, "spec.parameters.name: Invalid value: \"a/b\": may not contain '/'"),
    ],
    "networkpolicies.networking.k8s.io": [
        ({"spec.ingress[0].from[0]": {}}, "spec.ingress[0].from[0]: Required value: must specify a peer"),
        ({"spec.ingress[0].from[0].ipBlock.cidr": "10.0.0.1/8"}, "must not have bits set beyond the prefix length"),
        ({"spec.ingress[0].from[0].ipBlock.cidr": "010.0.0.0/8"}, "must not have leading 0s in IP or prefix length"),
        ({"spec.ingress[0].from[0].ipBlock.except": ["11.0.0.0/16"]}, "must be a strict subset of `cidr`"),
        ({"spec.ingress[0].from[0].podSelector": {}}, "may not specify both ipBlock and another peer"),
        ({"spec.ingress[0].ports[0].endPort": 79}, "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`"),
        ({"spec.ingress[0].ports[0].protocol": "ICMP"}, 'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP"'),
        ({"spec.policyTypes": ["Odd"]}, 'spec.policyTypes[0]: Unsupported value: "Odd"'),
    ],
    "ipaddresses.networking.k8s.io": [
        ({"metadata.name": "2001:DB8::1"}, 'metadata.name: Invalid value: "2001:DB8::1": must be in canonical form ("2001:db8::1")'),
        ({"spec.parentRef": None}, "spec.parentRef: Required value"),
        ({"spec.parentRef.resource": ""}, "spec.parentRef.resource: Required value"),
    ],
    "servicecidrs.networking.k8s.io": [
        ({"spec.cidrs": []}, "spec.cidrs: Required value: at least one CIDR required"),
        ({"spec.cidrs[0]": "10.0.0.1/16"}, "spec.cidrs[0]: Invalid value: \"10.0.0.1/16\": must not have bits set beyond the prefix length"),
        ({"spec.cidrs": ["10.0.0.0/16", "10.1.0.0/16"]}, "may specify no more than one IP for each IP family"),
    ],
    "services": [
        ({"spec.ports": []}, "spec.ports: Required value"),
        ({"spec.type": "Odd"}, 'spec.type: Unsupported value: "Odd"'),
        ({"spec.ports[0].appProtocol": ""}, "spec.ports[0].appProtocol: Invalid value"),
        ({"spec.ports[0].protocol": "ICMP"}, 'spec.ports[0].protocol: Unsupported value: "ICMP"'),
        ({"spec.ports": [{"port": 80}, {"port": 80}]}, "spec.ports[1].name: Required value"),
        ({"spec.trafficDistribution": ""}, 'spec.trafficDistribution: Unsupported value: ""'),
        ({"spec.internalTrafficPolicy": "Odd"}, 'spec.internalTrafficPolicy: Unsupported value: "Odd"'),
        ({"spec.externalIPs": ["127.0.0.1"]}, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        ({"spec.externalIPs": ["010.0.0.1"]}, "spec.externalIPs[0]: Invalid value: \"010.0.0.1\": must not have leading 0s"),
        ({"spec.loadBalancerSourceRanges": ["10.0.0.0/8"]}, "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"),
        ({"spec.type": "LoadBalancer", "spec.loadBalancerSourceRanges": ["10.0.0.1/8"]}, "must not have bits set beyond the prefix length"),
        ({"spec.type": "LoadBalancer", "metadata.annotations": {"service.beta.kubernetes.io/load-balancer-source-ranges": "x"}}, "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid value"),
        ({"metadata.annotations": {"service.kubernetes.io/topology-aware-hints": "a", "service.kubernetes.io/topology-mode": "b"}}, "must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified"),
        ({"spec.loadBalancerClass": "a"}, "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"),
        ({"spec.type": "NodePort", "spec.clusterIP": "None"}, "may not be set to 'None' for NodePort services"),
        ({"spec.sessionAffinity": "ClientIP", "spec.sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 90000}}}, "must be greater than 0 and less than 86400"),
        ({"spec.type": "ExternalName"}, "spec.externalName: Required value"),
    ],
    "endpoints": [
        ({"subsets[0].addresses": []}, "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"),
        ({"subsets[0].addresses[0].ip": "x"}, 'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address'),
        ({"subsets[0].addresses[0].ip": "169.254.1.1"}, "may not be in the link-local range"),
        ({"subsets[0].ports[0].port": 0}, "subsets[0].ports[0].port: Invalid value: 0"),
    ],
    "endpointslices.discovery.k8s.io": [
        ({"addressType": "Odd"}, 'addressType: Unsupported value: "Odd"'),
        ({"endpoints[0].addresses": ["fd00::1"]}, 'endpoints[0].addresses: Invalid value: "fd00::1": must be an IPv4 address'),
        ({"addressType": "IPv6", "endpoints[0].addresses": ["FD00::1"]}, 'must be in canonical form ("fd00::1")'),
        ({"addressType": "FQDN", "endpoints[0].addresses": ["short"]}, "should be a domain with at least two segments separated by dots"),
        ({"endpoints[0].hints": {"forZones": [{"name": "a"}, {"name": "a"}]}}, 'endpoints[0].hints.forZones[1].name: Duplicate value: "a"'),
        ({"endpoints[0].hints": {"forNodes": [{"name": "A B"}]}}, "endpoints[0].hints.forNodes[0].name: Invalid value"),
        ({"ports": [{"name": "p"}, {"name": "p"}]}, 'ports[1].name: Duplicate value: "p"'),
    ],
    "configmaps": [
        ({"data": {"a b": "x"}}, "data[a b]: Invalid value"),
        ({"binaryData": {"k": "dg=="}}, 'data[k]: Invalid value: "k": duplicate of key present in binaryData'),
        ({"data": {"k": "x" * (1 << 20), "l": "y"}}, "Too long: may not be more than 1048576 bytes"),
    ],
    "secrets": [
        ({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "W10="}}, "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        ({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "eyI="}}, "<secret contents redacted>"),
        ({"type": "kubernetes.io/ssh-auth", "data": {"ssh-privatekey": ""}}, "data[ssh-privatekey]: Required value"),
        ({"type": "kubernetes.io/basic-auth"}, "data[username]: Required value"),
        ({"type": "kubernetes.io/tls"}, "data[tls.crt]: Required value"),
        ({"type": "kubernetes.io/service-account-token"}, "metadata.annotations[kubernetes.io/service-account.name]: Required value"),
    ],
    "namespaces": [
        ({"metadata.name": "a.b"}, "must not contain dots"),
        ({"spec.finalizers": ["odd"]}, 'spec.finalizers: Invalid value: "odd": name is neither a standard finalizer name nor is it fully qualified'),
    ],
    "nodes": [
        ({"spec.taints": [{"key": "a", "effect": "Odd"}]}, 'metadata.taints[0].effect: Unsupported value: "Odd"'),
        ({"spec.taints": [{"key": "a", "effect": "NoSchedule"}] * 2}, "taints must be unique by key and effect pair"),
        ({"spec.podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]}, "may specify no more than one CIDR for each IP family"),
        ({"status.capacity": {"pods": "1500m"}}, 'status.capacity.pods: Invalid value: "1500m": must be an integer'),
        ({"status.declaredFeatures": ["B", "A"]}, "list must be sorted alphabetically"),
    ],
    "events": [
        ({"involvedObject.namespace": "other"}, "does not match event.namespace"),
        ({"eventTime": "2030-01-01T00:00:00.000000Z"}, "reportingComponent: Required value"),
    ],
    "events.events.k8s.io": [
        ({"type": "Odd"}, "has invalid value: Odd"),
        ({"reportingController": ""}, "reportingController: Required value"),
        ({"series": {"count": 1, "lastObservedTime": "2030-01-01T00:00:00.000000Z"}}, "should be at least 2"),
        ({"deprecatedCount": 1}, "needs to be unset"),
    ],
    "leases.coordination.k8s.io": [({"spec.leaseDurationSeconds": 0}, "must be greater than 0")],
    "roles.rbac.authorization.k8s.io": [
        ({"rules[0].verbs": []}, "rules[0].verbs: Required value: verbs must contain at least one value"),
        ({"rules[0].resources": []}, "resource rules must supply at least one resource"),
        ({"rules[0].nonResourceURLs": ["/x"]}, "namespaced rules cannot apply to non-resource URLs"),
        ({"metadata.name": "a/b"}, "may not contain '/'"),
    ],
    "clusterrolebindings.rbac.authorization.k8s.io": [
        ({"roleRef.kind": "Role"}, 'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'),
        ({"roleRef.name": ""}, "roleRef.name: Required value"),
        ({"subjects[0].kind": "Odd"}, 'subjects[0].kind: Unsupported value: "Odd"'),
        ({"subjects[0]": {"kind": "ServiceAccount", "name": "s"}}, "subjects[0].namespace: Required value"),
    ],
    "customresourcedefinitions.apiextensions.k8s.io": [
        ({"metadata.name": "other.example.com"}, 'metadata.name: Invalid value: "other.example.com": must be spec.names.plural+"."+spec.group'),
        ({"spec.scope": "Odd"}, 'spec.scope: Unsupported value: "Odd": supported values: "Cluster", "Namespaced"'),
        ({"spec.group": "plain", "metadata.name": "things.plain"}, 'spec.group: Invalid value: "plain": should be a domain with at least one dot'),
        ({"spec.group": "a.k8s.io", "metadata.name": "things.a.k8s.io"}, 'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io"'),
        ({"spec.versions[0].schema": None}, "spec.versions[0].schema.openAPIV3Schema: Required value"),
        ({"spec.versions[0].storage": False}, "must have exactly one version marked as storage version"),
        ({"spec.versions[0].name": "V1"}, 'spec.versions[0].name: Invalid value: "V1"'),
        ({"spec.names.kind": "thing_"}, 'spec.names.kind: Invalid value: "thing_": may have mixed case, but should otherwise match'),
        ({"spec.names.listKind": "Thing"}, "kind and listKind may not be the same"),
        ({"spec.preserveUnknownFields": True}, "spec.preserveUnknownFields: Invalid value: true: cannot set to true"),
        ({f"{_SCHEMA}.type": None}, "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root"),
        ({f"{_SCHEMA}.properties.spec.properties.n.type": None}, "spec.validation.openAPIV3Schema.properties[spec].properties[n].type: Required value: must not be empty for specified object fields"),
        ({f"{_SCHEMA}.properties.spec.properties.n.type": "odd"}, 'properties[n].type: Unsupported value: "odd"'),
        ({f"{_SCHEMA}.properties.spec.properties.l": {"type": "array"}}, "properties[l].items: Required value: must be specified"),
        ({f"{_SCHEMA}.anyOf": [{"properties": {"m": {"minimum": 1}}}]}, "openAPIV3Schema.properties[m]: Required value: because it is defined in spec.validation.openAPIV3Schema.anyOf[0].properties[m]"),
        ({f"{_SCHEMA}.properties.spec.anyOf": [{"type": "object"}]}, "anyOf[0].type: Forbidden: must be empty to be structural"),
        ({f"{_SCHEMA}.properties.spec.properties.l": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "properties": {"k": {"type": "string"}}}}}, "so it must have a default or be a required property"),
        ({f"{_SCHEMA}.properties.metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}, "must not specify anything other than name and generateName"),
        ({"spec.versions[0].subresources": {"scale": {"specReplicasPath": ".x", "statusReplicasPath": ".status.n"}}}, 'spec.subresources.scale.specReplicasPath: Invalid value: ".x": should be a json path under .spec'),
        ({"spec.versions[0].additionalPrinterColumns": [{"name": "a", "type": "odd", "jsonPath": "x"}]}, 'spec.additionalPrinterColumns[0].type: Invalid value: "odd": must be one of boolean,date,integer,number,string'),
        ({"spec.conversion": {"strategy": "Webhook"}}, "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook"),
        ({"spec.versions[0].deprecationWarning": "x"}, "can only be set for deprecated versions"),
        ({"spec.versions[0].selectableFields": [{"jsonPath": ".spec"}]}, "must point to a field of type string, boolean or integer"),
    ],
    "resourceclaims.resource.k8s.io": [
        ({"spec.devices.constraints": [{"requests": ["x"], "matchAttribute": "d.com/a"}]}, "spec.devices.constraints[0].requests[0]: Invalid value: \"x\": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"),
        ({"spec.devices.constraints": [{"requests": ["r", "r"], "matchAttribute": "d.com/a"}]}, 'spec.devices.constraints[0].requests[1]: Duplicate value: "r"'),
        ({"spec.devices.constraints": [{"matchAttribute": "a"}]}, "a fully qualified name must be a domain and a name separated by a slash"),
        ({"spec.devices.constraints": [{}]}, 'spec.devices.constraints[0]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required'),
        ({"spec.devices.config": [{"requests": ["r/s"], "opaque": {"driver": "d.com", "parameters": {}}}]}, 'spec.devices.config[0].requests[0]: Invalid value: "r/s"'),
        ({"spec.devices.config": [{"opaque": {}}]}, "spec.devices.config[0].opaque.driver: Required value"),
        ({"spec.devices.requests[0].exactly.selectors": [{}]}, "spec.devices.requests[0].exactly.selectors[0].cel: Required value"),
        ({"spec.devices.requests[0].exactly.tolerations": [{"operator": "Odd"}]}, 'tolerations[0].operator: Unsupported value: "Odd": supported values: "Equal", "Exists"'),
        ({"spec.devices.requests[0].exactly.tolerations": [{"operator": "Exists", "value": "v"}]}, "must be empty for operator `Exists`"),
        ({"spec.devices.requests[0].exactly.tolerations": [{"effect": "Odd", "key": "k"}]}, 'effect: Unsupported value: "Odd"'),
        ({"spec.devices.requests[0].name": ""}, 'spec.devices.requests[0].name: Invalid value: "": a lowercase RFC 1123 label'),
        ({"spec.devices.requests[0].exactly": None}, "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"),
        ({"spec.devices.requests[0].exactly.deviceClassName": ""}, "spec.devices.requests[0].exactly.deviceClassName: Required value"),
        ({"spec.devices.requests[0].exactly.allocationMode": "Odd"}, 'exactly.allocationMode: Unsupported value: "Odd"'),
        ({"spec.devices.requests[0].exactly.count": -1}, "exactly.count: Invalid value: -1: must be greater than zero"),
    ],
    "priorityclasses.scheduling.k8s.io": [
        ({"metadata.name": "system-odd"}, "error: system-odd is not a known system priority class"),
        ({"value": 2000000000}, "maximum allowed value of a user defined priority is 1000000000"),
        ({"preemptionPolicy": "Odd"}, 'preemptionPolicy: Unsupported value: "Odd"'),
    ],
}  # fmt: skip

#: kind → changes that upstream accepts although they look wrong.
ACCEPTED: dict[str, list[Object]] = {
    "resourcequotas": [{"spec.hard": {"count/deployments.apps": "1", "requests.e.com/gpu": "1", "hugepages-2Mi": "1"}}, {"spec": {}}],
    "limitranges": [{"spec.limits": []}, {"spec.limits[0]": {"type": "e.com/x", "max": {"cpu": "1"}}}],
    "persistentvolumes": [{"spec.volumeMode": "Block"}, {"spec.hostPath.path": "rel"}, {"spec.claimRef": {"name": "x"}}],
    "persistentvolumeclaims": [{"spec.storageClassName": ""}, {"spec.resources.requests.storage": "1500m"}, {"spec.dataSource": {"kind": "Odd", "name": "dropped"}}],
    "storageclasses.storage.k8s.io": [{"reclaimPolicy": ""}, {"provisioner": "Kubernetes.io/No-Provisioner"}],
    "flowschemas.flowcontrol.apiserver.k8s.io": [{"spec.rules": []}, {"spec.matchingPrecedence": 0}],
    "validatingwebhookconfigurations.admissionregistration.k8s.io": [{"webhooks": []}, {"webhooks[0].rules": None}, {"webhooks[0].rules[0].resources": ["pods", "*/scale"]}],
    "ingresses.networking.k8s.io": [{"spec.rules[0].http": None}, {"spec.rules[0].http.paths[0]": {"pathType": "ImplementationSpecific", "backend": _BACKEND}}],
    "networkpolicies.networking.k8s.io": [{"spec": {}}, {"spec.policyTypes": ["Ingress", "Ingress"]}],
    "servicecidrs.networking.k8s.io": [{"spec.cidrs": ["10.0.0.0/16", "fd00::/108"]}],
    "services": [{"metadata.name": "1-digit"}, {"spec.ports[0].targetPort": "http"}, {"spec.clusterIP": "None", "spec.ports": []}, {"spec.type": "LoadBalancer", "spec.loadBalancerSourceRanges": [" 10.0.0.0/8 "]}, {"spec.type": "LoadBalancer", "spec.ports[0].port": 10250}],
    "endpointslices.discovery.k8s.io": [{"ports[0].port": 0}, {"endpoints": [], "ports": []}],
    "secrets": [{"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "bnVsbA=="}}, {"type": "own", "data": None}],
    "namespaces": [{"metadata.labels": {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/enforce-version": "v1.30"}}],
    "nodes": [{"status.capacity": {"odd": "1"}}],
    "priorityclasses.scheduling.k8s.io": [{"value": -2000000000}],
    "customresourcedefinitions.apiextensions.k8s.io": [
        {f"{_SCHEMA}.properties.spec.properties.n": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}, "spec.group": "two.example.com", "metadata.name": "things.two.example.com"},
        {_SCHEMA: {"x-kubernetes-preserve-unknown-fields": True, "type": "object"}, "spec.group": "three.example.com", "metadata.name": "things.three.example.com"},
    ],
}  # fmt: skip


def put(obj: Object, path: str, value: Any) -> None:
    """Set what is at ``path``, making the objects on the way; None removes it."""
    steps = [int(index) if index else name for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)]
    steps = [s for s in steps if s != ""]
    at: Any = obj
    for step in steps[:-1]:
        at = at[step] if isinstance(step, int) else at.setdefault(step, {})
    if value is None:
        at.pop(steps[-1], None)
    else:
        at[steps[-1]] = copy.deepcopy(value)


def changed(kind: str, changes: Object) -> Object:
    out = copy.deepcopy(GOOD[kind])
    for path, value in changes.items():
        put(out, path, value)
    return out


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_accepted(world: Any, kind: str) -> None:
    world.create(kind, GOOD[kind])
    for i, changes in enumerate(ACCEPTED.get(kind, ())):
        obj = changed(kind, changes)
        obj.setdefault("metadata", {}).setdefault("name", f"odd-{i}")
        world.create(kind, obj)


@pytest.mark.parametrize(
    ("kind", "changes", "says"), [(kind, *row) for kind, rows in REFUSED.items() for row in rows],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)  # fmt: skip
def test_refused(world: Any, kind: str, changes: Object, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        world.create(kind, changed(kind, changes))
    assert says in str(refused.value)


def test_every_kind_that_is_kept_has_rules() -> None:
    """A kind without a strategy of its own accepts anything."""
    kept = [k for k in all_kinds() if actors.stored(k)]
    assert not [k.kind for k in kept if type(registry.strategy_for(k)) is Strategy]


#: kind → changes and what the server warns of.
WARNED: list[tuple[str, Object, list[str]]] = [
    ("services", {"spec.clusterIP": "None", "spec.sessionAffinity": "ClientIP"}, ["spec.SessionAffinity is ignored for headless services"]),
    ("services", {"spec.externalIPs": ["10.0.0.1"]}, ["spec.externalIPs is deprecated and may no longer be implemented in some clusters"]),
    ("services", {"spec.externalName": "a.b"}, ['spec.externalName is ignored when spec.type is not "ExternalName"']),
    ("services", {"spec.trafficDistribution": "PreferClose"}, ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"']),
    ("ingresses.networking.k8s.io", {"metadata.annotations": {"kubernetes.io/ingress.class": "x"}}, ["annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"]),
    ("persistentvolumes", {"spec.persistentVolumeReclaimPolicy": "Recycle"}, ["spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."]),
    ("persistentvolumeclaims", {"spec.resources.requests.storage": "1500m"}, ['spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer']),
    ("storageclasses.storage.k8s.io", {"allowedTopologies": [{"matchLabelExpressions": [{"key": "beta.kubernetes.io/os", "values": ["linux"]}]}]}, ['allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.14; use "kubernetes.io/os" instead']),
    ("csidrivers.storage.k8s.io", {"spec.tokenRequests": [{"audience": "a"}]}, ["spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes"]),
    ("runtimeclasses.node.k8s.io", {"scheduling": {"nodeSelector": {"beta.kubernetes.io/os": "linux"}}}, ['scheduling.nodeSelector: deprecated since v1.14; use "kubernetes.io/os" instead']),
    ("resourcequotas", {"spec.hard": {"cpu": "2", "limits.cpu": "1"}}, ["ResourceQuota cpu (2) should be less than limits.cpu (1)"]),
    ("endpointslices.discovery.k8s.io", {"addressType": "FQDN", "endpoints[0].addresses": ["a.b"]}, ["spec.addressType: FQDN endpoints are deprecated"]),
    ("secrets", {"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}}, ["tls: failed to find any PEM data in certificate input"]),
    ("nodes", {"spec.externalID": "x"}, ["spec.externalID: this field is deprecated, and is unused by Kubernetes"]),
    ("validatingwebhookconfigurations.admissionregistration.k8s.io", {"metadata.name": "a.static.k8s.io"}, ['metadata.name: names ending with ".static.k8s.io" are reserved for static manifest-based configurations and cannot be managed via the API']),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "warnings"), WARNED)
def test_warned(world: Any, kind: str, changes: Object, warnings: list[str]) -> None:
    world.create(kind, changed(kind, changes))
    assert world.warnings == warnings


_ODD_VALUES: list[Any] = [None, "", 0, -1, [], {}, "a b", "None", [{}], ["x"], {"a": "b"}, True, [None]]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, child in pairs for found in ((*path, key), *_paths(child, (*path, key)))]


@pytest.mark.parametrize("name", sorted(GOOD))
def test_no_odd_object_crashes_a_strategy(world: Any, name: str) -> None:
    """Each field in turn is gone or odd: rules give errors, never an exception of Python's."""
    kind = resource(name)
    strategy = registry.strategy_for(kind)
    meta = {"name": "it", **({"namespace": "default"} if kind.namespaced else {}), **GOOD[name].get("metadata", {}), "uid": "u"}
    good = {"apiVersion": kind.api_version, "kind": kind.kind, **copy.deepcopy(GOOD[name]), "metadata": meta}
    full = copy.deepcopy(good)
    strategy.default(full)
    strategy.prepare_create(full, world.context())
    for path in _paths(good):
        if path[0] in ("apiVersion", "kind") or path == ("metadata",):
            continue
        for value in [*_ODD_VALUES, "gone"]:
            obj = copy.deepcopy(good)
            parent: Any = obj
            for step in path[:-1]:
                parent = parent[step]
            if value == "gone":
                parent.pop(path[-1])
            else:
                parent[path[-1]] = copy.deepcopy(value)
            if schema.check(kind, obj, "Ignore").errors:
                continue
            strategy.default(obj)
            strategy.prepare_create(obj, world.context())
            assert all(map(str, strategy.validate(obj, world.context())))
            list(strategy.warnings_on_create(obj, world.context()))
            for sub in ("", "status"):
                new, ctx = copy.deepcopy(obj), world.context(sub)
                strategy.prepare_update(new, copy.deepcopy(full), ctx)
                strategy.validate_update(new, full, ctx)
                list(strategy.warnings_on_update(new, full, ctx))


def test_a_request_for_devices_is_for_one(world: Any) -> None:
    made = world.create("resourceclaims.resource.k8s.io", GOOD["resourceclaims.resource.k8s.io"])
    wanted = {"deviceClassName": "c", "allocationMode": "ExactCount", "count": 1}
    assert made["spec"]["devices"]["requests"][0]["exactly"] == wanted


def test_a_changed_runtime_class_is_looked_at_whole(world: Any) -> None:
    made = world.create("runtimeclasses.node.k8s.io", GOOD["runtimeclasses.node.k8s.io"])
    made["scheduling"] = {"tolerations": [{"key": "k", "operator": "Odd"}]}
    with pytest.raises(Invalid, match='operator: Unsupported value: "Odd"'):
        world.update("runtimeclasses.node.k8s.io", made)
