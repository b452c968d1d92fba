"""Tables of pods and workloads that upstream refuses, and of odd ones that it accepts.

A row of pods is tried as a pod, and as the template of a Deployment unless the rule is the pod's alone. Texts are upstream's.
"""

# ruff: noqa: E501 (tables of inputs and messages)

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubette.api import errors

from .conftest import World, fields
from .specs import DELETE, change, good

C = "containers.0"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_SPREAD = {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
_CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def volume(**source: Any) -> list[dict[str, Any]]:
    return [{"name": "v", **source}]


def projected(**source: Any) -> list[dict[str, Any]]:
    return volume(projected={"sources": [source]})


def env(**source: Any) -> list[dict[str, Any]]:
    return [{"name": "A", "valueFrom": source}]


#: path below spec → value → the error, relative to the pod spec.
REFUSED: list[tuple[str, Any, str]] = [
    # names, images, ports
    (f"{C}.name", "A", f'{C}.name: Invalid value: "A": a lowercase RFC 1123 label'),
    (f"{C}.image", "", f"{C}.image: Required value"),
    (f"{C}.imagePullPolicy", "Odd", f'{C}.imagePullPolicy: Unsupported value: "Odd"'),
    (f"{C}.terminationMessagePolicy", "Odd", f'{C}.terminationMessagePolicy: Unsupported value: "Odd"'),
    (f"{C}.ports.0.containerPort", 70000, f"{C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"),
    (f"{C}.ports.0.protocol", "X", f'{C}.ports[0].protocol: Unsupported value: "X"'),
    (f"{C}.ports.0.name", "UPPER", f'{C}.ports[0].name: Invalid value: "UPPER"'),
    # environment
    (f"{C}.env", env(resourceFieldRef={"resource": "limits.memory", "divisor": "3"}), f"{C}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.memory\": only divisor's values 1, 1k"),
    (f"{C}.env", env(resourceFieldRef={"resource": "limits.cpu", "divisor": "1k"}), "only divisor's values 1m and 1 are supported with the cpu resource"),
    (f"{C}.env", env(resourceFieldRef={"resource": "odd"}), 'resourceFieldRef.resource: Unsupported value: "odd"'),
    (f"{C}.env", env(configMapKeyRef={"name": "a", "key": "a b"}), f'{C}.env[0].valueFrom.configMapKeyRef.key: Invalid value: "a b"'),
    (f"{C}.env", env(secretKeyRef={"name": "A", "key": "k"}), f'{C}.env[0].valueFrom.secretKeyRef.name: Invalid value: "A"'),
    (f"{C}.env", env(fieldRef={"fieldPath": "metadata.labels['a b']"}), f'{C}.env[0].valueFrom.fieldRef: Invalid value: "a b"'),
    (f"{C}.env", env(fieldRef={"fieldPath": "metadata.name['a']"}), "fieldRef.fieldPath: Invalid value: \"metadata.name['a']\": error converting fieldPath: field label does not support subscript"),
    (f"{C}.env", env(fieldRef={"fieldPath": "status.phase"}), 'fieldRef.fieldPath: Unsupported value: "status.phase"'),
    (f"{C}.env", env(fileKeyRef={"volumeName": "v", "path": "a/../b", "key": "K"}), "fileKeyRef.path: Invalid value: \"a/../b\": must not contain '..'"),
    (f"{C}.env", env(fileKeyRef={"volumeName": "none", "path": "p", "key": "K"}), f'{C}.env[0].valueFrom.fileKeyRef.volumeName: Not found: "none"'),
    (f"{C}.env", env(fieldRef={"fieldPath": "metadata.name"}, secretKeyRef={"name": "a", "key": "k"}), "may not have more than one field specified at a time"),
    (f"{C}.envFrom", [{"configMapRef": {"name": ""}}], f"{C}.envFrom[0].configMapRef.name: Required value"),
    (f"{C}.envFrom", [{}], "must specify one of: `configMapRef` or `secretRef`"),
    # resources
    (f"{C}.resources", {"limits": {"hugepages-2Mi": "4Mi"}}, f"{C}.resources: Forbidden: HugePages require cpu or memory"),
    (f"{C}.resources", {"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}}, "3Mi is not positive integer multiple of hugepages-2Mi"),
    (f"{C}.resources", {"limits": {"foo": "1"}}, f'{C}.resources.limits[foo]: Invalid value: "foo": must be a standard resource type or fully qualified'),
    (f"{C}.resources", {"limits": {"e.com/g": "500m"}, "requests": {"e.com/g": "500m"}}, f'{C}.resources.limits[e.com/g]: Invalid value: "500m": must be an integer'),
    (f"{C}.resources", {"requests": {"e.com/g": "1"}}, f"{C}.resources.limits: Required value: Limit must be set for non overcommitable resources"),
    (f"{C}.resources", {"limits": {"e.com/g": "2"}, "requests": {"e.com/g": "1"}}, f'{C}.resources.requests: Invalid value: "1": must be equal to e.com/g limit of 2'),
    (f"{C}.resources", {"claims": [{"name": "none"}]}, f'{C}.resources.claims[0]: Not found: "none": must be one of the names in pod.spec.resourceClaims which is empty'),
    ("resources", {"limits": {"ephemeral-storage": "1"}}, 'resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage"'),
    ("resources", {"claims": []}, "resources.claims: Forbidden: claims may not be set for Resources at pod-level"),
    ("overhead", {"odd": "1"}, 'overhead.limits[odd]: Invalid value: "odd"'),
    (f"{C}.resizePolicy", [{"resourceName": "disk", "restartPolicy": "NotRequired"}], f'{C}.resizePolicy: Unsupported value: "disk"'),
    ("resourceClaims", [{"name": "c"}], 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'),
    ("resourceClaims", [{"name": "c", "resourceClaimName": "a"}, {"name": "c", "resourceClaimName": "a"}], 'resourceClaims[1].name: Duplicate value: "c"'),
    # handlers
    (f"{C}.lifecycle", {"preStop": {"sleep": {"seconds": 60}}}, f"{C}.lifecycle.preStop.sleep: Invalid value: 60: must be non-negative and less than terminationGracePeriodSeconds (30)"),
    (f"{C}.lifecycle", {"preStop": {}}, f"{C}.lifecycle.preStop: Required value: must specify a handler type"),
    (f"{C}.readinessProbe", {"exec": {"command": ["x"]}, "terminationGracePeriodSeconds": 1}, "must not be set for readinessProbes"),
    (f"{C}.livenessProbe", {"exec": {"command": ["x"]}, "terminationGracePeriodSeconds": 0}, "terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0"),
    (f"{C}.livenessProbe", {"httpGet": {"port": "x_y"}}, 'httpGet.port: Invalid value: "x_y"'),
    (f"{C}.livenessProbe", {"httpGet": {"port": 1, "httpHeaders": [{"name": "a b", "value": ""}]}}, 'httpGet.httpHeaders: Invalid value: "a b"'),
    (f"{C}.startupProbe", {"grpc": {"port": 0}}, "grpc.port: Invalid value: 0"),
    (f"{C}.livenessProbe", {"exec": {"command": ["x"]}, "periodSeconds": -1}, "periodSeconds: Invalid value: -1: must be greater than or equal to 0"),
    # restart rules
    (f"{C}.restartPolicyRules", [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}], f"{C}.restartPolicy: Required value: must specify restartPolicy when restart rules are used"),
    (f"{C}.restartPolicy", "Odd", f'{C}.restartPolicy: Unsupported value: "Odd"'),
    ("initContainers", [{"name": "i", "image": "i", "livenessProbe": {"exec": {"command": ["x"]}}}], "initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"),
    # mounts
    ("volumes", [*volume(emptyDir={}), *volume(emptyDir={})], 'volumes[1].name: Duplicate value: "v"'),
    (f"{C}.volumeMounts", [{"name": "none", "mountPath": "/x"}], f'{C}.volumeMounts[0].name: Not found: "none"'),
    (f"{C}.volumeMounts", [{"name": "v", "mountPath": "/x", "mountPropagation": "Bidirectional"}], "Bidirectional mount propagation is available only to privileged containers"),
    (f"{C}.volumeMounts", [{"name": "v", "mountPath": "/x", "recursiveReadOnly": "Enabled"}], "may only be specified when readOnly is true"),
    (f"{C}.volumeMounts", [{"name": "v", "mountPath": "/x", "subPath": "../y"}], "must not contain '..'"),
    (f"{C}.volumeDevices", [{"name": "v", "devicePath": "/x"}], f'{C}.volumeDevices[0].name: Not found: "v"'),
    # volumes
    ("volumes", volume(secret={"secretName": ""}), "volumes[0].secret.secretName: Required value"),
    ("volumes", volume(configMap={"name": "m", "defaultMode": 1000}), "volumes[0].configMap.defaultMode: Invalid value: 1000: must be a number between 0 and 0777 (octal), both inclusive"),
    ("volumes", volume(configMap={"name": "m", "items": [{"key": "k", "path": "..x"}]}), "must not start with '..'"),
    ("volumes", volume(emptyDir={"sizeLimit": "-1"}), "volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"),
    ("volumes", volume(nfs={"server": "s", "path": "rel"}), 'volumes[0].nfs.path: Invalid value: "rel": must be an absolute path'),
    ("volumes", volume(iscsi={"targetPortal": "p", "iqn": "odd", "lun": 0}), "must be valid format starting with iqn, eui, or naa"),
    ("volumes", volume(fc={"targetWWNs": ["a"]}), "volumes[0].fc.lun: Required value"),
    ("volumes", volume(persistentVolumeClaim={"claimName": ""}), "volumes[0].persistentVolumeClaim.claimName: Required value"),
    ("volumes", volume(gcePersistentDisk={"pdName": "", "partition": 0}), "volumes[0].persistentDisk.pdName: Required value"),
    ("volumes", volume(gitRepo={"repository": "r", "directory": "/x"}), "volumes[0].gitRepo.directory: Invalid value: \"/x\": must be a relative path"),
    ("volumes", volume(csi={"driver": ""}), "volumes[0].csi.driver: Required value"),
    ("volumes", volume(ephemeral={}), "volumes[0].ephemeral.volumeClaimTemplate: Required value"),
    ("volumes", volume(ephemeral={"volumeClaimTemplate": {"spec": {}}}), "volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value"),
    ("volumes", volume(image={"reference": "r", "pullPolicy": "Odd"}), 'volumes[0].image.pullPolicy: Unsupported value: "Odd"'),
    ("volumes", volume(flexVolume={"driver": "d", "options": {"x.k8s.io/a": "b"}}), "kubernetes.io and k8s.io namespaces are reserved"),
    ("volumes", projected(secret={"name": "s"}, configMap={"name": "m"}), "volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"),
    ("volumes", projected(serviceAccountToken={"path": "t", "expirationSeconds": 5}), "expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes"),
    ("volumes", projected(downwardAPI={"items": [{"path": "p"}]}), "one of fieldRef and resourceFieldRef is required"),
    ("volumes", volume(downwardAPI={"items": [{"path": "p", "resourceFieldRef": {"resource": "limits.cpu"}}]}), "resourceFieldRef.containerName: Required value"),
    # security
    ("securityContext", {"sysctls": [{"name": "no such!", "value": ""}]}, 'securityContext.sysctls[0].name: Invalid value: "no such!": must have at most 253 characters and match regex'),
    ("securityContext", {"sysctls": [{"name": "a.b", "value": ""}, {"name": "a.b", "value": ""}]}, 'securityContext.sysctls[1].name: Duplicate value: "a.b"'),
    ("securityContext", {"runAsUser": -1}, "securityContext.runAsUser: Invalid value: -1"),
    ("securityContext", {"seccompProfile": {"type": "Localhost"}}, "must be set when seccomp type is Localhost"),
    ("securityContext", {"appArmorProfile": {"type": "Odd"}}, 'securityContext.appArmorProfile.type: Unsupported value: "Odd"'),
    ("securityContext", {"supplementalGroupsPolicy": "Odd"}, 'securityContext.supplementalGroupsPolicy: Unsupported value: "Odd"'),
    ("securityContext", {"seLinuxChangePolicy": "MountOption"}, 'securityContext.seLinuxChangePolicy: Unsupported value: "MountOption": supported values: "Recursive"'),
    ("securityContext", {"windowsOptions": {"runAsUserName": ""}}, "runAsUserName cannot be an empty string"),
    (f"{C}.securityContext", {"procMount": "Unmasked"}, f'{C}.securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`'),
    (f"{C}.securityContext", {"privileged": True, "allowPrivilegeEscalation": False}, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"),
    ("os", {"name": "plan9"}, 'os: Unsupported value: "plan9"'),
    # scheduling
    ("tolerations", [{"key": "a", "operator": "Exists", "value": "b"}], "value must be empty when `operator` is 'Exists'"),
    ("tolerations", [{"key": "a", "operator": "Gt", "value": "1"}], 'tolerations[0].operator: Unsupported value: "Gt"'),
    ("tolerations", [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}], "effect must be 'NoExecute' when `tolerationSeconds` is set"),
    ("topologySpreadConstraints", [{**_SPREAD, "maxSkew": 0}], "topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"),
    ("topologySpreadConstraints", [_SPREAD, _SPREAD], 'topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{z, DoNotSchedule}"'),
    ("topologySpreadConstraints", [{**_SPREAD, "nodeTaintsPolicy": "Odd"}], 'topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: "Odd"'),
    ("topologySpreadConstraints", [{**_SPREAD, "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 1}], "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway"),
    ("topologySpreadConstraints", [{k: v for k, v in {**_SPREAD, "matchLabelKeys": ["a"]}.items() if k != "labelSelector"}], "matchLabelKeys: Forbidden: must not be specified when labelSelector is not set"),
    ("affinity", {"podAffinity": {_REQUIRED: [{"topologyKey": "z", "labelSelector": {}, "matchLabelKeys": ["a"], "mismatchLabelKeys": ["a"]}]}}, "exists in both matchLabelKeys and mismatchLabelKeys"),
    ("affinity", {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": []}}}, "must have at least one node selector term"),
    ("schedulingGates", [{"name": "a b"}], 'schedulingGates[0]: Invalid value: "a b"'),
    ("readinessGates", [{"conditionType": "a b"}], 'readinessGates[0].conditionType: Invalid value: "a b"'),
    ("activeDeadlineSeconds", 0, "activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"),
    ("hostAliases", [{"ip": "x"}], 'hostAliases[0].ip: Invalid value: "x": must be a valid IP address'),
    ("hostnameOverride", "A_b", 'hostnameOverride: Invalid value: "A_b"'),
    ("hostname", "a.b", 'hostname: Invalid value: "a.b": must not contain dots'),
    ("runtimeClassName", "", 'runtimeClassName: Invalid value: ""'),
    ("preemptionPolicy", "Odd", 'preemptionPolicy: Unsupported value: "Odd"'),
    ("dnsConfig", {"nameservers": ["1.1.1.1"] * 4}, "must not have more than 3 nameservers"),
    ("dnsConfig", {"options": [{"value": "x"}]}, "dnsConfig.options[0]: Required value: must not be empty"),
]  # fmt: skip

#: Pods with several changes, and rules of pods alone.
REFUSED_PODS: list[tuple[dict[str, Any], str]] = [
    ({f"{C}.image": " i"}, "spec.containers[0].image: Invalid value: \" i\": must not have leading or trailing whitespace"),
    ({"hostUsers": False, "hostNetwork": True}, "spec.hostNetwork: Forbidden: when `hostUsers` is false"),
    ({"hostUsers": False, "hostPID": True}, "spec.HostPID: Forbidden: when `hostUsers` is false"),
    ({"hostNetwork": True, f"{C}.ports.0.hostPort": 1}, "spec.containers[0].ports[0].hostPort: Invalid value: 1: must match `containerPort` when `hostNetwork` is true"),
    ({"hostNetwork": True, "securityContext": {"sysctls": [{"name": "net.core.x", "value": ""}]}}, "may not be specified when 'hostNetwork' is true"),
    ({"hostIPC": True, "securityContext": {"sysctls": [{"name": "kernel/shmmax", "value": ""}]}}, "may not be specified when 'hostIPC' is true"),
    ({"hostPID": True, "shareProcessNamespace": True}, "ShareProcessNamespace and HostPID cannot both be enabled"),
    ({"os": {"name": "windows"}, "hostPID": True}, "spec.hostPID: Forbidden: cannot be set for a windows pod"),
    ({"os": {"name": "linux"}, "securityContext": {"windowsOptions": {}}}, "windows options cannot be set for a linux pod"),
    ({"restartPolicy": "Never", f"{C}.resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]}, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"),
    ({"volumes": volume(emptyDir={}), f"{C}.volumeMounts": [{"name": "v", "mountPath": "/x"}], f"{C}.volumeDevices": [{"name": "v", "devicePath": "/y"}]}, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"),
    ({"volumes": volume(persistentVolumeClaim={"claimName": "c"}), f"{C}.volumeMounts": [{"name": "v", "mountPath": "/x"}], f"{C}.volumeDevices": [{"name": "v", "devicePath": "/y"}]}, "must not already exist in volumeDevices"),
    ({"volumes": [*volume(ephemeral={"volumeClaimTemplate": {"spec": _CLAIM}}), {"name": "w", "persistentVolumeClaim": {"claimName": "it-v"}}]}, "must not reference a PVC that gets created for an ephemeral volume"),
    ({"volumes": volume(image={"reference": ""})}, "spec.volumes[0].image.reference: Required value"),
    ({"volumes": projected(serviceAccountToken={"path": "t"})}, "must not be specified when serviceAccountName is not set"),
    ({"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}, f"{C}.resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}}, 'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2'),
    ({"resources": {"limits": {"cpu": "3"}}, f"{C}.resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "4"}}}, 'spec.resources.containers[0][cpu].limits: Invalid value: "4": must be less than or equal to pod limits of 3'),
    ({"hostnameOverride": "h", "setHostnameAsFQDN": True}, "may not be specified when setHostnameAsFQDN is true"),
    ({"../metadata.annotations": {"kubernetes.io/config.mirror": "x"}}, "must set spec.nodeName if mirror pod annotation is set"),
    ({"../metadata.annotations": {"controller.kubernetes.io/pod-deletion-cost": "08"}}, "must be a 32bit integer"),
    ({"../metadata.annotations": {"container.apparmor.security.beta.kubernetes.io/none": "unconfined"}}, "container not found"),
    ({"../metadata.annotations": {"seccomp.security.alpha.kubernetes.io/pod": "odd"}}, "must be a valid seccomp profile"),
    ({"../metadata.annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}, "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, "seccomp type in annotation and field must match"),
]  # fmt: skip

ACCEPTED: list[dict[str, Any]] = [
    {"terminationGracePeriodSeconds": -5},
    {"imagePullSecrets": [{}]},
    {f"{C}.env": [{"name": "a key with spaces", "value": "x"}]},
    {f"{C}.env": env(resourceFieldRef={"resource": "limits.memory", "divisor": "1Mi"})},
    {f"{C}.envFrom": [{"configMapRef": {"name": "m-"}}]},
    {f"{C}.resources": {"requests": {"memory": "100m"}}},
    {f"{C}.resources": {"limits": {"hugepages-2Mi": "4Mi", "cpu": "1"}}},
    {f"{C}.ports": [{"containerPort": 80, "hostIP": "odd"}]},
    {f"{C}.restartPolicy": "Always", f"{C}.restartPolicyRules": [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]},
    {f"{C}.lifecycle": {"preStop": {"sleep": {"seconds": 0}}}},
    {"hostUsers": False, f"{C}.securityContext": {"procMount": "Unmasked"}},
    {"volumes": volume(projected={"sources": [{}]})},
    {"volumes": volume(emptyDir={}), f"{C}.env": env(fileKeyRef={"volumeName": "v", "path": "p", "key": "K"})},
    {"dnsConfig": {"searches": ["_srv.a_b.c.", "."]}},
    {"securityContext": {"sysctls": [{"name": "net/ipv4/ip_forward", "value": "1"}]}},
    {"topologySpreadConstraints": [{**_SPREAD, "topologyKey": "not a label"}]},
    {"resourceClaims": [{"name": "c", "resourceClaimName": "a"}], f"{C}.resources": {"claims": [{"name": "c"}]}},
    {"initContainers": [{"name": "i", "image": "i", "restartPolicy": "Always", "livenessProbe": {"exec": {"command": ["x"]}}}]},
]  # fmt: skip


def refusal(world: World, kind: str, obj: dict[str, Any]) -> list[str]:
    with pytest.raises(errors.Invalid) as refused:
        world.create(kind, obj)
    return fields(refused.value)


@pytest.mark.parametrize(("path", "value", "says"), REFUSED)
def test_refused(world: World, path: str, value: Any, says: str) -> None:
    says = says.replace(C, "containers[0]")
    for kind, prefix in (("pods", "spec"), ("deployments.apps", "spec.template.spec")):
        found = refusal(world, kind, change(good(kind), f"{prefix}.{path}", value))
        assert any(f"{prefix}.{says}" in line or says in line for line in found), found


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    pod = good("pods")
    for path, value in changes.items():
        change(pod, path.removeprefix("../") if path.startswith("../") else f"spec.{path}", value)
    return pod


@pytest.mark.parametrize(("changes", "says"), REFUSED_PODS)
def test_refused_pods(world: World, changes: dict[str, Any], says: str) -> None:
    found = refusal(world, "pods", changed(changes))
    assert any(says in line for line in found), found


@pytest.mark.parametrize("changes", ACCEPTED)
def test_accepted(world: World, changes: dict[str, Any]) -> None:
    pod = changed(changes)
    world.create("pods", pod)
    world.create("deployments.apps", change(good("deployments.apps"), "spec.template.spec", pod["spec"]))


def test_a_negative_grace_period_of_a_pod_is_stored_as_one(world: World) -> None:
    assert world.create("pods", changed({"terminationGracePeriodSeconds": -5}))["spec"]["terminationGracePeriodSeconds"] == 1
    kept = world.create("deployments.apps", change(good("deployments.apps"), "spec.template.spec.terminationGracePeriodSeconds", -5))
    assert kept["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == -5


def test_label_keys_become_part_of_the_selectors(world: World) -> None:
    constraint = {**_SPREAD, "matchLabelKeys": ["app", "none"]}
    term = {"topologyKey": "z", "labelSelector": {}, "mismatchLabelKeys": ["app"]}
    pod = changed({"topologySpreadConstraints": [constraint], "affinity": {"podAntiAffinity": {_REQUIRED: [term]}}})
    spec = world.create("pods", {**pod, "metadata": {"labels": {"app": "a"}}})["spec"]
    made = {"key": "app", "operator": "In", "values": ["a"]}
    assert spec["topologySpreadConstraints"][0]["labelSelector"] == {"matchExpressions": [made]}
    assert spec["affinity"]["podAntiAffinity"][_REQUIRED][0]["labelSelector"] == {
        "matchExpressions": [{**made, "operator": "NotIn"}]
    }


def test_what_a_pod_as_a_whole_asks_for_is_completed(world: World) -> None:
    pod = changed({"resources": {"limits": {"cpu": "2", "memory": "1Gi"}}, f"{C}.resources": {"requests": {"cpu": "500m"}}})
    assert world.create("pods", pod)["spec"]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}


def test_fields_whose_gates_are_off_vanish(world: World) -> None:
    pod = changed({"schedulingGroup": {"podGroupName": "g"}, f"{C}.lifecycle": {"stopSignal": "SIGUSR1"},
                   "volumes": projected(clusterTrustBundle={"path": "p", "name": "n"})})  # fmt: skip
    spec = world.create("pods", pod)["spec"]
    assert "schedulingGroup" not in spec and "lifecycle" not in spec["containers"][0]
    assert spec["volumes"][0]["projected"]["sources"] == [{}]


# ---- what may change


def test_updates_of_a_pod(world: World) -> None:
    gated = changed({"schedulingGates": [{"name": "g"}], "nodeSelector": {"a": "b"}})
    made = world.create("pods", gated)
    for path, value, says in (
        ("spec.nodeSelector", {}, "only additions to spec.nodeSelector are allowed"),
        ("spec.schedulingGates", [{"name": "h"}], "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'"),
        (f"spec.{C}.command", ["x"], "pod updates may not change fields other than"),
        (f"spec.{C}.image", " x", "must not have leading or trailing whitespace"),
        ("metadata.annotations", {"kubernetes.io/config.mirror": "x"}, "may not add mirror pod annotation"),
    ):
        with pytest.raises(errors.Invalid) as refused:
            world.update("pods", change(copy.deepcopy(made), path, value))
        assert says in refused.value.message
    for path, value in (
        ("spec.nodeSelector", {"a": "b", "c": "d"}),
        ("spec.affinity", {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [{"matchFields": []}]}}}),
        ("spec.tolerations", [{"operator": "Exists"}]),
        ("spec.schedulingGates", DELETE),
        ("spec.activeDeadlineSeconds", 5),
    ):
        made = world.update("pods", change(copy.deepcopy(made), path, value))
    with pytest.raises(errors.Invalid, match="pod updates may not change fields other than"):
        world.update("pods", change(copy.deepcopy(made), "spec.nodeSelector", {"a": "b"}))


def test_a_resize_changes_cpu_and_memory_only(world: World) -> None:
    made = world.create("pods", changed({f"{C}.resources": {"requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}}}))
    where = f"spec.{C}.resources.requests"
    bigger = world.update("pods", change(copy.deepcopy(made), f"{where}.cpu", "2"), "resize")
    assert bigger["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "2"
    for path, value, says in (
        (f"{where}.cpu", DELETE, "resource requests cannot be removed"),
        (f"{where}.ephemeral-storage", "2Gi", "only cpu and memory resources are mutable"),
    ):
        with pytest.raises(errors.Invalid, match=says):
            world.update("pods", change(copy.deepcopy(bigger), path, value), "resize")


# ---- workloads

_CPU = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
_STS, _DS, _DEPLOY, _HPA, _PDB = (
    "statefulsets.apps", "daemonsets.apps", "deployments.apps", "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy",
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "path", "value", "says"),
    [
        ("replicationcontrollers", "spec.template.spec.activeDeadlineSeconds", 5, "activeDeadlineSeconds in ReplicationController is not Supported"),
        (_DEPLOY, "spec.template.spec.restartPolicy", "Never", 'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'),
        (_DEPLOY, "spec.template", DELETE, "spec.template.spec.containers: Required value"),
        (_DEPLOY, "spec.selector", DELETE, "`selector` does not match template `labels`"),
        (_DEPLOY, "spec.strategy.type", "Odd", "spec.strategy: Unsupported value"),
        (_DEPLOY, "spec.strategy", {"rollingUpdate": {"maxSurge": "0%", "maxUnavailable": 0}}, "may not be 0 when `maxSurge` is 0"),
        (_DEPLOY, "spec.progressDeadlineSeconds", 0, "must be greater than minReadySeconds"),
        (_DS, "spec.updateStrategy", {"rollingUpdate": {"maxSurge": 1}}, "may not be set when maxUnavailable is non-zero"),
        (_DS, "spec.updateStrategy", {"rollingUpdate": {"maxUnavailable": "101%"}}, "must not be greater than 100%"),
        (_DS, "spec.updateStrategy.type", "Odd", "spec.updateStrategy: Unsupported value"),
        (_DS, "spec.template.spec.activeDeadlineSeconds", 5, "activeDeadlineSeconds in DaemonSet is not Supported"),
        (_STS, "metadata.name", "a.b", 'metadata.name: Invalid value: "a.b": must not contain dots'),
        (_STS, "spec.ordinals", {"start": -1}, "spec.ordinals.start: Invalid value: -1"),
        (_STS, "spec.volumeClaimTemplates", [{"metadata": {"name": "d"}, "spec": {}}], "spec.volumeClaimTemplates[0].spec.accessModes: Required value"),
        (_STS, "spec.persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Odd"}, 'whenDeleted: Unsupported value: "Odd"'),
        (_STS, "spec.updateStrategy", {"type": "OnDelete", "rollingUpdate": {}}, "only allowed for updateStrategy 'RollingUpdate'"),
        (_STS, "spec.serviceName", "a.b", "spec.serviceName: Invalid value"),
        (_HPA, "spec.maxReplicas", DELETE, "spec.maxReplicas: Required value: must be set and greater than 0"),
        (_HPA, "spec.minReplicas", 0, "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"),
        (_HPA, "spec.minReplicas", 5, "must be greater than or equal to `minReplicas`"),
        (_HPA, "spec.scaleTargetRef.name", "a/b", "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'"),
        (_HPA, "spec.scaleTargetRef.apiVersion", "v1", "apiVersion must specify API group"),
        (_HPA, "spec.metrics", [{"type": "Odd"}], 'spec.metrics[0].type: Unsupported value: "Odd"'),
        (_HPA, "spec.metrics", [{"type": "Resource"}], "spec.metrics[0].resource: Required value: must populate information for the given metric source"),
        (_HPA, "spec.metrics", [{"type": "Pods", "resource": _CPU, "pods": {}}], "spec.metrics[0].resource: Forbidden: must populate the given metric source only"),
        (_HPA, "spec.metrics", [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}], "must set either a target raw value or a target utilization"),
        (_HPA, "spec.metrics", [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 0}}}], "averageUtilization: Invalid value: 0: must be greater than 0"),
        (_HPA, "spec.metrics", [{"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue"}}}], "must specify a positive target averageValue"),
        (_HPA, "spec.metrics", [{"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "1", "averageValue": "1"}}}], "may not set both a target value for metric and a per-pod target"),
        (_HPA, "spec.metrics", [{"type": "Object", "object": {"metric": {"name": "m"}, "describedObject": {"kind": "K", "name": "n"}, "target": {"type": "Value", "value": "-1"}}}], 'target.value: Invalid value: "-1": must be positive'),
        (_HPA, "spec.metrics", [{"type": "ContainerResource", "containerResource": _CPU}], "must specify a container"),
        (_HPA, "spec.behavior", {"scaleUp": {"stabilizationWindowSeconds": 3601}}, "must be less than or equal to 3600"),
        (_HPA, "spec.behavior", {"scaleDown": {"policies": []}}, "must specify at least one Policy"),
        (_HPA, "spec.behavior", {"scaleDown": {"policies": [{"type": "Odd", "value": 0, "periodSeconds": 1801}]}}, "must be less than or equal to 1800"),
        (_HPA, "spec.behavior", {"scaleUp": {"selectPolicy": "Odd"}}, 'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Odd"'),
        (_PDB, "spec.maxUnavailable", 1, "minAvailable and maxUnavailable cannot be both set"),
        (_PDB, "spec.minAvailable", "150%", "must not be greater than 100%"),
        (_PDB, "spec.unhealthyPodEvictionPolicy", "", 'spec.unhealthyPodEvictionPolicy: Unsupported value: ""'),
        ("controllerrevisions.apps", "data", DELETE, "data: Required value: data is mandatory"),
        ("controllerrevisions.apps", "revision", -1, "revision: Invalid value: -1"),
    ],
)  # fmt: skip
def test_refused_workloads(world: World, kind: str, path: str, value: Any, says: str) -> None:
    found = refusal(world, kind, change(good(kind), path, value))
    assert any(says in line for line in found), found


def test_odd_workloads_that_are_accepted(world: World) -> None:
    for kind, path, value in (
        (_PDB, "metadata.name", "Upper_Case"),
        (_STS, "spec.revisionHistoryLimit", -1),
        (_STS, "spec.template.spec.hostname", "not.a.label"),
        (_HPA, "spec.scaleTargetRef", {"apiVersion": "v1", "kind": "ReplicationController", "name": "r"}),
        (_DEPLOY, "spec.template.spec.containers.0.image", " padded "),
    ):
        world.create(kind, change(good(kind), path, value))


def test_an_autoscalers_behavior_is_completed(world: World) -> None:
    made = world.create(_HPA, change(good(_HPA), "spec.behavior", {"scaleDown": {"stabilizationWindowSeconds": 60}}))
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert made["spec"]["behavior"] == {
        "scaleUp": {
            "stabilizationWindowSeconds": 0, "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent],
        },
        "scaleDown": {"stabilizationWindowSeconds": 60, "selectPolicy": "Max", "policies": [percent]},
    }  # fmt: skip


def test_annotations_move_a_deployments_generation(world: World) -> None:
    made = world.create(_DEPLOY, good(_DEPLOY))
    assert world.update(_DEPLOY, change(made, "metadata.annotations", {"a": "b"}))["metadata"]["generation"] == 2
